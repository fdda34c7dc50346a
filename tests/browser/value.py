"""A key's value in the hands of a test: it compares and searches, and no failing assertion prints it."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page

from apikeys.values import Peppers

_IN_HTML = re.compile(r'<code[^>]*id="value"[^>]*>([^<]+)</code>')
# Everything of a page that scripts can reach: its tree, what its fields hold, its storage, its history entry.
_REACHABLE = """() => JSON.stringify([
  document.documentElement.outerHTML,
  [...document.querySelectorAll("input, textarea")].map((field) => field.value),
  location.protocol.startsWith("http") ? [{...localStorage}, {...sessionStorage}, document.cookie] : [],
  history.state, document.title, location.href,
])"""


class Value:
    def __init__(self, text: str) -> None:
        self._text = text.strip()

    def __repr__(self) -> str:
        return "<the value of a key>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    @classmethod
    def shown_in(cls, dialog: Locator) -> "Value":
        """Read the value from the created dialog, masked or shown."""
        return cls(dialog.get_by_role("group", name=re.compile("API")).locator("#value").text_content() or "")

    @classmethod
    def in_html(cls, html: str) -> "Value | None":
        """Return the value that an answer of the server hands over, None when it holds none."""
        found = _IN_HTML.search(html)
        return cls(found[1]) if found else None

    def looks_genuine(self) -> bool:
        return re.fullmatch(r"apk_[0-9A-Za-z]{40}", self._text) is not None

    def digest(self, data_dir: Path) -> str:
        """Return what the server whose data is in `data_dir` stores of this value."""
        peppers = Peppers.parse((data_dir / "peppers").read_text().strip())
        return peppers.digest(self._text, peppers.newest)

    def is_absent_from(self, text: str) -> bool:
        return self._text not in text

    def count_in(self, text: str) -> int:
        return text.count(self._text)

    def is_gone_from(self, page: Page) -> bool:
        """Tell whether nothing that scripts can reach in the page holds the value."""
        return self.is_absent_from(page.evaluate(_REACHABLE))

    def files_with_it(self, *places: Path) -> list[str]:
        """Return the files, among the given ones and below the given folders, whose bytes hold the value."""
        return files_with(self._text, *places)


def files_with(text: str, *places: Path) -> list[str]:
    """Return the files that hold the text in UTF-8 or UTF-16, as `name (encoding)`."""
    found = []
    for place in places:
        for file in [place] if place.is_file() else sorted(place.rglob("*")):
            if not file.is_file() or file.is_symlink():
                continue
            data = file.read_bytes()
            found += [f"{file.name} ({code})" for code in ("utf-8", "utf-16-le") if text.encode(code) in data]
    return found
