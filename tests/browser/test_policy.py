"""What a browser does with the policy of a page: foreign scripts and markup get nowhere, and are reported."""

import pytest

from tests.addresses import KEYS
from tests.browser.conftest import PageFor
from tests.server import ConsoleServer
from tests.waiting import until

pytestmark = pytest.mark.browser

WHAT_CHROMIUM_SAYS = ("Content Security Policy", "Trusted")
MARKUP = """(text) => {
  try { document.querySelector("main").innerHTML = text; return "taken"; } catch (error) { return error.name; }
}"""
SCRIPT = """(address) => new Promise((resolve) => {
  const script = document.createElement("script");
  script.onload = () => resolve("ran");
  script.onerror = () => resolve("blocked");
  try { script.src = address; document.head.append(script); } catch (error) { resolve(error.name); }
})"""
HANDLER = """(code) => {
  try { document.body.setAttribute("onclick", code); return "taken"; } catch (error) { return error.name; }
}"""


def test_no_text_becomes_markup_but_an_answer_of_the_server(page_for: PageFor, carol: str):
    page = page_for(carol, expected=WHAT_CHROMIUM_SAYS)
    page.goto(KEYS)

    tried = page.evaluate(MARKUP, "<img src=x>")
    page.get_by_role("link", name="Next page").click()  # htmx swaps an answer

    assert tried == "TypeError"
    page.get_by_role("link", name="robot 00025").wait_for()


@pytest.mark.parametrize(("attempt", "text"), [(SCRIPT, "/static/list.js"), (HANDLER, "globalThis.ran = true")])
def test_no_text_becomes_a_script(page_for: PageFor, carol: str, attempt: str, text: str):
    page = page_for(carol, expected=WHAT_CHROMIUM_SAYS)
    page.goto(KEYS)

    assert page.evaluate(attempt, text) == "TypeError"


def test_what_was_forbidden_is_reported_without_what_it_was(page_for: PageFor, carol: str, server: ConsoleServer):
    page = page_for(carol, expected=WHAT_CHROMIUM_SAYS)
    page.goto(f"{KEYS}?q=robot")

    page.evaluate(MARKUP, "<b>a sample of this page</b>")

    until(lambda: f"A page broke its policy: require-trusted-types-for, on {KEYS}" in server.log)
    assert "a sample" not in server.log
