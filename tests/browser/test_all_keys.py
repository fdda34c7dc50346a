"""An administrator looks after everybody's keys, with script and without, on a large screen and a small one."""

import csv
import re

import pytest
from playwright.sync_api import Page, expect

from tests.addresses import KEYS
from tests.browser.conftest import PageFor, large_and_small, with_and_without_script
from tests.browser.steps import action, dialog, notes, row
from tests.browser.visitor import Visitor
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser


def choose(page: Page, view: str, *, js: bool) -> None:
    page.get_by_label("View", exact=True).select_option(view)
    if not js:
        page.get_by_role("button", name="Search").click()


@large_and_small
@with_and_without_script
def test_dora_finds_disables_and_deletes_alices_key(page_for: PageFor, server: ConsoleServer, js, viewport):
    name = f"foreign {js} {viewport['width']}"
    Visitor.logged_in(server, "alice").create_key(name)
    page = page_for("dora", js=js, viewport=viewport)
    page.goto(f"{KEYS}?q={name}")
    expect(page.get_by_role("heading", name="No key matches your search")).to_be_visible()

    choose(page, "All users' keys", js=js)
    expect(row(page, name)).to_contain_text("Alice Liddell")
    expect(row(page, name).get_by_text("alice", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile(r"[?&]view=all\b"))
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    expect(action(page, name, "link", "Edit API key")).to_have_count(0)
    page.get_by_role("button", name="Disable API key").click()

    expect(notes(page, f"{name} is disabled")).to_be_visible()
    expect(page).to_have_url(re.compile(r"[?&]view=all\b"))
    expect(row(page, name)).to_contain_text("Disabled")
    action(page, name, "link", "Delete key").click()
    confirmation = dialog(page, "Delete key?")
    expect(confirmation.get_by_role("definition").filter(has_text="Alice Liddell")).to_be_visible()
    confirmation.get_by_role("button", name="Delete key").click()

    expect(notes(page, f"{name} was deleted")).to_be_visible()
    expect(page).to_have_url(re.compile(r"[?&]view=all\b"))
    expect(page.get_by_label("View", exact=True)).to_have_value("all")
    assert Visitor.logged_in(server, "alice").names_found(name) == 0


@large_and_small
@with_and_without_script
def test_dora_exports_the_keys_of_one_owner(page_for: PageFor, server: ConsoleServer, js, viewport, tmp_path):
    name = f"=exported {js} {viewport['width']}"
    Visitor.logged_in(server, "frank").create_key(name)
    page = page_for("dora", js=js, viewport=viewport)
    page.goto(f"{KEYS}?view=all&q=%3Dexported")

    page.get_by_role("button", name="Filters").press("Enter")
    page.get_by_label("Owner").fill("frank@example.com")
    page.get_by_label("Owner").press("Enter")
    expect(page.get_by_role("list", name="Filters that are set")).to_contain_text("Owner: Frank (frank)")
    page.get_by_role("button", name="Export", exact=True).press("Enter")
    expect(page.get_by_role("link", name="Export as CSV")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Export as CSV").press("Enter")
    downloading.value.save_as(file := tmp_path / "keys.csv")

    assert downloading.value.suggested_filename.endswith(".csv")
    with file.open(encoding="utf-8-sig", newline="") as opened:
        exported = [(line["name"], line["owner_user_id"]) for line in csv.DictReader(opened)]
    assert (f"'{name}", "frank") in exported
    assert {user_id for _name, user_id in exported} == {"frank"}
    if js:
        expect(page.get_by_role("button", name="Export", exact=True)).to_be_focused()
        expect(page.get_by_role("link", name="Export as CSV")).to_be_hidden()


@with_and_without_script
def test_the_order_stays_when_another_view_is_chosen(page_for: PageFor, own_server: ConsoleServer, js):
    for person, name in (("dora", "c"), ("alice", "b"), ("alice", "a")):
        Visitor.logged_in(own_server, person).create_key(name)
    page = page_for("dora", on=own_server, js=js)
    page.goto(KEYS)
    rows = page.get_by_role("rowheader")
    expect(rows).to_have_text(["c"])

    page.get_by_role("columnheader", name="Name").get_by_role("link").click()
    expect(page).to_have_url(re.compile("sort=name"))
    choose(page, "All users' keys", js=js)
    expect(rows).to_have_text(["a", "b", "c"])
    page.reload()
    expect(rows).to_have_text(["a", "b", "c"])
    page.go_back()
    expect(rows).to_have_text(["c"])
    expect(page.get_by_label("View", exact=True)).to_have_value("")
    expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "ascending")


def test_while_dora_types_the_view_and_the_order_stay(page_for: PageFor, server: ConsoleServer):
    Visitor.logged_in(server, "alice").create_key("typed for b")
    Visitor.logged_in(server, "alice").create_key("typed for a")
    page = page_for("dora")
    page.goto(KEYS)

    choose(page, "All users' keys", js=True)
    page.get_by_role("columnheader", name="Name").get_by_role("link").click()
    expect(page).to_have_url(re.compile("sort=name"))
    page.get_by_role("searchbox").press_sequentially("typed for")

    expect(page.get_by_role("rowheader")).to_have_text(["typed for a", "typed for b"])
    expect(page).to_have_url(re.compile("view=all"))


def test_alice_is_offered_no_other_view(page_for: PageFor, server: ConsoleServer):
    Visitor.logged_in(server, "erin").create_key("erin's own")
    Visitor.logged_in(server, "alice").create_key("alice's own")
    page = page_for("alice")

    page.goto(f"{KEYS}?view=all&q='s own")

    expect(page.get_by_role("rowheader")).to_have_text(["alice's own"])
    expect(page.get_by_label("View", exact=True)).to_have_count(0)
