"""Whether a page can be read: axe's rules, colours light and dark, and large text or a small screen."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

NARROW = {"width": 320, "height": 640}
TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll("dialog[open], :popover-open")]
  .filter((box) => box.scrollWidth > box.clientWidth)
  .map((box) => `${box.tagName}#${box.id} is ${box.scrollWidth} pixels wide in ${box.clientWidth}`)"""

ALL_BUT_CONTRAST = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": False}}}
CONTRAST_ALONE = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}
# Axe takes two thirds of its time for contrasts. Texts below the same tags and classes, in the same colours and size,
# have the same one: it looks at the first, the middle and the last that can be seen of each such kind.
CONTRAST = """async (options) => {
  const colours = ["color", "backgroundColor", "backgroundImage", "opacity", "textShadow"];
  const styles = [...colours, "fontSize", "fontWeight", "position"];
  const known = new Map();
  const kindOf = (element) => {
    if (!element) return "";
    if (!known.has(element)) {
      const style = getComputedStyle(element);
      const own = [element.tagName, element.getAttribute("class"), ...styles.map((name) => style[name])];
      known.set(element, `${kindOf(element.parentElement)} > ${own}`);
    }
    return known.get(element);
  };
  const hasText = (element) =>
    element.matches("input, select, textarea") ||
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const kinds = {};
  for (const element of document.body.querySelectorAll("*"))
    if (hasText(element) && element.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
      (kinds[kindOf(element)] ??= []).push(element);
  const include = Object.values(kinds).flatMap((all) => [all[0], all[all.length >> 1], all.at(-1)]);
  return (await axe.run({ include: [...new Set(include)] }, options)).violations;
}"""


def unreadable(page: Page, *, is_small: bool) -> list[str]:
    """Return what axe finds, light and dark, and what scrolls sideways at 320 pixels or with text of 200 %."""
    found = [f"light: {violation}" for violation in violations(page)]
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {violation}" for violation in bad_contrasts(page)]
    page.emulate_media(color_scheme="light")
    with small(page) if is_small else large_text(page):
        return found + list(page.evaluate(TOO_WIDE))


def violations(page: Page) -> list[str]:
    if not page.evaluate("'axe' in window"):  # it stays there while parts of the page change
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate(f"axe.run({json.dumps(ALL_BUT_CONTRAST)}).then((results) => results.violations)")
    return in_words(found) + bad_contrasts(page)


def bad_contrasts(page: Page) -> list[str]:
    """Look at what a change of colours may change, in a page that `violations` has looked at."""
    return in_words(page.evaluate(CONTRAST, CONTRAST_ALONE))


def in_words(found: list[dict[str, Any]]) -> list[str]:
    return [f"{one['id']} at {[' '.join(map(str, node['target'])) for node in one['nodes']]}" for one in found]


@contextmanager
def small(page: Page) -> Iterator[None]:
    before = page.viewport_size
    page.set_viewport_size(NARROW)
    yield
    page.set_viewport_size(before)


@contextmanager
def large_text(page: Page) -> Iterator[None]:
    """Text of 200 %, as somebody sets it in the browser."""
    session = page.context.new_cdp_session(page)
    session.send("Page.setFontSizes", {"fontSizes": {"standard": 32}})
    yield
    session.send("Page.setFontSizes", {"fontSizes": {"standard": 16}})
    session.detach()
