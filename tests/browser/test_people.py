"""Dora makes a user, who chooses a password by the link, in a browser; then she deactivates and deletes her."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PageFor
from tests.browser.steps import log_in

pytestmark = pytest.mark.browser

NEW_PASSWORD = "a long sentence for Grace"


def test_dora_makes_grace_who_chooses_a_password_and_comes_in_until_she_is_deactivated(page_for: PageFor):
    dora = page_for("dora")
    dora.goto("/")
    dora.get_by_role("button", name="Manage").click()
    dora.get_by_role("link", name="Users", exact=True).click()
    expect(dora).to_have_url("/manage/users/")
    dora.get_by_role("link", name="Create user").click()
    dora.get_by_label("User ID").fill("grace")
    dora.get_by_label("First name (optional)").fill("Grace")
    dora.get_by_role("button", name="Create user").click()
    expect(dora.get_by_role("heading", name="User created")).to_be_visible()
    link = dora.locator("#link").inner_text()
    dora.get_by_role("button", name="Copy").click()

    grace = page_for(None)
    grace.goto(link)
    expect(grace.get_by_text("For the user grace")).to_be_visible()
    expect(grace).to_have_url("/password/choose/")  # the code is in no history
    grace.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    grace.get_by_label("Confirm new password").fill(NEW_PASSWORD)
    grace.get_by_role("button", name="Set password").click()
    expect(grace.get_by_text("Your password was set. Log in as grace.")).to_be_visible()
    log_in(grace, "grace", NEW_PASSWORD)
    expect(grace.get_by_text("Welcome, Grace.")).to_be_visible()

    dora.get_by_role("link", name="Go to the users").click()
    dora.get_by_role("searchbox").fill("grace")
    dora.get_by_role("searchbox").press("Enter")
    dora.get_by_role("rowheader").get_by_role("link", name="Grace").click()
    dora.get_by_role("button", name="Deactivate").click()
    expect(dora.get_by_text("Grace is deactivated.")).to_be_visible()
    grace.reload()
    expect(grace.get_by_role("heading", name="Log in")).to_be_visible()

    dora.get_by_role("link", name="Grace").click()
    dora.get_by_role("link", name="Delete user").click()
    expect(dora.get_by_role("heading", name="Delete user?")).to_be_visible()
    dora.get_by_role("button", name="Delete user").click()
    expect(dora.get_by_text("Grace was deleted.")).to_be_visible()


def test_without_script_and_by_keyboard_dora_makes_and_deletes_harriet_who_pastes_the_link(page_for: PageFor):
    dora = page_for("dora", js=False)
    dora.goto("/manage/users/create/")
    expect(dora.get_by_label("User ID")).to_be_focused()
    dora.keyboard.type("harriet")
    dora.keyboard.press("Enter")
    expect(dora.get_by_role("heading", name="User created")).to_be_visible()
    link = dora.locator("#link").inner_text()

    harriet = page_for(None, js=False)
    harriet.goto(link)
    expect(harriet.get_by_label("Link or its code")).to_be_focused()
    harriet.keyboard.insert_text(link)
    harriet.keyboard.press("Enter")
    expect(harriet.get_by_text("For the user harriet")).to_be_visible()
    for text in (NEW_PASSWORD, NEW_PASSWORD):
        harriet.keyboard.insert_text(text)
        harriet.keyboard.press("Tab")
    expect(harriet.get_by_role("button", name="Set password")).to_be_focused()
    harriet.keyboard.press("Enter")
    expect(harriet.get_by_text("Your password was set. Log in as harriet.")).to_be_visible()

    dora.goto("/manage/users/")
    dora.get_by_role("searchbox").focus()
    dora.keyboard.type("harriet")
    dora.keyboard.press("Enter")
    for role, name in (("link", "harriet"), ("button", "Deactivate"), ("link", "harriet"), ("link", "Delete user")):
        dora.get_by_role(role, name=name, exact=True).focus()
        dora.keyboard.press("Enter")
    expect(dora.get_by_role("link", name="Cancel")).to_be_focused()
    dora.keyboard.press("Tab")
    dora.keyboard.press("Enter")
    expect(dora.get_by_text("harriet was deleted.")).to_be_visible()


def test_another_link_that_is_opened_in_the_same_tab_is_taken_too(page_for: PageFor):
    dora = page_for("dora")
    links = []
    for name in ("ingrid", "jane"):
        dora.goto("/manage/users/create/")
        dora.get_by_label("User ID").fill(name)
        dora.get_by_role("button", name="Create user").click()
        links.append(dora.locator("#link").inner_text())

    tab = page_for(None, expected=(409,))
    for name, link in zip(("ingrid", "jane"), links, strict=True):
        tab.goto(link)
        expect(tab.get_by_text(f"For the user {name}")).to_be_visible()
        expect(tab).to_have_url("/password/choose/")
    for field in ("New password", "Confirm new password"):
        tab.get_by_label(field, exact=True).fill(NEW_PASSWORD)
    tab.get_by_role("button", name="Set password").click()
    expect(tab.get_by_text("Your password was set. Log in as jane.")).to_be_visible()
    tab.goto(links[1])
    expect(tab.get_by_text("used")).to_be_visible()
    tab.goto(links[0])

    expect(tab.get_by_text("For the user ingrid")).to_be_visible()
    expect(tab).to_have_url("/password/choose/")


def test_the_code_of_a_link_leaves_the_page_with_the_person_and_is_asked_for_when_they_come_back(page_for: PageFor):
    dora = page_for("dora")
    dora.goto("/manage/users/create/")
    dora.get_by_label("User ID").fill("kim")
    dora.get_by_role("button", name="Create user").click()
    link = dora.locator("#link").inner_text()
    kim = page_for(None)
    kim.goto(link)
    expect(kim.get_by_text("For the user kim")).to_be_visible()
    code = link.partition("#")[2]
    assert code in kim.content()

    kim.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    assert code not in kim.content()
    kim.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")

    expect(kim.get_by_label("Link or its code")).to_be_focused()


def test_alice_sees_no_way_to_the_users_and_is_refused_there(page_for: PageFor):
    alice = page_for("alice", expected=(403,))
    alice.goto("/")
    alice.get_by_role("button", name="Manage").click()
    expect(alice.get_by_role("link", name="Users", exact=True)).to_have_count(0)

    for path in ("/manage/users/", "/manage/users/create/"):
        answer = alice.goto(path)
        assert answer is not None
        assert answer.status == 403


def test_a_stranger_is_led_to_the_log_in_and_then_to_the_users(page_for: PageFor):
    page = page_for(None)
    page.goto("/manage/users/")

    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    log_in(page, "dora")

    expect(page).to_have_url("/manage/users/")
