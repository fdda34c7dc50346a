"""What a visit costs on the wire: the answers that a browser fetches for a page, their heads included."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin

import requests

from bench import keys
from bench.load import Connection, Job
from bench.rows import Reach, Result
from bench.visits import BROWSER, LIST, Visits
from tests.markup import parse

FETCHED = {"stylesheet", "icon", "preload", "modulepreload", "manifest"}
IN_STYLES = re.compile(r"url\(\s*[\"']?(?!data:)([^\"')]+)")
IN_MODULES = re.compile(r"^\s*import\b[^\"';]*[\"']([^\"']+)[\"']", re.MULTILINE)
FRESH = re.compile(rb"max-age=\d{5,}")  # some hours and longer
VALIDATOR = re.compile(rb"\r\n(etag|last-modified): ([^\r]+)", re.IGNORECASE)
CONDITIONS = {b"etag": "If-None-Match", b"last-modified": "If-Modified-Since"}


@dataclass(frozen=True)
class Answer:
    """An answer as it came over the wire."""

    raw: bytes = field(repr=False)

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0]

    @property
    def is_fresh(self) -> bool:
        """Tell whether a browser will not ask for it again."""
        return FRESH.search(self.head) is not None and b"no-store" not in self.head

    @property
    def condition(self) -> list[str]:
        """Return the header with which a browser asks whether it changed, if it may keep it."""
        found = VALIDATOR.search(self.head)
        if found is None or b"no-store" in self.head:
            return []
        return [f"{CONDITIONS[found[1].lower()]}: {found[2].decode()}"]


class Browser:
    """One person's browser: it takes what is compressed, and keeps what it may keep."""

    def __init__(self, visits: Visits, person: str) -> None:
        self.visits, self.cookie = visits, f"Cookie: {visits.cookie(person)}"

    def fetch(self, address: str, *headers: str) -> Answer:
        connection = Connection(Job(self.visits.console.port, [], status=0))
        request = self.visits.request("GET", address, BROWSER, self.cookie, *headers)
        connection.ask(request.encode("latin-1"))
        while not connection.take():
            pass
        connection.socket.close()
        return Answer(connection.answer)

    def text(self, address: str) -> str:
        """Return what is there, unpacked."""
        name, _colon, text = self.cookie.partition(": ")
        answer = requests.get(f"{self.visits.console.url}{address}", headers={name: text}, timeout=30)
        answer.raise_for_status()
        return answer.text

    def first_visit(self, path: str) -> dict[str, Answer]:
        """Return each answer that a page takes, by its address."""
        return {address: self.fetch(address) for address in (path, *dict.fromkeys(self.linked(path)))}

    def later_visit(self, first: dict[str, Answer]) -> dict[str, Answer]:
        """Return the answers that the same page takes after its first visit."""
        return {address: self.fetch(address, *one.condition) for address, one in first.items() if not one.is_fresh}

    def linked(self, path: str) -> Iterator[str]:
        """Give the addresses of what a page needs, and of what its styles and scripts need."""
        document = parse(self.text(path))
        found = [
            element.attributes["href"]
            for element in document.find_all("link")
            if FETCHED & set(element.attributes.get("rel", "").split())
        ]
        found += [
            element.attributes["src"]
            for name in ("script", "img")
            for element in document.find_all(name)
            if "src" in element
        ]
        for address in (urljoin(path, link) for link in found):
            yield address
            yield from self.linked_from(address)

    def linked_from(self, address: str) -> Iterator[str]:
        form = IN_STYLES if address.endswith(".css") else IN_MODULES if address.endswith(".js") else None
        for link in form.findall(self.text(address)) if form else ():
            yield urljoin(address, link)


def weight(visits: Visits) -> list[Result]:
    """Weigh the list of 25 keys."""
    browser = Browser(visits, keys.MANY)
    first = browser.first_visit(LIST)
    later = browser.later_visit(first)
    title = "first visit of the list, 25 keys"
    heads = sum(len(answer.head) for answer in first.values()) / 1000
    return [
        Result(title, [kilobytes(first)], "kB", f"heads: {heads:.1f}", Reach(36)),
        Result(title, [len(first)], "requests", reach=Reach(6)),
        Result("later visits", [kilobytes(later)], "kB", f"{len(later)} requests", Reach(6)),
    ]


def kilobytes(answers: dict[str, Answer]) -> float:
    return sum(len(answer.raw) for answer in answers.values()) / 1000
