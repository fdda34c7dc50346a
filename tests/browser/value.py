"""A key's value in the hands of a test: it compares and searches, and no failing assertion prints it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import requests
from playwright.sync_api import Locator, Page

from apikeys.values import Peppers
from tests.programs import API_KEY_GRANT
from tests.server import ConsoleServer

Result = TypeVar("Result")

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

    def given_to(self, use: Callable[[str], Result]) -> Result:
        """Return what a function makes of the value that can't do without it."""
        return use(self._text)

    def works_at(self, server: ConsoleServer) -> bool:
        """Tell whether a program is given an access token for it."""
        form = {"grant_type": API_KEY_GRANT, "apikey": self._text}
        return requests.post(f"{server.url}/identity/token", form, timeout=30).status_code == 200

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


def assert_is_the_key_file(file: Path, name: str, description: str, value: Value, server: ConsoleServer) -> None:
    """The file has IBM's four fields in IBM's order, and its key is the one the server knows by its digest."""
    fields = json.loads(file.read_text(encoding="utf-8"))
    in_file = Value(fields.pop("apikey"))

    assert file.name == "apikey.json"
    assert re.findall(r'^\t"(\w+)": ', file.read_text(encoding="utf-8"), re.M) == [
        "name",
        "description",
        "createdAt",
        "apikey",
    ]
    assert (fields["name"], fields["description"]) == (name, description)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d\+0000", fields["createdAt"])
    assert in_file == value
    assert value.looks_genuine()
    assert value.digest(server.data_dir) == stored_digest(server, name)


def stored_digest(server: ConsoleServer, name: str) -> str:
    printed = server.run_python(
        "from apikeys.models import ApiKeyRecord\n"
        f"print(ApiKeyRecord.objects.values_list('digest', flat=True).get(name={name!r}))"
    )
    return printed.split()[-1]
