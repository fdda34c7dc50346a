"""Whose key is this, and why was it refused: in a browser, with and without script, light and dark, large and small."""

import re

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.addresses import KEYS
from tests.browser.conftest import MOBILE, PageFor, with_and_without_script
from tests.browser.readable import unreadable
from tests.browser.steps import close_unsaved, create_key, dialog, row
from tests.browser.value import Value
from tests.programs import API_KEY_GRANT
from tests.server import ConsoleServer
from tests.waiting import until

pytestmark = pytest.mark.browser


def open_by_link(page: Page, title: str):
    page.goto(KEYS)
    page.get_by_role("link", name=title, exact=True).click()
    return dialog(page, title)


def paste(page: Page, value: str):
    opened = open_by_link(page, "Whose key is this?")
    opened.get_by_label("API key", exact=True).fill(value)
    opened.get_by_role("button", name="Look").click()
    answered = dialog(page, "Whose key is this?")
    expect(answered.get_by_role("heading", level=3)).to_be_focused()
    return answered


@with_and_without_script
def test_a_found_key_is_told_disabled_at_once_and_its_refusal_explained(
    page_for: PageFor, server: ConsoleServer, js: bool
):
    name, agent = f"found, script {js}", "backup/2"
    page = page_for("alice", js=js, expected=(404,))
    created = create_key(page, name)
    value = Value.shown_in(created)
    close_unsaved(created, js)
    finder = page_for("dora", js=js, viewport=MOBILE)

    told = value.given_to(lambda text: paste(finder, text))
    expect(told).to_contain_text("This is an API key of this server")
    expect(told).to_contain_text("Alice Liddell")
    assert value.is_gone_from(finder)
    assert not js or unreadable(finder, is_small=True) == []
    told.get_by_role("button", name="Disable at once").click()
    expect(finder.get_by_text(f"{name} is disabled")).to_be_visible()

    refused = value.given_to(lambda text: use(server, text, agent))
    expect(row(page, name)).to_be_visible()
    explained = open_by_link(page, "Why was it refused?")
    expect(explained.get_by_label("Request ID")).to_be_focused()
    ask_until_written(page, refused)
    expect(dialog(page, "Why was it refused?")).to_contain_text("The key was disabled")
    assert not js or unreadable(page, is_small=False) == []

    page.get_by_role("link", name=name, exact=True).last.click()
    details = dialog(page, "API key")
    expect(details.get_by_role("heading", name="Why is it refused?")).to_be_visible()
    details.get_by_text(re.compile("1 refusal in the last")).click()
    expect(details).to_contain_text(agent)
    assert not js or unreadable(page, is_small=False) == []


def use(server: ConsoleServer, value: str, agent: str) -> str:
    """Have a key refused, and return the ID of the request."""
    form = {"grant_type": API_KEY_GRANT, "apikey": value}
    answer = requests.post(f"{server.url}/identity/token", data=form, headers={"User-Agent": agent}, timeout=30)
    assert answer.status_code == 400
    return answer.headers["Transaction-Id"]


def ask_until_written(page: Page, request_id: str) -> None:
    """Ask by a request's ID until what processes count in memory is written."""

    def is_told() -> bool:
        opened = dialog(page, "Why was it refused?")
        opened.get_by_label("Request ID").fill(request_id)
        with page.expect_response(re.compile("/refusals/")) as answered:
            opened.get_by_role("button", name="Find the reason").click()
        return answered.value.ok

    until(is_told)
