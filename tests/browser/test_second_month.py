"""The second month of a key in a browser: rotated, deleted and taken back, tried without, by mouse and by keyboard."""

import pytest
from playwright.sync_api import expect

from tests.addresses import KEYS
from tests.browser.conftest import PageFor, with_and_without_script
from tests.browser.steps import choose_action, close_unsaved, create_key, dialog, notes, row
from tests.browser.value import Value
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser


@with_and_without_script
def test_a_key_is_rotated_and_finished(page_for: PageFor, server: ConsoleServer, js: bool):
    page = page_for("alice", js=js)
    name = f"rotated {js}"
    created = create_key(page, name)
    old = Value.shown_in(created)
    close_unsaved(created, js)

    choose_action(page, name, "Rotate API key")
    form = dialog(page, "Rotate API key")
    form.get_by_label("The previous value works for").select_option("A week")
    form.get_by_role("button", name="Rotate API key").click()
    rotated = dialog(page, "API key rotated")
    new = Value.shown_in(rotated)
    assert new != old
    assert [value.works_at(server) for value in (old, new)] == [True, True]
    close_unsaved(rotated, js)

    page.goto(KEYS)
    row(page, name).get_by_role("link", name=name, exact=True).click()
    details = dialog(page, "API key")
    expect(details).to_contain_text("The previous value works until:")
    details.get_by_role("button", name="Finish now").click()
    expect(notes(page, f"The previous value of {name} has ended.")).to_be_visible()
    assert [value.works_at(server) for value in (old, new)] == [False, True]


@with_and_without_script
def test_a_deletion_is_taken_back_from_its_message(page_for: PageFor, server: ConsoleServer, js: bool):
    page = page_for("alice", js=js)
    name = f"undone {js}"
    created = create_key(page, name)
    value = Value.shown_in(created)
    close_unsaved(created, js)

    choose_action(page, name, "Delete key")
    dialog(page, "Delete key?").get_by_role("button", name="Delete key").click()
    message = notes(page, f"{name} was deleted and no longer works.")
    expect(message).to_be_visible()
    assert not value.works_at(server)
    message.get_by_role("button", name="Undo").click()

    expect(notes(page, f"{name} is back and works as before.")).to_be_visible()
    expect(row(page, name)).to_be_visible()
    assert value.works_at(server)


def test_undo_and_recently_deleted_can_be_reached_by_keyboard_alone(page_for: PageFor, server: ConsoleServer):
    page = page_for("alice")
    created = create_key(page, "back by keyboard")
    close_unsaved(created, js=True)
    choose_action(page, "back by keyboard", "Delete key")
    dialog(page, "Delete key?").get_by_role("button", name="Delete key").press("Enter")
    expect(notes(page, "back by keyboard was deleted")).to_be_visible()

    page.get_by_role("link", name="Recently deleted").focus()
    page.keyboard.press("Enter")
    deleted = dialog(page, "Recently deleted")
    expect(deleted.locator(":focus")).to_have_count(1)
    deleted.get_by_role("button", name="Restore back by keyboard").focus()
    page.keyboard.press("Enter")

    expect(deleted).to_be_hidden()
    expect(row(page, "back by keyboard")).to_be_visible()


def test_a_key_that_is_tried_without_says_so_and_resumes(page_for: PageFor, server: ConsoleServer):
    page = page_for("alice")
    created = create_key(page, "tried without")
    value = Value.shown_in(created)
    close_unsaved(created, js=True)
    choose_action(page, "tried without", "Delete key")
    dialog(page, "Delete key?").get_by_role("button", name="5 minutes").click()

    expect(row(page, "tried without")).to_contain_text("Paused")
    assert not value.works_at(server)
    page.goto(KEYS)
    choose_action(page, "tried without", "Details")
    dialog(page, "API key").get_by_role("button", name="Resume now").click()
    expect(row(page, "tried without")).to_contain_text("Active")
    assert value.works_at(server)
