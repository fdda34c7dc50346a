"""Two tabs, or two people, at once: each gets one clear outcome, and what was typed is kept."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.addresses import CREATE, KEYS
from tests.browser.conftest import PageFor, with_and_without_script
from tests.browser.steps import (
    choose_action,
    delete,
    dialog,
    edit,
    expect_typed,
    fill,
    log_in,
    notes,
    open_create,
    row,
)
from tests.browser.value import Value
from tests.browser.visitor import Visitor
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser


CONFLICT = "Someone changed this API key while you were editing it. Compare, then save again."
GONE = "That API key no longer exists. It may have been deleted in another tab."
EDIT = "Edit API key"


@with_and_without_script
def test_the_second_of_two_edits_sees_both_versions_and_decides(page_for: PageFor, server: ConsoleServer, js):
    name = f"edited in two tabs, script {js}"
    first, second = two_tabs(page_for, server, name, js=js, expected=(409,))
    form = open_edit(second, name)

    edit(first, name, f"{name}, first", "first was here")
    fill(form, f"{name}, second", "second was here")
    form.get_by_role("button", name="Save").click()

    expect(form.get_by_role("alert").get_by_text(CONFLICT)).to_be_visible()
    expect(form.get_by_text(f"{name}, first", exact=True)).to_be_visible()
    expect(form.get_by_text("first was here")).to_be_visible()
    expect_typed(form, f"{name}, second", "second was here")
    form.get_by_role("button", name="Save").click()
    expect(notes(second, f"The changes to {name}, second were saved.")).to_be_visible()
    first.reload()
    expect(row(first, f"{name}, second")).to_contain_text("second was here")


@pytest.mark.parametrize("width", [300, 1440])  # 300: what a scroll bar leaves of 320
def test_the_page_that_keeps_a_refused_form_breaks_no_label_and_offers_to_send_it_first(page_for: PageFor, width):
    page = page_for("alice", js=False, viewport={"width": width, "height": 800}, expected=(403,))
    form = open_create(page)
    fill(form, "kept", "many words " * 20)
    page.context.clear_cookies(name="csrf")

    form.get_by_role("button", name="Create API key").click()

    send, leave = page.get_by_role("button", name="Send again"), page.get_by_role("link", name="Go to the dashboard")
    expect(page.get_by_role("heading", name="Your browser did not return a cookie")).to_be_visible()
    lines = page.get_by_role("term").evaluate_all(
        """(terms) => terms.map((term) => {
          const text = document.createRange();
          text.selectNodeContents(term);
          return [term.textContent, text.getClientRects().length];
        })"""
    )
    assert lines == [["Name", 1], ["Description", 1]]
    assert [button.get_attribute("class") for button in (send, leave)] == ["btn", "btn btn--secondary"]
    send.click()
    assert Value.shown_in(dialog(page, "API key created")).looks_genuine()


@with_and_without_script
def test_the_second_of_two_deletions_hears_that_the_key_is_gone(page_for: PageFor, server: ConsoleServer, js):
    name = f"deleted in two tabs, script {js}"
    first, second = two_tabs(page_for, server, name, js=js)
    for tab in (first, second):
        choose_action(tab, name, "Delete key")
        dialog(tab, "Delete key?")

    dialog(first, "Delete key?").get_by_role("button", name="Delete key").click()
    expect(notes(first, f"{name} was deleted and no longer works.")).to_be_visible()
    dialog(second, "Delete key?").get_by_role("button", name="Delete key").click()

    expect(notes(second, GONE)).to_be_visible()
    expect(row(second, name)).to_have_count(0)


@pytest.mark.parametrize(
    ("action", "role", "told"),
    [
        (EDIT, "alert", "This API key does not exist. It may have been deleted."),
        ("Delete key", "status", GONE),
    ],
)
def test_a_dialog_of_a_key_that_is_gone_says_so_and_its_row_goes(
    page_for: PageFor, server: ConsoleServer, action, role, told
):
    name = f"gone before {action}"
    first, second = two_tabs(page_for, server, name, expected=(404,))

    delete(first, name)

    choose_action(second, name, action)

    expect(second.get_by_role(role).filter(has_text=told)).to_be_visible()
    expect(row(second, name)).to_have_count(0)


def test_an_edit_of_a_key_that_was_deleted_meanwhile_keeps_what_was_typed(page_for: PageFor, server: ConsoleServer):
    name = "deleted while edited"
    first, second = two_tabs(page_for, server, name, expected=(404,))
    form = open_edit(second, name)
    fill(form, "typed in vain", "but kept")

    delete(first, name)
    form.get_by_role("button", name="Save").click()

    expect(form.get_by_role("alert")).to_contain_text("This API key does not exist. It may have been deleted.")
    expect_typed(form, "typed in vain", "but kept")


@with_and_without_script
def test_a_form_sent_after_log_out_in_the_other_tab_comes_back_filled(page_for: PageFor, server: ConsoleServer, js):
    name = f"after log out, script {js}"
    first = page_for("alice", js=js, expected=(401,))
    second = first.context.new_page()
    form = open_create(second)
    fill(form, name, "typed before")
    first.goto("/")

    log_out(first)
    form.get_by_role("button", name="Create API key").click()

    expect(notes(second, "Your session has ended. Log in again to continue with what you typed.")).to_be_visible()
    log_in(second, "alice")
    expect(second).to_have_url(CREATE)
    form = dialog(second, "Create API key")
    expect_typed(form, name, "typed before")
    assert Visitor.logged_in(server, "alice").names_found(name) == 0


def sent_after_a_new_log_in(page_for: PageFor, name: str, js: bool = True) -> Locator:
    """Fill in a form, log out and in in another tab, and send the form."""
    first = page_for("alice", js=js, expected=(403,))
    form = open_create(first.context.new_page())
    fill(form, name, "typed before")
    first.goto("/")
    log_out(first)
    log_in(first, "alice")
    expect(first.get_by_role("heading", name="Dashboard")).to_be_visible()
    form.get_by_role("button", name="Create API key").click()
    return form


def test_a_form_from_before_a_new_log_in_keeps_what_was_typed(page_for: PageFor, server: ConsoleServer):
    form = sent_after_a_new_log_in(page_for, "from before")

    expect(form.get_by_role("alert")).to_contain_text("This page is out of date.")
    expect_typed(form, "from before", "typed before")
    assert Visitor.logged_in(server, "alice").names_found("from before") == 0


def test_without_script_a_form_from_before_a_new_log_in_can_be_sent_again(page_for: PageFor, server: ConsoleServer):
    page = sent_after_a_new_log_in(page_for, "from <b>before</b>", js=False).page

    expect(page.get_by_role("heading", name="This page is out of date")).to_be_visible()
    expect(page.get_by_text("from <b>before</b>")).to_be_visible()
    expect(page.get_by_text("typed before")).to_be_visible()
    page.get_by_role("button", name="Send again").click()

    created = dialog(page, "API key created")
    assert Value.shown_in(created).looks_genuine()
    assert Visitor.logged_in(server, "alice").names_found("from <b>before</b>") == 1


@with_and_without_script
def test_the_language_is_remembered_in_every_tab_and_after_log_out(page_for: PageFor, js):
    page = page_for("erin", js=js)
    page.goto(KEYS)

    page.get_by_role("banner").get_by_role("button", name="Language").click()
    page.get_by_role("banner").get_by_role("button", name="繁體中文").click()

    expect(page.get_by_role("heading", name="API 金鑰", level=1)).to_be_visible()
    tab = page.context.new_page()
    tab.goto("/")
    expect(tab.get_by_role("heading", name="儀表板")).to_be_visible()
    tab.get_by_role("banner").get_by_role("button", name="帳戶").click()
    tab.get_by_role("button", name="登出").click()
    expect(tab.get_by_role("heading", name="登入")).to_be_visible()
    tab.get_by_role("button", name="語言").click()
    tab.get_by_role("button", name="English").click()
    expect(tab.get_by_role("heading", name="Log in")).to_be_visible()


@with_and_without_script
def test_the_theme_is_remembered_in_every_tab_and_after_log_out(page_for: PageFor, js):
    page = page_for("erin", js=js, color_scheme="light")
    page.goto(KEYS)
    light = background(page)

    choose_theme(page, "Dark")
    expect(page).to_have_url(KEYS)
    dark = background(page)
    tab = page.context.new_page()
    tab.goto("/")

    assert background(tab) == dark != light
    log_out(tab)
    assert background(tab) == dark
    log_in(tab, "erin")
    expect(tab.get_by_role("heading", name="Dashboard")).to_be_visible()
    assert background(tab) == dark
    choose_theme(tab, "System")
    expect(tab.get_by_role("heading", name="Dashboard")).to_be_visible()
    assert background(tab) == light


def two_tabs(page_for: PageFor, server: ConsoleServer, name: str, **options) -> tuple[Page, Page]:
    """Return two tabs of Alice, each with a list that has a key of that name."""
    Visitor.logged_in(server, "alice").create_key(name)
    first = page_for("alice", **options)
    second = first.context.new_page()
    for tab in (first, second):
        tab.goto(KEYS)
        expect(row(tab, name)).to_be_visible()
    return first, second


def open_edit(page: Page, name: str):
    choose_action(page, name, EDIT)
    return dialog(page, EDIT)


def log_out(page: Page) -> None:
    page.get_by_role("banner").get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def choose_theme(page: Page, theme: str) -> None:
    page.get_by_role("banner").get_by_role("button", name="Account").click()
    with page.expect_navigation():
        page.get_by_role("group", name="Theme").get_by_role("button", name=theme).click()


def background(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")
