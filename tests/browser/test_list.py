"""The list: 10,000 keys feel like 10, its state is in its address, and nothing is lost when something fails."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.addresses import KEYS
from tests.browser.conftest import MOBILE, PageFor, with_and_without_script
from tests.browser.steps import dialog, expect_typed, fill, leave_unsaved, log_in, open_create, row, submit
from tests.browser.value import Value
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser


PAGE = 25
NEWEST = [f"robot {number:05}" for number in range(100)]
BY_NAME_FROM_Z = [f"robot {number:05}" for number in range(9_999, 9_899, -1)]


def test_search_as_you_type_swaps_only_the_table(page_for: PageFor, carol: str):
    page = page_for(carol)
    page.goto(KEYS)
    box, table = page.get_by_role("searchbox"), page.get_by_role("table")
    elements = [box.element_handle(), page.get_by_role("banner").element_handle(), table.element_handle()]
    answers = []
    page.on("response", lambda response: answers.append(response) if "?q=" in response.url else None)

    box.press_sequentially("ROBOT 0012")
    expect_list(page, [f"robot {number:05}" for number in range(120, 130)], "q=ROBOT(%20|[+])0012")

    assert [element.evaluate("(one) => one.isConnected") for element in elements] == [True, True, False]
    assert all("<html" not in answer.text() for answer in answers)
    expect(box).to_be_focused()
    expect(box).to_have_value("ROBOT 0012")
    page.reload()
    expect_list(page, [f"robot {number:05}" for number in range(120, 130)], "q=ROBOT(%20|[+])0012")
    expect(page.get_by_role("searchbox")).to_have_value("ROBOT 0012")
    page.get_by_role("searchbox").fill("nobody")
    expect(page.get_by_role("heading", name="No key matches your search")).to_be_visible()
    page.get_by_role("link", name="Clear search").click()
    expect_list(page, NEWEST[:PAGE], "q=&sort")
    expect(page.get_by_role("searchbox")).to_be_focused()
    expect(page.get_by_role("searchbox")).to_have_value("")


@with_and_without_script
def test_carol_sorts_pages_and_goes_back_through_ten_thousand_keys(page_for: PageFor, carol: str, js):
    page = page_for(carol, js=js)
    page.goto(KEYS)
    expect_list(page, NEWEST[:PAGE])
    expect(page.get_by_role("link", name="Previous page")).to_be_disabled()

    page.get_by_role("link", name="Next page").click()
    expect_list(page, NEWEST[PAGE : 2 * PAGE], "at=")
    page.get_by_role("link", name="Next page").click()
    expect_list(page, NEWEST[2 * PAGE : 3 * PAGE], "at=")
    page.get_by_role("link", name="Previous page").click()
    expect_list(page, NEWEST[PAGE : 2 * PAGE], "at=")
    page.reload()
    expect_list(page, NEWEST[PAGE : 2 * PAGE], "at=")
    page.go_back()
    expect_list(page, NEWEST[2 * PAGE : 3 * PAGE], "at=")
    page.go_back()
    expect_list(page, NEWEST[PAGE : 2 * PAGE], "at=")
    page.go_back()
    expect_list(page, NEWEST[:PAGE])
    page.go_forward()
    expect_list(page, NEWEST[PAGE : 2 * PAGE], "at=")

    by_name = page.get_by_role("columnheader", name="Name")
    by_name.get_by_role("link").click()
    expect(by_name).to_have_attribute("aria-sort", "ascending")
    expect_list(page, NEWEST[:PAGE], "sort=name")
    by_name.get_by_role("link").click()
    expect(by_name).to_have_attribute("aria-sort", "descending")
    expect_list(page, BY_NAME_FROM_Z[:PAGE], "sort=-name")
    choose(page, "Keys per page:", "50", js)
    expect_list(page, BY_NAME_FROM_Z[:50], "per_page=50")
    page.get_by_role("link", name="Next page").click()
    expect_list(page, BY_NAME_FROM_Z[50:100], "per_page=50")
    page.reload()
    expect_list(page, BY_NAME_FROM_Z[50:100], "per_page=50")
    page.go_back()
    expect_list(page, BY_NAME_FROM_Z[:50], "per_page=50")


def test_without_script_carol_searches_with_a_button(page_for: PageFor, carol: str):
    page = page_for(carol, js=False)
    page.goto(f"{KEYS}?sort=-name")

    page.get_by_role("searchbox").fill("0012")
    page.get_by_role("button", name="Search").click()

    expect_list(page, [*(f"robot {number:05}" for number in range(129, 119, -1)), "robot 00012"], "q=0012.*sort=-name")


@with_and_without_script
def test_on_a_small_screen_carol_sorts_sees_when_keys_were_created_and_chooses_how_many(page_for, carol: str, js):
    page = page_for(carol, js=js, viewport=MOBILE)
    page.goto(f"{KEYS}?per_page=50")
    expect(page.get_by_role("rowheader").first).to_have_text("robot 00000")
    expect(row(page, "robot 00000").get_by_role("cell", name=re.compile("^Created: "))).to_be_visible()

    choose(page, "Sort by", "Name, Z to A", js)
    expect_list(page, BY_NAME_FROM_Z[:50], "sort=-name")
    choose(page, "Keys per page:", "10", js)
    expect_list(page, BY_NAME_FROM_Z[:10], "per_page=10")
    expect(page.get_by_label("Sort by").locator("option:checked")).to_have_text("Name, Z to A")
    choose(page, "Sort by", "Oldest first", js)
    expect_list(page, BY_NAME_FROM_Z[:10], "sort=created")


def choose(page: Page, label: str, choice: str, js: bool) -> None:
    """Choose from a list that acts at once, or without script by the button beside it."""
    page.get_by_label(label).select_option(choice)
    if not js:
        page.locator("form").filter(has=page.get_by_label(label)).get_by_role(
            "button", name="Apply", exact=True
        ).click()


@with_and_without_script
def test_carol_filters_her_keys_and_takes_the_filters_away_again(page_for: PageFor, carol: str, js):
    page = page_for(carol, js=js)
    page.goto(f"{KEYS}?q=robot 0000&sort=name")

    set_filters(page, {"Status": "Active", "Not used for": "90 days, or ever"})
    expect_list(page, NEWEST[:10], "status=active")
    expect(page.get_by_role("button", name="Apply filters")).to_be_hidden()
    expect(page.get_by_text("Found: 1–10 of 10")).to_be_visible()
    page.reload()
    expect_list(page, NEWEST[:10], "status=active")

    set_filters(page, {"Leaked": "Yes"})
    expect(page.get_by_role("heading", name="No key matches your search and filters")).to_be_visible()
    page.get_by_role("list", name="Filters that are set").get_by_role("link", name="Leaked: Yes").click()
    expect_list(page, NEWEST[:10], "unused_for_days=90")
    page.go_back()
    expect(page.get_by_role("heading", name="No key matches your search and filters")).to_be_visible()
    page.get_by_role("link", name="Clear filters").click()
    expect_list(page, NEWEST[:10], "sort=name")
    expect(page.get_by_role("list", name="Filters that are set")).to_have_count(0)
    expect(page.get_by_role("searchbox")).to_have_value("robot 0000")


def test_filters_change_only_the_table_and_focus_and_words_follow(page_for: PageFor, carol: str):
    page = page_for(carol)
    page.goto(KEYS)
    box, opener = page.get_by_role("searchbox"), page.get_by_role("button", name="Filters")
    same = box.element_handle()
    box.fill("0012")
    expect(page.get_by_text("Found: 1–11 of 11")).to_be_visible()

    opener.press("Enter")
    expect(page.get_by_label("Status", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Status", exact=True)).to_be_hidden()
    expect(opener).to_be_focused()
    opener.press("Enter")
    page.get_by_label("Created since (UTC)").fill("2020-02-29")
    page.get_by_label("Created since (UTC)").press("Enter")
    expect(page.get_by_role("status").filter(has_text="11 keys found")).to_have_count(1)
    expect(opener).to_be_focused()
    page.get_by_role("link", name="Created since (UTC): 29 Feb 2020").press("Enter")
    expect(page.get_by_role("list", name="Filters that are set")).to_have_count(0)
    expect(opener).to_be_focused()
    set_filters(page, {"Status": "Locked"})
    expect(page.get_by_role("status").filter(has_text="No key matches your search and filters")).to_have_count(1)
    box.fill("")
    expect(page.get_by_role("heading", name="No key matches your filters")).to_be_visible()
    page.get_by_role("link", name="Clear all filters").press("Enter")
    expect_list(page, NEWEST[:PAGE])

    assert same.evaluate("(one) => one.isConnected")


def set_filters(page: Page, choices: dict[str, str]) -> None:
    page.get_by_role("button", name="Filters").click()
    for label, choice in choices.items():
        page.get_by_label(label, exact=True).select_option(choice)
    page.get_by_role("button", name="Apply filters").click()


def test_after_a_page_is_turned_focus_is_at_the_top_of_the_list(page_for: PageFor, carol: str):
    page = page_for(carol)
    page.goto(KEYS)

    page.get_by_role("link", name="Next page").press("Enter")

    expect_list(page, NEWEST[PAGE : 2 * PAGE], "at=")
    expect(page.get_by_role("heading", name="API keys", level=1)).to_be_focused()


def test_a_dialog_opened_on_a_later_page_returns_to_that_page(page_for: PageFor, carol: str):
    page = page_for(carol)
    page.goto(f"{KEYS}?q=robot&sort=name")
    page.get_by_role("link", name="Next page").click()
    expect_list(page, NEWEST[PAGE : 2 * PAGE], "at=")
    place = page.url

    row(page, "robot 00030").get_by_role("button").click()
    row(page, "robot 00030").get_by_role("link", name="Edit API key").click()
    form = dialog(page, "Edit API key")
    fill(form, "robot 00030", "returns to its page")
    form.get_by_role("button", name="Save").click()

    expect(row(page, "robot 00030")).to_contain_text("returns to its page")
    expect(page).to_have_url(place)


def test_a_session_that_ended_leads_over_the_log_in_back_to_the_same_list(page_for: PageFor, carol: str):
    page = page_for(carol, expected=(401,))
    page.goto(f"{KEYS}?q=robot&sort=name&per_page=10")
    page.get_by_role("link", name="Next page").click()
    expect_list(page, NEWEST[10:20], "at=")
    place = page.url
    page.context.clear_cookies()

    page.get_by_role("link", name="Next page").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    log_in(page, carol)

    expect(page).to_have_url(place)
    expect_list(page, NEWEST[10:20], "at=")
    expect(page.get_by_role("searchbox")).to_have_value("robot")


def test_when_the_server_is_gone_the_page_says_so_and_keeps_what_was_typed(
    page_for: PageFor, own_server: ConsoleServer
):
    page = page_for("alice", on=own_server, expected=("net::ERR_CONNECTION_REFUSED", "htmx:"))
    leave_unsaved(submit(filled(open_create(page))))
    expect(row(page, "typed with care")).to_be_visible()
    form = filled(open_create(page))

    own_server.__exit__()
    form.get_by_role("button", name="Create API key").click()
    expect(form.get_by_role("alert")).to_contain_text("The server did not answer.")
    expect(form.get_by_role("alert")).to_contain_text("What you typed is still here.")
    expect_typed(form, "typed with care", "every word of it")
    form.get_by_role("link", name="Cancel").click()
    page.get_by_role("searchbox").fill("care")
    expect(page.get_by_role("alert").get_by_text("The server did not answer.")).to_be_visible()
    expect(page.get_by_role("searchbox")).to_have_value("care")
    expect(row(page, "typed with care")).to_be_visible()

    with own_server:
        page.get_by_role("link", name="Create API key").click()
        created = submit(filled(dialog(page, "Create API key")))
        assert Value.shown_in(created).looks_genuine()
        expect(page.get_by_text("The server did not answer.")).to_have_count(0)


def filled(form):
    fill(form, "typed with care", "every word of it")
    return form


def expect_list(page: Page, names: list[str], state: str = "") -> None:
    """Expect exactly these keys, in this order, and the state (a regular expression) in the address."""
    expect(page.get_by_role("rowheader")).to_have_text(names)
    expect(page).to_have_url(re.compile(rf"{KEYS}\?.*{state}" if state else rf"{KEYS}$"))
