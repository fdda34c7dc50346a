"""Alice makes a service ID and a key for it, with script and without; each ends the key in its own way."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.addresses import KEYS
from tests.browser.conftest import PageFor, with_and_without_script
from tests.browser.steps import close_downloaded, dialog, download, fill, notes, press_action, row, submit
from tests.browser.value import Value, assert_is_the_key_file
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser


@with_and_without_script
def test_alice_makes_a_service_id_with_a_key_that_she_saves_and_ends_both(
    page_for: PageFor, server: ConsoleServer, tmp_path: Path, js: bool
):
    robot, nightly = f"robot of {js}", f"nightly {js}"
    page = page_for("alice", js=js)
    page.goto("/")
    page.get_by_role("button", name="Manage").click()
    page.get_by_role("link", name="Service IDs", exact=True).click()
    page.get_by_role("link", name="Create service ID").click()
    fill(page.get_by_role("main"), robot, "Copies at night")
    page.get_by_role("main").get_by_role("button", name="Create service ID").click()
    expect(notes(page, f"{robot} was created.")).to_be_visible()
    own_page = page.url

    page.get_by_role("link", name="Create API key").click()
    form = dialog(page, "Create API key")
    expect(form).to_contain_text(f"The key has the access of the service ID {robot}, not yours.")
    fill(form, nightly, "Every night at two")
    created = submit(form)
    value = Value.shown_in(created)
    assert_is_the_key_file(download(created, tmp_path), nightly, "Every night at two", value, server)
    close_downloaded(created, js)
    expect(created).to_be_hidden()
    expect(page.get_by_role("rowheader")).to_have_text([nightly])  # of the list that is about the service ID alone
    assert value.is_gone_from(page)
    press_action(page, nightly, "Disable API key")
    expect(row(page, nightly)).to_contain_text("Disabled")
    assert not value.works_at(server)
    press_action(page, nightly, "Enable API key")
    expect(row(page, nightly)).to_contain_text("Active")
    assert value.works_at(server)

    page.get_by_role("link", name="To the service ID").click()
    expect(page).to_have_url(own_page)
    page.get_by_role("button", name="Disable service ID").click()
    expect(page.get_by_text("It is disabled: all its API keys are refused.")).to_be_visible()
    assert not value.works_at(server)
    page.get_by_role("button", name="Enable service ID").click()
    expect(notes(page, f"{robot} is enabled")).to_be_visible()
    assert value.works_at(server)

    page.get_by_role("link", name="Delete service ID").click()
    expect(page.get_by_role("main")).to_contain_text("1 API key is deleted with it")
    page.get_by_role("button", name="Delete service ID").click()
    expect(notes(page, f"{robot} was deleted with its API keys.")).to_be_visible()
    assert not value.works_at(server)
    page.goto(KEYS)
    expect(row(page, nightly)).to_have_count(0)
