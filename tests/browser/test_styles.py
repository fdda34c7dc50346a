"""The styles that are served: smaller than what is written, and the same to a browser."""

import pytest
from playwright.sync_api import Page

from console import static_files
from tests.browser.conftest import PageFor
from tests.server import ROOT

pytestmark = pytest.mark.browser

# Each rule as the browser understood it, in its order.
RULES = """css => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  const told = (rules) => [...rules].flatMap((rule) =>
    rule.cssRules?.length ? [rule.cssText.split("{")[0], ...told(rule.cssRules)] : [rule.cssText]);
  return told(sheet.cssRules);
}"""


def test_the_styles_say_what_is_written_in_less(page_for: PageFor, carol: str):
    page: Page = page_for(carol)
    written = (ROOT / "static" / static_files.STYLES).read_text()
    served = static_files.styles().decode()

    rules = page.evaluate(RULES, served)

    assert len(rules) > 300
    assert rules == page.evaluate(RULES, written)
    assert len(served) < len(written)
