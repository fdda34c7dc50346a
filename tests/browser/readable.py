"""Whether a page can be read: axe's rules, colours light and dark, and large text or a small screen."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

NARROW = {"width": 320, "height": 640}
TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll("dialog[open], :popover-open")]
  .filter((box) => box.scrollWidth > box.clientWidth)
  .map((box) => `${box.tagName}#${box.id} is ${box.scrollWidth} pixels wide in ${box.clientWidth}`)"""

axe = Axe()


def unreadable(page: Page, *, is_small: bool) -> list[str]:
    """Return what axe finds, light and dark, and what scrolls sideways at 320 pixels or with text of 200 %."""
    found = [f"light: {violation}" for violation in violations(page)]
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {violation}" for violation in bad_contrasts(page)]
    page.emulate_media(color_scheme="light")
    with small(page) if is_small else large_text(page):
        return found + list(page.evaluate(TOO_WIDE))


def unreadable_along(states: Iterator[tuple[str, Page]], *, is_small: bool) -> tuple[list[str], int]:
    """Return what can't be read at each stop of a walk, and how many stops there were."""
    found = [[f"{where}: {problem}" for problem in unreadable(page, is_small=is_small)] for where, page in states]
    return list(chain.from_iterable(found)), len(found)


def violations(page: Page) -> list[str]:
    return in_words(axe.run(page, options={"resultTypes": ["violations"]}).response["violations"])


def bad_contrasts(page: Page) -> list[str]:
    """Look again at what a change of colours may change, in a page that `violations` has looked at."""
    return in_words(page.evaluate("axe.run({ runOnly: ['color-contrast'] }).then((results) => results.violations)"))


def in_words(found: list[dict]) -> list[str]:
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
