"""Every page can be read, and fits every width, zoom and size of text. `make sizes` prints how often not."""

from collections.abc import Iterator
from itertools import chain

import pytest
from playwright.sync_api import Page

from tests.addresses import KEYS
from tests.browser import stops, stops_upstream
from tests.browser.conftest import BOB, DESKTOP, MOBILE, PageFor
from tests.browser.readable import unreadable
from tests.browser.sizes import KINDS, SIZES, Fault, faults_of, table
from tests.browser.steps import Words
from tests.browser.two_consoles import Pair

pytestmark = pytest.mark.browser

# Each language and each size once, for what depends on either alone. How texts fit depends on both.
WALKS = pytest.mark.parametrize(
    ("locale", "viewport"),
    [pytest.param("en-US", DESKTOP, id="en-1440x900"), pytest.param("zh-TW", MOBILE, id="zh-TW-390x844")],
)
# Chinese words are shorter, and what they can still be too long for are the smallest screen and large text.
SIZES_FOR = {"en-US": SIZES, "zh-TW": tuple(size for size in SIZES if size.width == 320 or size.text > 100)}
ZOOMED = SIZES[0]
IN_SIGHT = """() => {
  const focused = document.activeElement;
  const [box] = focused.getClientRects();
  const hit = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return focused === document.body || focused.contains(hit) ? "" : focused.outerHTML;
}"""


class Walk:
    """What was found so far, for the one table of all walks."""

    def __init__(self) -> None:
        self.pages: list[str] = []
        self.faults: list[Fault] = []

    def faults_along(
        self, locale: str, viewport: dict[str, int], states: Iterator[tuple[str, Page]]
    ) -> tuple[list[str], int]:
        """Return what can't be read at each stop, or does not fit, and how many stops there were."""
        found: list[str] = []
        before = len(self.pages)
        for where, page in states:
            self.pages.append(f"{where} ({locale})")
            found += [f"{where}: {problem}" for problem in unreadable(page, is_small=viewport == MOBILE)]
            faults = faults_of(page, self.pages[-1], SIZES_FOR[locale])
            self.faults += faults
            found += map(str, faults)
        return found, len(self.pages) - before


@pytest.fixture(scope="module")
def walk() -> Iterator[Walk]:
    walk = Walk()
    yield walk
    print("", *walk.faults, table(walk.pages, walk.faults), sep="\n")


@pytest.mark.long
@WALKS
def test_every_page_can_be_read_and_fits(walk: Walk, page_for: PageFor, server, broken_server, locale, viewport):
    """Axe finds no violation, light and dark, and nothing scrolls sideways at 320 pixels or with text of 200 %."""
    everything = stops.every_state(page_for, server, broken_server, locale, viewport=viewport)
    states = chain(everything, menu_of_other_screens(page_for, locale, viewport))

    assert walk.faults_along(locale, viewport, states) == ([], stops.NUMBER + 1)


@WALKS
def test_every_page_of_an_upstream_console_can_be_read_and_fits(
    walk: Walk, page_for: PageFor, pair: Pair, locale, viewport
):
    states = stops_upstream.every_state(page_for, pair, locale, viewport=viewport)

    assert walk.faults_along(locale, viewport, states) == ([], stops_upstream.NUMBER)


def test_tab_brings_what_has_the_focus_into_sight_at_400_percent(page_for: PageFor):
    """As the walk does by script, which is quicker."""
    page = page_for(BOB, viewport={"width": ZOOMED.width, "height": ZOOMED.height})
    covered = []

    for address in (KEYS, f"{KEYS}create/", "/password/"):
        page.goto(address)
        for key in ["Tab"] * 25 + ["Shift+Tab"] * 25:
            page.keyboard.press(key)
            covered.append(page.evaluate(IN_SIGHT))

    assert list(filter(None, covered)) == []


@pytest.mark.parametrize(
    ("kind", "style", "body"),
    [
        ("cut", "overflow: hidden; white-space: nowrap; width: 3em", "<p id=x>A text that is longer</p>"),
        ("broken", "overflow-wrap: anywhere; width: 5em", "<p id=x>A wordthatislonger</p>"),
        ("overlaps", "margin-top: -2em", "<p>One text</p><p id=x>Another text</p>"),
        ("covered", "position: fixed; inset: 0", "<button>Press</button><div id=x></div>"),
        ("bars", "overflow: auto; height: 2em; line-height: calc(2em + 1px)", "<div id=x>One line<div></div></div>"),
        ("sideways", "width: 101vw", "<div id=x>Wide</div>"),
    ],
)
def test_the_walk_would_find_a_fault(page_for: PageFor, kind, style, body):
    page = page_for(None)
    page.set_content(f"<!DOCTYPE html><style>#x {{ {style} }}</style>{body}")

    assert {fault.kind for fault in faults_of(page, "page")} == {kind}


def test_the_table_counts_faults_for_each_page_and_size():
    faults = [Fault("list", SIZES[0], "cut", "“name”"), Fault("list", SIZES[0], "bars", "1 px")]

    lines = table(["log in", "list"], faults).splitlines()

    assert len(lines) == 1 + 2 * len(SIZES) + 1
    assert lines[1 + len(SIZES)].split() == ["list", "320×256", "1", "0", "0", "0", "1", "0"]
    assert lines[-1].split()[-len(KINDS) :] == ["1", "0", "0", "0", "1", "0"]


def menu_of_other_screens(page_for: PageFor, locale: str, viewport: dict[str, int]) -> Iterator[tuple[str, Page]]:
    """The menu that a walk of this size does not have: small screens have one in place of the others."""
    is_small = viewport == MOBILE
    page, t = page_for(BOB, viewport=DESKTOP if is_small else MOBILE, locale=locale), Words(locale)
    page.goto(KEYS)
    name = t("Manage") if is_small else t("Menu")
    page.get_by_role("banner").get_by_role("button", name=name, exact=True).click()
    yield f"menu {name} of other screens", page
