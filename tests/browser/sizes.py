"""Whether a page fits: at each width, zoom and size of text, what is cut, broken, overlaps, is covered or scrolls."""

from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Page

KINDS = {
    "cut": "cut texts",
    "broken": "broken words",
    "overlaps": "overlaps",
    "covered": "covered focus",
    "bars": "needless bars",
    "sideways": "sideways",
}
# A longer text of a row may end in "…", because the details, to which the row links, show all of it.
LONG_TEXT = 60
FAULTS = Path(__file__).with_suffix(".js").read_text()


class Size(NamedTuple):
    """A screen in CSS pixels, and the size of text in percent of the usual one."""

    width: int
    height: int
    text: int = 100

    def __str__(self) -> str:
        return f"{self.width}×{self.height}" + (f", text {self.text} %" if self.text != 100 else "")


SIZES = (
    Size(320, 256),  # 1280×1024 at 400 %
    Size(320, 640),
    Size(390, 844),
    Size(768, 1024),
    Size(1024, 768),
    Size(1440, 900),
    Size(390, 844, text=200),
    Size(1440, 900, text=200),
)


class Fault(NamedTuple):
    where: str
    size: Size
    kind: str
    words: str

    def __str__(self) -> str:
        return f"{self.where}, {self.size}: {KINDS[self.kind]}: {self.words}"


def faults_of(page: Page, where: str, sizes: tuple[Size, ...] = SIZES) -> list[Fault]:
    """Return what is wrong with the page at each of the sizes; it has its own size again afterwards."""
    own = now = own_size(page)
    found = []
    for size in sizes:
        take(page, size, now)
        kinds = page.evaluate(FAULTS, {"longText": LONG_TEXT})
        found += [Fault(where, size, kind, words) for kind in KINDS for words in kinds[kind]]
        now = size
    take(page, own, now)
    return found


def own_size(page: Page) -> Size:
    assert page.viewport_size
    return Size(**page.viewport_size)


def take(page: Page, size: Size, now: Size) -> None:
    """Large text as a reader's own style sheet makes it, which no media query of the page notices."""
    if size.text != now.text:
        # Chromium asks a container query in rem anew only when the container's size changes after it.
        if size.width == now.width:
            page.set_viewport_size({"width": size.width + 1, "height": size.height})
        page.evaluate("(percent) => { document.documentElement.style.fontSize = percent }", f"{size.text}%")
    page.set_viewport_size({"width": size.width, "height": size.height})


def table(pages: list[str], faults: list[Fault], sizes: tuple[Size, ...] = SIZES) -> str:
    """Return, for each page at each size, the number of faults of each kind, and the sums."""
    widest = max(map(len, [*pages, "page"]))
    row = f"{{:{widest}}}  {{:21}}" + "".join(f"  {{:>{len(title)}}}" for title in KINDS.values())
    lines = [row.format("page", "size", *KINDS.values())]
    for where in pages:
        for size in sizes:
            at = [fault.kind for fault in faults if (fault.where, fault.size) == (where, size)]
            lines.append(row.format(where, str(size), *map(at.count, KINDS)))
    kinds = [fault.kind for fault in faults]
    lines.append(row.format(f"{len(pages)} pages", f"{len(sizes)} sizes", *map(kinds.count, KINDS)))
    return "\n".join(lines)
