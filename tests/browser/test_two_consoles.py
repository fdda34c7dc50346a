"""A console whose keys are at another console: what it shows of it, and what it does when the other is not there."""

import json
import os
import re
import subprocess

import pytest
from playwright.sync_api import Page, expect

from tests.addresses import KEYS, delete_address, details_address
from tests.browser.conftest import MOBILE, PageFor, large_and_small, with_and_without_script
from tests.browser.steps import (
    choose_action,
    create_key,
    dialog,
    expect_typed,
    fill,
    leave_unsaved,
    log_in,
    notes,
    open_create,
    press_action,
    row,
    submit,
    tab_to,
)
from tests.browser.two_consoles import PASSCODE, TITLE, Pair
from tests.browser.value import Value
from tests.cast import PASSWORD
from tests.programs import Console

pytestmark = pytest.mark.browser


SLOW = 0.9  # seconds; the page says that it waits after a moment
WAITING = "Waiting for a response…"


# Keys and people of the first console.


def test_a_key_that_was_deleted_at_the_first_console_is_not_listed_by_the_second(page_for: PageFor, pair: Pair):
    program = pair.there("anna")
    key = program.create_key("made and deleted there", description="of the first")
    page = page_for("anna", on=pair.second)
    page.goto(KEYS)
    expect(row(page, "made and deleted there")).to_contain_text("of the first")

    assert program.delete(f"/v1/apikeys/{key['id']}").status_code == 204
    page.reload()

    expect(page.get_by_role("heading", name="IBM Cloud API keys", level=1)).to_be_visible()
    expect(row(page, "made and deleted there")).to_have_count(0)


@with_and_without_script
def test_anna_logs_in_with_a_key_of_hers(page_for: PageFor, pair: Pair, js):
    page = page_for("anna", on=pair.second, js=js, expected=(422,))
    value = Value.shown_in(create_key(page, f"to log in with, {js}"))
    page = page_for(None, on=pair.second, js=js, expected=(422,))
    page.goto(KEYS)
    expect(page.get_by_role("main")).to_contain_text(f"127.0.0.1:{pair.first.port}")

    page.get_by_role("link", name="API key", exact=True).click()
    field = page.get_by_label("API key", exact=True)
    field.fill("apk_notakey")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("has no usable API key with this value")
    expect(field).to_have_value("")
    value.given_to(field.fill)
    page.get_by_role("button", name="Log in").click()

    expect(page).to_have_url(KEYS)
    expect(row(page, f"to log in with, {js}")).to_be_visible()
    assert value.is_gone_from(page)


def test_the_samples_name_the_first_console_and_curl_gets_a_token_there(page_for: PageFor, pair: Pair):
    page = page_for("anna", on=pair.second)
    created = create_key(page, "samples")
    value = Value.shown_in(created)

    created.get_by_text("Use this key in a program").click()
    samples = created.locator("details").get_by_role("code").filter(visible=True).all_text_contents()
    curl = next(sample for sample in samples if sample.startswith("curl "))
    answer = value.given_to(lambda text: run_curl(curl, text))

    assert len(samples) == 4
    assert all(pair.first.url in sample for sample in samples)
    assert not any(pair.second.url in sample for sample in samples)
    assert {"access_token", "expiration"} <= answer.keys()
    expect(created.get_by_role("link", name="API reference")).to_have_count(0)


def run_curl(sample: str, value: str) -> dict[str, object]:
    environment = {"PATH": os.environ["PATH"], "NO_PROXY": "*", "IBMCLOUD_API_KEY": value}
    done = subprocess.run(["bash", "-c", sample], env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


@large_and_small
def test_nothing_is_shown_that_only_the_first_console_can_honour(page_for: PageFor, pair: Pair, viewport):
    page = page_for("ida", on=pair.second, viewport=viewport, expected=(404,))
    name = f"shown {viewport['width']}"
    key = pair.there("anna").create_key(name)

    page.goto("/")
    bar = page.get_by_role("banner")
    for button in ("Menu" if viewport == MOBILE else "Manage", "Account"):
        bar.get_by_role("button", name=button, exact=True).click()
        expect(bar.get_by_role("link", name=re.compile("Docs|Change password|Administration"))).to_have_count(0)
        if button == "Account":
            expect(bar.get_by_text("Ida Falk")).to_be_visible()
            expect(bar.get_by_text("ida@example.com")).to_be_visible()
        page.keyboard.press("Escape")
    page.goto(f"{KEYS}?view=all&q={name}")
    expect(row(page, name)).to_be_visible()
    expect(page.get_by_text("Last used")).to_have_count(0)

    paths = [
        "/v1/apikeys",
        f"/v1/apikeys/{key['id']}",
        "/identity/token",
        "/identity/keys",
        "/manage/users/",
        "/password/",
    ]
    ida = pair.log_in("ida")
    assert [ida.get(path).status_code for path in (*paths, "/docs/api/")] == [404] * 7
    assert ida.post("/identity/token", {}).status_code == 404


# Exactly once.


@with_and_without_script
@pytest.mark.parametrize("sends", ["double click", "five Enters"])
def test_a_form_that_is_sent_many_times_makes_one_key_at_the_first_console(page_for: PageFor, pair: Pair, sends, js):
    name = f"{sends}, script {js}"
    page = page_for("anna", on=pair.far, js=js)
    form = open_create(page)
    fill(form, name)

    with pair.road.slow(0.3):  # so that the form is sent again before the key is there
        if sends == "double click":
            form.get_by_role("button", name="Create API key").dblclick()
        else:
            form.get_by_role("textbox", name="Name", exact=True).focus()
            for _ in range(5):
                page.keyboard.press("Enter")
        created = dialog(page, "API key created")

    value = Value.shown_in(created)
    assert value.given_to(Console(pair.first).exchange).status_code == 200
    assert pair.names_there("anna").count(name) == 1


@with_and_without_script
def test_a_key_whose_answer_was_lost_between_the_consoles_is_found_and_deleted(page_for: PageFor, pair: Pair, js):
    name = f"lost between, script {js}"
    lost = f"The server did not confirm that the API key {name} was created."
    page = page_for("anna", on=pair.far, js=js, expected=(502,))
    form = open_create(page)
    fill(form, name)

    with pair.road.losing_creations():
        form.get_by_role("button", name="Create API key").click()
        expect(page.get_by_role("heading", name="The API key may have been created")).to_be_visible()
    expect(page.get_by_text(f"127.0.0.1:{pair.road.server.server_port} did not confirm that")).to_be_visible()
    if js:
        page.keyboard.press("Escape")
    else:
        expect(page).to_have_title("The API key may have been created – IBM Cloud Console")
        page.reload()  # sends the form again
        expect(page.get_by_role("heading", name="The API key may have been created")).to_be_visible()
        page.get_by_role("link", name="Go to the list").click()
    assert pair.names_there("anna").count(name) == 1

    expect(page.get_by_text(lost)).to_be_visible()
    page.get_by_role("link", name=f"Delete {name}").click()
    dialog(page, "Delete key?").get_by_role("button", name="Delete key").click()
    expect(notes(page, f"{name} was deleted and no longer works.")).to_be_visible()
    expect(page.get_by_text(lost)).to_have_count(0)
    assert name not in pair.names_there("anna")


# While the first console is slow.


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_a_page_that_waits_says_so_until_the_answer_is_there(page_for: PageFor, pair: Pair, motion):
    program = pair.there("anna")
    program.create_key(f"slow {motion}")
    page = page_for("anna", on=pair.far)
    page.emulate_media(reduced_motion=motion)
    page.goto(KEYS)

    with pair.road.held():
        search(page, f"slow {motion}")
        expect_waiting(page)
        page.get_by_role("banner").get_by_role("button", name="Account").click()  # the page can be used meanwhile
        expect(page.get_by_role("banner").get_by_role("button", name="Log out")).to_be_visible()
        page.keyboard.press("Escape")
    expect(page.get_by_role("rowheader")).to_have_text([f"slow {motion}"])
    expect_no_waiting(page)
    with pair.road.held():
        page.get_by_role("button", name=f"Actions for slow {motion}").click()
        page.get_by_role("link", name="Delete key").click()
        expect_waiting(page)
    asked = dialog(page, "Delete key?")
    expect_no_waiting(page)
    with pair.road.held():
        asked.get_by_role("button", name="Delete key").click()
        expect_waiting(page)
        expect(asked.get_by_role("status")).to_have_text(WAITING)

    expect(notes(page, f"slow {motion} was deleted")).to_be_visible()
    expect_no_waiting(page)


def search(page: Page, text: str) -> None:
    """Send a search: with keys upstream nothing is asked while somebody types."""
    page.get_by_role("searchbox").fill(text)
    page.keyboard.press("Enter")


def test_a_link_and_a_form_that_take_their_time_say_so_on_the_page_that_is_left(page_for: PageFor, pair: Pair):
    pair.there("anna").create_key("slow to be locked")
    page = page_for(None, on=pair.far)
    page.add_init_script(REMEMBER_WAITING)
    page.goto("/")

    with pair.road.slow(SLOW):
        log_in(page, "anna")
        expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
        assert waited(page)
        page.get_by_role("link", name=TITLE).last.click()
        expect(row(page, "slow to be locked")).to_be_visible()
        assert waited(page)
        press_action(page, "slow to be locked", "Lock API key")
        expect(notes(page, "slow to be locked is locked")).to_be_visible()
        assert waited(page)
        created = create_key(page, "slow to be closed")
        leave_unsaved(created)
        expect(row(page, "slow to be closed")).to_be_visible()
        assert waited(page)
    expect_no_waiting(page)


# While a page waits for the next one, nothing of it can be looked at from outside.
REMEMBER_WAITING = """addEventListener("toggle", ({ target, newState }) => {
  if (target.id !== "waiting" || newState !== "open") return;
  const said = [...document.querySelectorAll("[role=status]")].filter((place) => !place.closest("[inert]"));
  sessionStorage.waited = JSON.stringify([target.checkVisibility(), said.map((place) => place.textContent)]);
}, true)"""


def waited(page: Page) -> bool:
    """Tell whether the page before was seen and heard to wait."""
    is_visible, said = json.loads(page.evaluate("sessionStorage.waited ?? '[false, []]'"))
    page.evaluate("sessionStorage.clear()")
    return is_visible and WAITING in said


def expect_waiting(page: Page) -> None:
    """The page says that it waits, to eyes and ears."""
    expect(page.locator("#waiting")).to_be_visible()
    expect(page.locator("#waiting")).to_have_text(WAITING)
    assert page.locator("#waiting").evaluate("(words) => words.matches(':popover-open')")  # above a dialog, too
    expect(page.get_by_role("status").filter(has_text=WAITING)).to_have_count(1)


def expect_no_waiting(page: Page) -> None:
    expect(page.locator("#waiting")).to_be_hidden()
    expect(page.get_by_role("status").filter(has_text=WAITING)).to_have_count(0)


# While the first console is not there.


@with_and_without_script
def test_pages_without_the_first_console_say_so_and_lead_on_when_it_is_back(page_for: PageFor, pair: Pair, js):
    name = f"not there, script {js}"
    key = pair.there("anna").create_key(name)
    page = page_for("anna", on=pair.far, js=js, expected=(503,))
    search, details, delete = f"{KEYS}?q={name}", details_address(key["id"]), delete_address(key["id"])

    for place, heading in (
        [("/", "Dashboard"), (search, TITLE), (delete, "Delete key?")] if js else [(KEYS, TITLE), (details, "API key")]
    ):
        with pair.road.closed():
            page.goto(place)
            expect(page.get_by_text(no_connection_to(pair))).to_be_visible()
            expect(page.get_by_text("key store")).to_have_count(0)
            expect(page).to_have_title(re.compile(" – IBM Cloud Console$"))
        page.get_by_role("link", name="Try again").click()
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        expect(page.get_by_text(no_connection_to(pair))).to_have_count(0)


@with_and_without_script
def test_what_was_typed_stays_while_the_first_console_is_not_there(page_for: PageFor, pair: Pair, js):
    name = f"typed, script {js}"
    page = page_for("anna", on=pair.far, js=js, expected=(503,))
    form = open_create(page)
    fill(form, name, "kept")

    with pair.road.closed():
        form.get_by_role("button", name="Create API key").click()
        expect(form.get_by_role("alert")).to_contain_text(no_connection_to(pair))
        expect(page.get_by_text("key store")).to_have_count(0)
        expect_typed(form, name, "kept")
    created = submit(form)

    assert Value.shown_in(created).looks_genuine()
    assert pair.names_there("anna").count(name) == 1


def test_htmx_without_the_first_console_says_so_where_the_person_looks(page_for: PageFor, pair: Pair):
    pair.there("anna").create_key("looked at")
    page = page_for("anna", on=pair.far, expected=(503,))
    page.goto(KEYS)
    problem = page.get_by_role("main").get_by_role("alert")

    with pair.road.closed():
        with page.expect_response(lambda response: response.status == 503):
            search(page, "looked at")
        expect(problem).to_contain_text(no_connection_to(pair))
        with page.expect_response(lambda response: response.status == 503):
            choose_action(page, "looked at", "Details")
        expect(problem).to_contain_text(no_connection_to(pair))
    choose_action(page, "looked at", "Delete key")
    asked = dialog(page, "Delete key?")
    expect(problem).to_be_empty()
    with pair.road.closed():
        asked.get_by_role("button", name="Delete key").click()
        expect(asked.get_by_role("alert")).to_contain_text(no_connection_to(pair))
    asked.get_by_role("button", name="Delete key").click()

    expect(notes(page, "looked at was deleted")).to_be_visible()


def test_an_action_without_the_first_console_is_not_done_and_can_be_repeated(page_for: PageFor, pair: Pair):
    pair.there("anna").create_key("to be locked")
    page = page_for("anna", on=pair.far, expected=(503,))
    page.goto(KEYS)

    with pair.road.closed():
        press_action(page, "to be locked", "Lock API key")
        expect(page.get_by_text(no_connection_to(pair))).to_be_visible()
    press_action(page, "to be locked", "Lock API key")

    expect(notes(page, "to be locked is locked")).to_be_visible()


def test_a_log_in_without_the_first_console_says_so(page_for: PageFor, pair: Pair):
    page = page_for(None, on=pair.far, expected=(503,))
    page.goto("/")

    with pair.road.closed():
        log_in(page, "anna")
        expect(page.get_by_role("alert")).to_contain_text(no_connection_to(pair))
    expect(page.get_by_label("User ID")).to_have_value("anna")
    log_in(page, "anna")

    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def no_connection_to(pair: Pair) -> str:
    return f"There is no connection to {pair.road.url.removeprefix('http://')}."


# When the log-in at the first console ends.


@with_and_without_script
def test_what_was_typed_is_there_again_after_a_new_log_in(page_for: PageFor, pair: Pair, js):
    name = f"typed before, script {js}"
    page = page_for("olaf", on=pair.second, js=js, expected=(401, 422))
    form = open_create(page)
    fill(form, name, "Kept over the log-in")
    form.get_by_label("If the key leaks").select_option("Disable it at once")

    pair.set_active("olaf", False)
    form.get_by_role("button", name="Create API key").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    expect(notes(page, f"Your session at 127.0.0.1:{pair.first.port} has ended. Log in again.")).to_be_visible()
    log_in(page, "olaf")
    expect(page.get_by_role("alert")).to_contain_text("refused this user ID and password")
    pair.set_active("olaf", True)
    log_in(page, "olaf")

    form = dialog(page, "Create API key")
    expect_typed(form, name, "Kept over the log-in")
    expect(form.get_by_label("If the key leaks")).to_have_value("disable")
    submit(form)
    assert pair.names_there("olaf").count(name) == 1


# Everybody's keys.


def test_ida_sees_everybodys_keys_and_anna_her_own(page_for: PageFor, pair: Pair):
    pair.log_in("anna")
    for person in ("anna", "elsa"):
        pair.there(person).create_key(f"of {person}, for all")
    page = page_for("ida", on=pair.second)
    page.goto(f"{KEYS}?q=for all")
    expect(page.get_by_role("heading", name="No key matches your search")).to_be_visible()

    page.get_by_label("View", exact=True).select_option("All users' keys")
    expect(row(page, "of anna, for all")).to_contain_text("Anna Lind")
    expect(row(page, "of anna, for all")).to_contain_text("anna@example.com")
    expect(row(page, "of elsa, for all").get_by_text(re.compile("^IBMid-"))).to_be_visible()
    choose_action(page, "of elsa, for all", "Delete key")
    asked = dialog(page, "Delete key?")
    expect(asked.get_by_text(re.compile("^IBMid-"))).to_be_visible()
    asked.get_by_role("button", name="Delete key").click()
    expect(notes(page, "of elsa, for all was deleted")).to_be_visible()
    assert "of elsa, for all" not in pair.names_there("elsa")

    page = page_for("anna", on=pair.second)
    page.goto(f"{KEYS}?view=all&q=for all")
    expect(page.get_by_role("rowheader")).to_have_text(["of anna, for all"])
    expect(page.get_by_label("View", exact=True)).to_have_count(0)


# For everybody.


WAYS = {"Password": PASSWORD, "One-time passcode": PASSCODE, "API key": ""}


@pytest.mark.parametrize("way", WAYS)
def test_anna_logs_in_each_way_with_the_keyboard_only(page_for: PageFor, pair: Pair, way):
    page, secret = page_for(None, on=pair.far), WAYS[way]
    if way == "API key":
        secret = pair.there("anna").create_key("by keyboard")["apikey"]
    page.goto(KEYS)

    if way == "Password":
        page.keyboard.type("anna")
        tab_to(page.get_by_label(way, exact=True))
    else:
        tab_to(page.get_by_role("link", name=way, exact=True))
        page.keyboard.press("Enter")
        expect(page.get_by_label(way, exact=True)).to_be_focused()
    page.keyboard.type(secret)
    page.keyboard.press("Enter")

    expect(page).to_have_url(KEYS)
    expect(page.get_by_role("heading", name=TITLE, level=1)).to_be_visible()
