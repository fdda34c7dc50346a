"""Every page fits every width, zoom and size of text. `make sizes` prints how often not."""

from collections.abc import Iterator
from itertools import chain

import pytest
from playwright.sync_api import Page

from tests.addresses import KEYS
from tests.browser import stops, stops_upstream
from tests.browser.conftest import BOB, MOBILE, PageFor
from tests.browser.sizes import KINDS, SIZES, Fault, faults_of, table
from tests.browser.steps import Words
from tests.browser.two_consoles import Pair
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser

LOCALES = ["en-US", "zh-TW"]
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

    def faults_along(self, locale: str, states: Iterator[tuple[str, Page]]) -> list[str]:
        found: list[Fault] = []
        for where, page in states:
            self.pages.append(f"{where} ({locale})")
            found += faults_of(page, self.pages[-1], SIZES_FOR[locale])
        self.faults += found
        return list(map(str, found))


@pytest.fixture(scope="module")
def walk() -> Iterator[Walk]:
    walk = Walk()
    yield walk
    print("", *walk.faults, table(walk.pages, walk.faults), sep="\n")


@pytest.mark.parametrize("locale", LOCALES)
def test_every_page_fits_every_size(walk: Walk, page_for: PageFor, server: ConsoleServer, broken_server, locale):
    everything = stops.every_state(page_for, server, broken_server, locale)

    assert walk.faults_along(locale, chain(everything, menu_of_small_screens(page_for, locale))) == []


@pytest.mark.parametrize("locale", LOCALES)
def test_every_page_of_an_upstream_console_fits_every_size(walk: Walk, page_for: PageFor, pair: Pair, locale):
    assert walk.faults_along(locale, stops_upstream.every_state(page_for, pair, locale)) == []


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


def menu_of_small_screens(page_for: PageFor, locale: str) -> Iterator[tuple[str, Page]]:
    page, t = page_for(BOB, viewport=MOBILE, locale=locale), Words(locale)
    page.goto(KEYS)
    page.get_by_role("banner").get_by_role("button", name=t("Menu"), exact=True).click()
    yield "menu of small screens", page
