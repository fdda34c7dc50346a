"""The state of the list in its URL: whose keys, search, sort, page size and place; and back into a URL."""

import base64
import binascii
import json
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import urlencode

from django.http import QueryDict

from apikeys.domain import DEFAULT_PAGE_SIZE, PAGE_SIZES, ApiKey, ApiKeyQuery, Cursor, Owner, Sort

ALL = "all"
SEARCH_MAX_LENGTH = 255
CURSOR_MAX_LENGTH = 4096


@dataclass(frozen=True, slots=True)
class ListState:
    """What is being looked at. Anything unreadable in a URL falls back to the default, never to an error."""

    query: ApiKeyQuery

    @classmethod
    def from_url(cls, parameters: QueryDict, *, may_see_all: bool) -> "ListState":
        sort, descending = _read_sort(parameters.get("sort", ""))
        raw_size = parameters.get("per_page", "")
        return cls(
            ApiKeyQuery(
                search=_printable(parameters.get("q", ""))[:SEARCH_MAX_LENGTH].strip(),
                whole_account=may_see_all and parameters.get("view") == ALL,
                sort=sort,
                descending=descending,
                page_size=int(raw_size) if raw_size in map(str, PAGE_SIZES) else DEFAULT_PAGE_SIZE,
                cursor=_read_cursor(parameters.get("at", "")),
            )
        )

    @property
    def sort(self) -> str:
        return f"{'-' if self.query.descending else ''}{self.query.sort}"

    @property
    def view(self) -> str:
        return ALL if self.query.whole_account else ""

    def url(self) -> str:
        """Return the query string, "" for the default list, else beginning with "?"."""
        query = self.query
        pairs = {
            "view": self.view,
            "q": query.search,
            "sort": self.sort if (query.sort, query.descending) != (Sort.CREATED, True) else "",
            "per_page": "" if query.page_size == DEFAULT_PAGE_SIZE else str(query.page_size),
            "at": write_cursor(query.cursor) if query.cursor else "",
        }
        encoded = urlencode({name: value for name, value in pairs.items() if value})
        return f"?{encoded}" if encoded else ""

    def at(self, cursor: Cursor | None) -> "ListState":
        return ListState(replace(self.query, cursor=cursor))

    def without_search(self) -> "ListState":
        return ListState(replace(self.query, search="", cursor=None))

    def sorted_by(self, sort: Sort) -> "ListState":
        """Return the first page by `sort`; the same column again turns its direction round."""
        descending = not self.query.descending if sort is self.query.sort else sort is Sort.CREATED
        return ListState(replace(self.query, sort=sort, descending=descending, cursor=None))


class Row(NamedTuple):
    """One line of the list; `owner` is None where all keys are the reader's own."""

    key: ApiKey
    owner: Owner | None
    is_editable: bool


def write_cursor(cursor: Cursor) -> str:
    text = json.dumps([cursor.position, cursor.key_id, int(cursor.backward)], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(text: str) -> Cursor | None:
    if not text or len(text) > CURSOR_MAX_LENGTH:
        return None
    try:
        decoded = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
        position, key_id, backward = decoded
    except (ValueError, TypeError, binascii.Error, RecursionError):
        return None
    if not (isinstance(position, str) and isinstance(key_id, str) and backward in (0, 1)):
        return None
    return Cursor(_printable(position), _printable(key_id), bool(backward))


def _read_sort(text: str) -> tuple[Sort, bool]:
    name = text.removeprefix("-")
    return (Sort(name), text.startswith("-")) if name in set(Sort) else (Sort.CREATED, True)


def _printable(text: str) -> str:
    """Return `text` without what a database refuses: NUL, other control characters, halves of characters."""
    return "".join(c for c in text if ord(c) >= 32 and not 0xD800 <= ord(c) < 0xE000)
