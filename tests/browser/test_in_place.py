"""What is done in the list changes the list in place: focus stays at hand, and what was done is said once."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.addresses import KEYS, delete_address
from tests.browser.conftest import DESKTOP, PageFor, with_and_without_script
from tests.browser.steps import (
    choose_action,
    close_unsaved,
    create_key,
    delete,
    dialog,
    fill,
    focused,
    leave_unsaved,
    log_in,
    notes,
    press_action,
    row,
    submit,
    tab_to,
)
from tests.browser.value import Value
from tests.browser.visitor import Visitor
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser

MOST_KEY_PRESSES = 30
LOW = {"width": 1280, "height": 600}  # no list fits
SMALL = {"width": 320, "height": 640}

# Writes down each text that comes into a live region, which is what a screen reader reads, until the page is left.
LISTEN = """
() => {
  window.said = [];
  const regions = "[role=status], [role=alert], [aria-live]";
  new MutationObserver((changes) => {
    for (const change of changes)
      for (const node of change.addedNodes) {
        const region = (node.nodeType === 1 ? node : node.parentElement)?.closest(regions);
        const text = node.textContent.replace(/\\s+/g, " ").trim();
        if (region && text) window.said.push(text);
      }
  }).observe(document.body, { childList: true, subtree: true });
}
"""


class Keyboard:
    """Presses keys and counts each; a typed text is one, because its length is not the console's."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.pressed: list[str] = []

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.pressed.append(key)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.pressed.append("a name")

    def tab_to(self, control: Locator) -> None:
        expect(control).to_be_visible()
        while not focused(control) and len(self.pressed) < 2 * MOST_KEY_PRESSES:
            self.press("Tab")
        expect(control).to_be_focused()


@pytest.fixture
def alices_list(page_for: PageFor, server: ConsoleServer):
    """Give Alice keys of these names, the last one newest, and listen to her list; `query` is that of its address."""

    def open_list(*names: str, query: str, **options) -> Page:
        alice = Visitor.logged_in(server, "alice")
        for name in names:
            alice.create_key(name)
        page = page_for("alice", **options)
        page.goto(f"{KEYS}?{query}")
        listen(page)
        return page

    return open_list


def actions(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=f"Actions for {name}", exact=True)


def listen(page: Page) -> None:
    page.wait_for_load_state()
    page.evaluate(LISTEN)
    page.evaluate("document.body.dataset.same = 'page'")


def said(page: Page, expected: str) -> list[str]:
    """Wait until something was said, and return all that was."""
    page.wait_for_function("(words) => window.said.some((text) => text.includes(words))", arg=expected)
    page.wait_for_timeout(400)  # nothing is said twice a moment later
    return page.evaluate("window.said")


def create_here(page: Page, name: str) -> None:
    """Create a key from the page that is shown, and close its dialog."""
    page.get_by_role("link", name="Create API key").click()
    form = dialog(page, "Create API key")
    fill(form, name)
    leave_unsaved(submit(form))


def is_same_page(page: Page) -> bool:
    return page.evaluate("document.body.dataset.same === 'page'")


# Key presses


def test_create_show_copy_close_and_delete_take_few_key_presses(page_for: PageFor):
    page = page_for("erin", permissions=("clipboard-read", "clipboard-write"))
    page.goto(KEYS)
    page.wait_for_load_state()
    keyboard = Keyboard(page)

    keyboard.press("Tab", "Enter")  # skips the menus
    keyboard.tab_to(page.get_by_role("link", name="Create API key"))
    keyboard.press("Enter")
    expect(dialog(page, "Create API key").get_by_role("textbox", name="Name", exact=True)).to_be_focused()
    keyboard.type("few presses")
    keyboard.press("Enter")
    created = dialog(page, "API key created")
    value = Value.shown_in(created)
    keyboard.tab_to(created.get_by_role("button", name="Show"))
    keyboard.press("Enter")
    expect(created.locator("#value")).to_be_visible()
    keyboard.tab_to(created.get_by_role("button", name="Copy"))
    keyboard.press("Enter")
    expect(created.get_by_role("button", name="Copied")).to_be_visible()
    keyboard.press("Escape")
    expect(actions(page, "few presses")).to_be_focused()
    keyboard.press("Enter")
    expect(row(page, "few presses").get_by_role("link", name="Details")).to_be_focused()
    keyboard.press("End")
    expect(row(page, "few presses").get_by_role("link", name="Delete key")).to_be_focused()
    keyboard.press("Enter")
    keyboard.tab_to(dialog(page, "Delete key?").get_by_role("button", name="Delete key"))
    keyboard.press("Enter")
    expect(notes(page, "few presses was deleted and no longer works.")).to_be_visible()

    assert value.looks_genuine()
    assert len(keyboard.pressed) <= MOST_KEY_PRESSES, keyboard.pressed


def test_arrows_move_in_a_menu_and_escape_returns_to_its_button(alices_list):
    page = alices_list("in a menu", query="q=in a menu")
    menu = row(page, "in a menu")
    button = actions(page, "in a menu")
    details, delete = (menu.get_by_role("link", name=name) for name in ("Details", "Delete key"))

    button.press("Enter")
    expect(details).to_be_focused()
    for key, reached in (
        ("ArrowUp", delete),
        ("ArrowDown", details),
        ("ArrowDown", menu.get_by_role("link", name="Edit API key")),
        ("End", delete),
        ("Home", details),
    ):
        page.keyboard.press(key)
        expect(reached).to_be_focused()
    page.keyboard.press("Escape")

    expect(button).to_be_focused()
    expect(details).to_be_hidden()


def test_only_the_button_of_the_menu_that_is_open_says_so(alices_list):
    page = alices_list("second of two", "first of two", query="q=of two")
    first, second = actions(page, "first of two"), actions(page, "second of two")

    first.click()
    expect(first).to_have_attribute("aria-expanded", "true")
    second.evaluate("(button) => button.click()")  # as a screen reader does, which moves no focus

    expect(second).to_have_attribute("aria-expanded", "true")
    expect(first).to_have_attribute("aria-expanded", "false")


@pytest.mark.parametrize("name", ["Actions for left backwards", "Filters", "Account", "Manage"])
def test_a_menu_that_the_focus_leaves_backwards_closes(alices_list, name):
    page = alices_list("left backwards", query="q=left backwards")
    button = page.get_by_role("button", name=name, exact=True)
    opened = page.locator(".menu:popover-open")

    button.press("Enter")
    expect(opened.locator(":focus")).to_have_count(1)
    page.keyboard.press("Shift+Tab")
    expect(button).to_be_focused()
    expect(opened).to_have_count(0)

    button.press("Enter")
    expect(opened.locator(":focus")).to_have_count(1)
    button.focus()  # as a screen reader does
    expect(opened).to_have_count(1)
    page.keyboard.press("Shift+Tab")
    expect(button).not_to_be_focused()
    expect(opened).to_have_count(0)


@pytest.mark.parametrize("viewport", [DESKTOP, SMALL], ids=["1440x900", "320x640"])
def test_the_menu_says_which_key_it_is_about_and_shows_it_where_it_covers_the_row(alices_list, viewport):
    this, other = (f"{name}, {viewport['width']}" for name in ("about <b>this key", "about another"))
    page = alices_list(this, other, query=f"q={viewport['width']}", viewport=viewport)

    actions(page, other).click()
    expect(page.get_by_role("link", name="Details")).to_be_focused()
    page.keyboard.press("Escape")
    actions(page, this).click()

    items = page.get_by_role("list", name=f"Actions for {this}", exact=True)
    expect(items.get_by_role("link", name="Details")).to_be_focused()
    expect(page.locator(".menu:popover-open").get_by_text(this, exact=True)).to_be_visible(visible=viewport == SMALL)


# Details by the name of a key


def open_by_name(page: Page, name: str) -> Locator:
    row(page, name).get_by_role("rowheader").get_by_role("link").press("Enter")
    return dialog(page, "API key")


def test_details_that_a_name_opened_leave_the_address_as_it_is_and_give_the_focus_back(alices_list):
    page = alices_list("opened by name", query="q=opened+by+name")
    address = page.url

    opened = open_by_name(page, "opened by name")
    expect(page).to_have_url(address)
    page.keyboard.press("Escape")

    expect(opened).to_be_hidden()
    expect(row(page, "opened by name").get_by_role("link", name="opened by name")).to_be_focused()
    press_action(page, "opened by name", "Disable API key")
    expect(row(page, "opened by name")).to_contain_text("Disabled")
    expect(page).to_have_url(address)
    assert is_same_page(page)


def test_what_is_done_in_details_that_a_name_opened_is_done_in_place_with_the_focus_at_hand(alices_list):
    page = alices_list("after by name", "done by name", query="q=by+name")
    address = page.url

    open_by_name(page, "done by name").get_by_role("button", name="Disable API key").press("Enter")
    expect(row(page, "done by name")).to_contain_text("Disabled")
    expect(actions(page, "done by name")).to_be_focused()
    open_by_name(page, "done by name").get_by_role("link", name="Edit API key").press("Enter")
    form = dialog(page, "Edit API key")
    form.get_by_role("textbox", name="Description").fill("edited by name")
    form.get_by_role("button", name="Save").press("Enter")
    expect(row(page, "done by name")).to_contain_text("edited by name")
    expect(actions(page, "done by name")).to_be_focused()
    open_by_name(page, "done by name").get_by_role("link", name="Delete key").press("Enter")
    dialog(page, "Delete key?").get_by_role("button", name="Delete key").press("Enter")
    expect(row(page, "done by name")).to_have_count(0)
    expect(actions(page, "after by name")).to_be_focused()

    expect(page).to_have_url(address)
    assert is_same_page(page)


def test_a_name_opens_a_tab_of_its_own_for_whoever_asks_for_one(alices_list):
    page = alices_list("in a tab", query="q=in a tab")

    with page.context.expect_page() as opened:
        row(page, "in a tab").get_by_role("rowheader").get_by_role("link").click(modifiers=["ControlOrMeta"])

    expect(dialog(opened.value, "API key")).to_contain_text("in a tab")
    expect(page.get_by_role("dialog")).to_have_count(0)


# Actions in a row


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("Disable API key", "is disabled and does not work until it is enabled."),
        ("Lock API key", "is locked: it can't be changed or deleted."),
    ],
)
def test_an_action_changes_the_row_in_place_and_is_said_once(alices_list, action, told):
    name = f"acted on by {action}"
    page = alices_list(name, query=f"q={name}")

    press_action(page, name, action)

    assert sum(f"{name} {told}" in text for text in said(page, told)) == 1
    expect(actions(page, name)).to_be_focused()
    assert is_same_page(page)


def test_after_an_action_the_page_stays_where_it_was_scrolled_to(page_for: PageFor, carol: str):
    page = page_for(carol)
    page.goto(f"{KEYS}?per_page=100")
    actions(page, "robot 00090").scroll_into_view_if_needed()
    listen(page)

    press_action(page, "robot 00090", "Disable API key")
    expect(row(page, "robot 00090")).to_contain_text("Disabled")
    press_action(page, "robot 00090", "Enable API key")
    expect(row(page, "robot 00090")).to_contain_text("Active")

    expect(actions(page, "robot 00090")).to_be_focused()
    expect(actions(page, "robot 00090")).to_be_in_viewport()
    assert page.evaluate("scrollY") > 1_000
    assert is_same_page(page)


def test_after_a_deletion_the_focus_is_on_the_row_that_moved_up(alices_list):
    page = alices_list("row 3 of them", "row 2 of them", "row 1 of them", query="q=of them")

    for name, next_one in (("row 2 of them", "row 3 of them"), ("row 3 of them", "row 1 of them")):
        delete(page, name)
        expect(actions(page, next_one)).to_be_focused()

    told = "row 3 of them was deleted and no longer works."
    assert sum(told in text for text in said(page, told)) == 1
    expect(page.get_by_role("navigation", name="Page", exact=True)).to_contain_text("1–1 of 1")
    expect(page).to_have_url(re.compile(r"\?q=of(%20|\+)them$"))
    assert is_same_page(page)


def test_an_edit_is_seen_in_place_and_the_focus_is_back_on_the_row(alices_list):
    page = alices_list("to be edited", query="q=edited")

    row(page, "to be edited").get_by_role("button").click()
    row(page, "to be edited").get_by_role("link", name="Edit API key").click()
    form = page.get_by_role("dialog")
    form.get_by_role("textbox", name="Description").fill("seen at once")
    form.get_by_role("button", name="Save").click()

    expect(row(page, "to be edited")).to_contain_text("seen at once")
    expect(actions(page, "to be edited")).to_be_focused()
    told = "The changes to to be edited were saved."
    assert sum(told in text for text in said(page, told)) == 1
    assert is_same_page(page)


def test_a_dialog_has_its_focus_from_its_first_moment_so_that_no_typing_goes_elsewhere(alices_list):
    page = alices_list("typed into at once", query="q=typed into at once")
    page.evaluate(
        """() => new MutationObserver((changes, watching) => {
             const dialog = document.querySelector("#dialog-slot dialog");
             if (!dialog) return;
             watching.disconnect();
             window.firstMoment = [dialog.matches(":modal"), document.activeElement.name];
             dialog.querySelector("[name=description]").focus();
           }).observe(document.body, { childList: true, subtree: true })"""
    )

    choose_action(page, "typed into at once", "Edit API key")
    form = page.get_by_role("dialog")
    expect(form).to_be_visible()
    page.wait_for_timeout(100)  # longer than htmx waits, left to itself, before it looks for [autofocus]

    assert page.evaluate("window.firstMoment") == [True, "name"]
    expect(form.get_by_role("textbox", name="Description")).to_be_focused()


def test_the_last_key_deleted_and_the_first_one_created_change_the_page_in_place(
    page_for: PageFor, own_server: ConsoleServer
):
    page = page_for("alice", on=own_server)
    page.goto(KEYS)
    listen(page)

    for _ in range(2):
        create_here(page, "only one")
        expect(actions(page, "only one")).to_be_focused()
        delete(page, "only one")
        expect(page.get_by_role("heading", name="You have no API keys yet")).to_be_visible()
        expect(page.get_by_role("link", name="Create API key")).to_be_focused()

    assert is_same_page(page)


def test_a_new_key_is_on_top_of_the_list_with_the_focus_on_it_wherever_one_was(alices_list):
    page = alices_list(*(f"earlier {number:02}" for number in range(12)), query="q=earlier&sort=name&per_page=10")
    page.get_by_role("link", name="Next page").click()
    expect(row(page, "earlier 11")).to_be_visible()
    listen(page)

    create_here(page, "brand new")

    expect(page.get_by_role("rowheader").first).to_have_text("brand new")
    expect(actions(page, "brand new")).to_be_focused()
    expect(page).to_have_url(KEYS)
    assert is_same_page(page)


# Messages


def test_a_message_that_is_dismissed_gives_the_focus_back(alices_list):
    page = alices_list("dismissed", query="q=dismissed")
    press_action(page, "dismissed", "Lock API key")
    message = notes(page, "dismissed is locked")
    expect(message).to_be_visible()

    tab_to(message.get_by_role("button", name="Dismiss")).press("Enter")

    expect(message).to_have_count(0)
    expect(page.get_by_label("Keys per page:")).to_be_focused()  # the last stop before the message


def test_escape_dismisses_the_newest_message_once_nothing_else_is_to_be_closed(alices_list):
    page = alices_list("escaped", query="q=escaped")
    press_action(page, "escaped", "Lock API key")
    message = notes(page, "escaped is locked")
    expect(message).to_be_visible()
    button, opened = actions(page, "escaped"), dialog_or_menu(page)

    for action in ("a menu", "a dialog"):
        button.press("Enter")
        expect(row(page, "escaped").get_by_role("link", name="Details")).to_be_focused()
        if action == "a dialog":
            page.keyboard.press("Enter")
            dialog(page, "API key")
        expect(opened).to_have_count(1)
        page.keyboard.press("Escape")
        expect(opened).to_have_count(0)
        expect(message).to_be_visible()
    page.keyboard.press("Escape")

    expect(message).to_have_count(0)
    expect(button).to_be_focused()


def dialog_or_menu(page: Page) -> Locator:
    return page.locator("dialog:modal, .menu:popover-open")


def test_a_refusal_is_brought_into_view_and_the_focus_stays(server, alices_list):
    names = [f"low {number:02}" for number in range(12)]
    page = alices_list(*names, query="q=low&sort=name", viewport=LOW, expected=(409,))
    link = row(page, "low 11").get_by_role("rowheader").get_by_role("link").get_attribute("href")
    path = str(link).partition("?")[0]
    elsewhere = Visitor.logged_in(server, "alice")
    elsewhere.post(f"{path}lock/", elsewhere.form(delete_address(path.strip("/").rpartition("/")[2])))

    press_action(page, "low 11", "Disable API key")

    expect(row(page, "low 11")).to_contain_text("Locked")
    expect(actions(page, "low 11")).to_be_focused()
    expect_in_view(page)


@pytest.mark.parametrize("role", ["link", "button"])
def test_a_failure_is_brought_into_view_and_tells_of_nothing_typed_where_nothing_was(alices_list, role):
    names = [f"offline {role} {number:02}" for number in range(12)]
    page = alices_list(
        *names, query=f"q=offline {role}&sort=name", viewport=LOW, expected=("net::ERR_INTERNET_DISCONNECTED", "htmx:")
    )
    page.context.set_offline(True)

    if role == "link":
        row(page, names[-1]).get_by_role("rowheader").get_by_role("link").click()
    else:
        press_action(page, names[-1], "Disable API key")
    expect(page.get_by_role("alert")).to_contain_text("The server did not answer.")
    expect_in_view(page)
    if role == "button":
        expect(actions(page, names[-1])).to_be_focused()
    page.get_by_role("columnheader", name="Name").get_by_role("link").click()

    expect(page.get_by_role("alert")).to_contain_text("Check your connection, then try again.")
    expect(page.get_by_role("alert")).not_to_contain_text("What you typed")


def expect_in_view(page: Page) -> None:
    """Expect that the page's failure is seen as a whole, below the bar that stays in place."""
    failure = page.get_by_role("main").get_by_role("alert")
    expect(failure).to_be_in_viewport(ratio=1)
    bar = page.get_by_role("banner").bounding_box()
    box = failure.bounding_box()
    assert bar and box
    assert box["y"] >= bar["y"] + bar["height"]


# Search, order, page


def test_a_search_and_an_order_are_said_with_their_count(alices_list):
    page = alices_list(*(f"counted {number:02}" for number in range(12)), query="per_page=10")

    page.get_by_role("searchbox").press_sequentially("counted")
    first = said(page, "12 keys found")
    page.get_by_role("columnheader", name="Name").get_by_role("link").press("Enter")
    second = said(page, "12 keys found. Sorted by Name, ascending.")

    assert len([text for text in first if "12 keys" in text]) == 1
    assert len([text for text in second if "12 keys" in text]) == 2
    expect(page.get_by_role("columnheader", name="Name").get_by_role("link")).to_be_focused()


def test_first_and_last_page_are_a_step_away_and_back_is_right(page_for: PageFor, carol: str):
    page = page_for(carol)
    page.goto(f"{KEYS}?q=robot 000")
    pager = page.get_by_role("navigation", name="Page", exact=True)
    expect(pager).to_contain_text("Found: 1–25 of 100")

    pager.get_by_role("link", name="Last page").click()
    expect(pager).to_contain_text("Found: 76–100 of 100")
    pager.get_by_role("link", name="Previous page").click()
    expect(pager).to_contain_text("Found: 51–75 of 100")
    page.go_back()
    expect(pager).to_contain_text("Found: 76–100 of 100")
    page.go_back()
    expect(pager).to_contain_text("Found: 1–25 of 100")
    expect(pager.get_by_role("link", name="First page")).to_be_disabled()


@with_and_without_script
def test_a_value_that_is_pasted_into_the_search_finds_its_key_and_is_sent_nowhere_in_an_address(page_for: PageFor, js):
    page = page_for("alice", js=js)
    created = create_key(page, f"found in a log {js}")
    value = Value.shown_in(created)
    close_unsaved(created, js)
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(f"{KEYS}?sort=name")
    box = page.get_by_role("searchbox")

    value.given_to(box.fill)
    if not js:
        page.get_by_role("button", name="Search").click()

    expect(page.get_by_role("rowheader")).to_have_text([f"found in a log {js}"])
    expect(page).to_have_url(re.compile(r"q=apk_"))
    assert [True for address in (*addresses, page.url, box.input_value()) if not value.is_absent_from(address)] == []


# Two tabs, and sessions that end


@pytest.mark.parametrize("action", ["Disable API key", "Lock API key"])
def test_a_key_that_another_tab_deleted_is_told_and_its_row_goes(server, alices_list, action):
    gone, there = f"gone: {action}", f"still there, not gone: {action}"
    page = alices_list(there, gone, query=f"q={gone}", expected=(404,))
    link = row(page, gone).get_by_role("rowheader").get_by_role("link").get_attribute("href")
    listen(page)
    address = delete_address(str(link).partition("?")[0].strip("/").rpartition("/")[2])
    elsewhere = Visitor.logged_in(server, "alice")
    elsewhere.post(address, elsewhere.form(address))

    press_action(page, gone, action)

    expect(
        page.get_by_role("alert").get_by_text("This API key does not exist. It may have been deleted.")
    ).to_be_visible()
    expect(row(page, gone)).to_have_count(0)
    expect(actions(page, there)).to_be_focused()
    assert is_same_page(page)


def test_a_session_that_ended_under_an_action_leads_over_the_log_in_back(alices_list):
    page = alices_list("out of session", query="q=session", expected=(401,))
    page.context.clear_cookies(name=re.compile("session$"))

    press_action(page, "out of session", "Lock API key")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    log_in(page, "alice")

    expect(page).to_have_url(re.compile(r"\?q=session$"))
    expect(row(page, "out of session")).to_contain_text("Active")
