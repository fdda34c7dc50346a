"""Administrators manage people; nobody else gets in, and the admin's pages live under the same policy."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PageFor
from tests.browser.steps import log_in

pytestmark = pytest.mark.browser

NEW_PASSWORD = "a long sentence for Grace"


def test_dora_adds_grace_who_can_log_in_at_once(page_for: PageFor):
    dora = page_for("dora")
    dora.goto("/")
    dora.get_by_role("banner").get_by_role("button", name="Account").click()
    dora.get_by_role("link", name="Administration").click()
    expect(dora).to_have_url("/admin/")

    dora.get_by_role("row", name="Users").get_by_role("link", name="Add").click()
    dora.get_by_label("Username:").fill("grace")
    dora.get_by_label("Password:", exact=True).fill(NEW_PASSWORD)
    dora.get_by_label("Password confirmation:").fill(NEW_PASSWORD)
    dora.get_by_role("button", name="Save", exact=True).click()
    expect(dora.get_by_text("was added successfully")).to_be_visible()

    grace = page_for(None)
    grace.goto("/")
    log_in(grace, "grace", NEW_PASSWORD)
    expect(grace.get_by_role("heading", name="Dashboard")).to_be_visible()
    expect(grace.get_by_text("Welcome, grace.")).to_be_visible()


def test_every_page_of_the_admin_lives_under_the_policy(page_for: PageFor):
    """The browser would complain, and with it the test, about anything that the policy stops."""
    dora = page_for("dora")
    dora.goto("/admin/")
    expect(dora.get_by_role("heading", name="People and permissions")).to_be_visible()

    dora.get_by_role("main").get_by_role("link", name="Users", exact=True).click()
    dora.get_by_role("textbox", name="Search").fill("frank")
    dora.get_by_role("button", name="Search").click()
    expect(dora.get_by_role("row").filter(has_text="frank")).to_have_count(1)
    dora.get_by_role("rowheader").get_by_role("link", name="frank", exact=True).click()
    expect(dora.get_by_label("Email address:")).to_have_value("frank@example.com")
    dora.get_by_label("First name:").fill("Frank P.")
    dora.get_by_role("button", name="Save and continue editing").click()
    expect(dora.get_by_text("was changed successfully")).to_be_visible()
    dora.get_by_role("link", name="History").click()
    expect(dora.get_by_role("row").filter(has_text="First name")).to_have_count(1)
    dora.go_back()
    way_to(dora, "Delete").click()
    expect(dora.get_by_text("Are you sure you want to delete")).to_be_visible()
    dora.wait_for_load_state()  # the way back is a script's
    way_to(dora, "No, take me back").click()
    expect(dora.get_by_label("First name:")).to_have_value("Frank P.")


def test_alice_gets_403_from_the_admin(page_for: PageFor):
    alice = page_for("alice", expected=(403,))
    alice.goto("/")
    alice.get_by_role("banner").get_by_role("button", name="Account").click()
    expect(alice.get_by_role("link", name="Administration")).to_have_count(0)

    for path in ("/admin/", "/admin/console/user/", "/admin/console/user/add/"):
        answer = alice.goto(path)
        assert answer is not None
        assert answer.status == 403
        expect(alice.get_by_role("heading", name="Not allowed")).to_be_visible()


def test_a_stranger_is_led_to_the_log_in_and_then_to_the_admin(page_for: PageFor):
    page = page_for(None)
    page.goto("/admin/console/user/")

    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    log_in(page, "dora")

    expect(page).to_have_url("/admin/console/user/")


def way_to(page: Page, name: str) -> Locator:
    """Return the link of that name, which newer versions of Django call a button."""
    return page.get_by_role("link", name=name).or_(page.get_by_role("button", name=name))
