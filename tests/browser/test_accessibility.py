"""Everybody can use it: focus is where it belongs, and what is shown is told. Axe is run by `test_sizes.py`."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.addresses import KEYS
from tests.browser.conftest import MOBILE, PageFor
from tests.browser.readable import bad_contrasts, violations
from tests.browser.steps import choose_action, create_key, dialog, leave_unsaved, open_create, row

pytestmark = pytest.mark.browser


def test_axe_would_find_a_violation(page_for: PageFor):
    page = page_for(None, color_scheme="dark")
    page.goto("/login/")
    page.evaluate("document.querySelector('label').remove()")
    page.evaluate("document.querySelector('h1').style.color = '#222'")

    assert {violation.partition(" ")[0] for violation in violations(page)} == {"label", "color-contrast"}
    assert bad_contrasts(page) == ["color-contrast at ['h1']"]


def test_focus_enters_each_dialog_and_returns_to_what_opened_it(page_for: PageFor):
    page = page_for("alice")
    keep_key(page, "focus returns")

    def open_create_dialog() -> tuple[Locator, Locator]:
        opener = page.get_by_role("link", name="Create API key")
        opener.click()
        return opener, dialog(page, "Create API key")

    def open_by_action(action: str, title: str) -> Callable[[], tuple[Locator, Locator]]:
        def open_it() -> tuple[Locator, Locator]:
            choose_action(page, "focus returns", action)
            return page.get_by_role("button", name="Actions for focus returns"), dialog(page, title)

        return open_it

    ways_in = [
        open_create_dialog,
        open_by_action("Edit API key", "Edit API key"),
        open_by_action("Delete key", "Delete key?"),
    ]
    ways_out: list[Callable[[Locator], None]] = [
        lambda opened: page.keyboard.press("Escape"),
        lambda opened: opened.get_by_role("link", name="Cancel").click(),
        lambda opened: opened.get_by_role("link", name="Close").click(),
    ]
    for way_in in ways_in:
        for way_out in ways_out:
            opener, opened = way_in()
            expect(opened.locator(":focus")).to_have_count(1)
            way_out(opened)
            expect(opened).to_be_hidden()
            expect(opener).to_be_focused()


def test_each_dialog_says_which_key_it_is_about_and_adds_no_landmark(page_for: PageFor):
    page = page_for("alice")
    created = create_key(page, "told by name")
    expect(created).to_have_accessible_description(re.compile("told by name"))
    expect_no_landmark(created)
    leave_unsaved(created)
    page.wait_for_load_state()

    for action, title in (("Details", "API key"), ("Delete key", "Delete key?")):
        choose_action(page, "told by name", action)
        opened = dialog(page, title)
        expect(opened).to_have_accessible_description(re.compile("told by name"))
        expect_no_landmark(opened)
        page.keyboard.press("Escape")
    expect_no_landmark(open_create(page))


def expect_no_landmark(opened: Locator) -> None:
    """The bar of the page and the foot of the log-in page are landmarks; head and foot of a dialog are not."""
    for landmark in ("banner", "contentinfo", "main", "navigation"):
        expect(opened.get_by_role(landmark)).to_have_count(0)


def test_in_forced_colours_a_menu_has_an_edge(page_for: PageFor):
    page = page_for("alice", forced_colors="active")
    page.goto(KEYS)

    page.get_by_role("banner").get_by_role("button", name="Account").click()

    expect(page.locator("#m-user")).to_have_css("border-top-style", "solid")
    expect(page.locator("#m-user")).not_to_have_css("border-top-width", "0px")


def test_in_forced_colours_the_actions_of_a_row_are_drawn(page_for: PageFor):
    page = page_for("alice", forced_colors="active")
    keep_key(page, "seen")
    actions = row(page, "seen").locator(".acts .icon-btn")
    look = "element => { const { backgroundImage, forcedColorAdjust } = getComputedStyle(element, '::before');"
    image, adjust = actions.evaluate(f"{look} return [backgroundImage, forcedColorAdjust]; }}")

    assert image.startswith("radial-gradient(")
    assert adjust == "none", "in forced colours a browser draws no gradient otherwise, whatever is computed"


def test_on_a_small_screen_each_cell_says_what_it_is(page_for: PageFor):
    page = page_for("alice", viewport=MOBILE)
    keep_key(page, "labelled")

    for text in ("Key: apk_", "Description: ", "Status: Active", "Created: "):
        expect(row(page, "labelled").get_by_role("cell", name=text)).to_have_count(1)


def test_on_a_small_screen_what_has_no_name_gets_none(page_for: PageFor):
    page = page_for("alice", viewport=MOBILE)
    keep_key(page, "recent")
    page.goto("/")

    moments = page.locator("td.c-when")
    expect(moments.first).to_be_visible()
    assert moments.first.evaluate("cell => getComputedStyle(cell, '::before').content") == "none"


def test_on_paper_nothing_lies_over_the_rows_of_the_list(page_for: PageFor):
    page = page_for("alice")
    keep_key(page, "printed")

    page.emulate_media(media="print")

    expect(row(page, "printed")).to_be_visible()
    for over_every_page in (page.locator(".skip"), page.locator(".toasts")):
        expect(over_every_page).to_be_hidden()
    for in_place in (page.get_by_role("banner"), page.get_by_role("columnheader", name="Name")):
        expect(in_place).to_have_css("position", "static")


@pytest.mark.parametrize("key", ["Tab", "Shift+Tab"])
def test_tab_stays_in_each_dialog(page_for: PageFor, key):
    page = page_for("alice")
    keep_key(page, f"trapped {key}")

    outside = []
    for open_dialog in (
        lambda: open_create(page),
        lambda: choose_action(page, f"trapped {key}", "Edit API key"),
        lambda: choose_action(page, f"trapped {key}", "Delete key"),
        lambda: create_key(page, f"trapped {key} too"),
    ):
        page.goto(KEYS)
        open_dialog()
        expect(page.locator("dialog:modal :focus")).to_have_count(1)
        for _ in range(20):
            page.keyboard.press(key)
            # The body has the focus while it would be in the browser's own bars.
            if not page.evaluate("document.activeElement.matches('body, dialog, dialog *')"):
                outside.append(page.evaluate("document.activeElement.outerHTML"))

    assert outside == []


def test_after_a_mistake_focus_is_at_the_field_that_has_it(page_for: PageFor):
    page = page_for("alice", expected=(422,))
    form = open_create(page)
    form.get_by_role("textbox", name="Name", exact=True).fill(" ")

    form.get_by_role("button", name="Create API key").click()

    field = form.get_by_role("textbox", name="Name", exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    expect(field).to_have_accessible_description(
        "Say what uses the key, for example the program and the environment. Enter a name."
    )


def test_the_first_tab_offers_to_skip_the_menus(page_for: PageFor):
    page = page_for("alice")
    page.goto(KEYS)

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.get_by_role("main")).to_be_focused()


def keep_key(page: Page, name: str) -> None:
    leave_unsaved(create_key(page, name))
    expect(row(page, name)).to_be_visible()
    page.wait_for_load_state()
