"""Searches in SQLite's index of trigrams, in the order of creation, by statements that are written once.

The index has its rows in the order of their numbers, and so of the seconds of their creation. What it finds is what is
wanted: no text is compared again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache, partial
from typing import ClassVar

from django.db import connection

from apikeys.backends import finding
from apikeys.backends.keyset import moment_of
from apikeys.backends.search import hint_end
from apikeys.domain import FOUND, HINT_LENGTH, ApiKey, ApiKeyQuery, Cursor, Sort
from apikeys.models import ApiKeyRecord
from apikeys.storage.statements import Columns, Row, Statement, table
from apikeys.storage.text_index import KEYNUMBER, KEYTEXT, PLACES, is_whole

Numbered = tuple[int, Row]


@dataclass(frozen=True, slots=True)
class Searched:
    """The keys that have `value` in the column `whose` and are found, in the order of creation and then of their id."""

    whose: str
    value: str
    match: str
    counted: ClassVar[int] = FOUND

    def place_of(self, row: Row) -> datetime:
        moment: datetime = row.created_at
        return moment

    def read(self, cursor: Cursor | None, limit: int, *, descending: bool) -> list[Row]:
        found: list[Row] = []
        for rows in self._seconds(cursor, limit, descending=descending):
            found += [row for _number, row in rows if _is_beyond(row, cursor, descending)]
            if len(found) >= limit:
                break
        return found[:limit]

    def count(self, cursor: Cursor | None, limit: int, *, descending: bool) -> int:
        low, high = finding.number_range(cursor, descending=descending)
        edge = 0
        if cursor is not None and (moment := moment_of(cursor)) is not None:
            second = int(moment.timestamp())  # not all of it is beyond the cursor
            rows = self._rows(second * PLACES, (second + 1) * PLACES, PLACES, descending)
            edge = sum(_is_beyond(row, cursor, descending) for _number, row in rows)
            low, high = (low, second * PLACES) if descending else ((second + 1) * PLACES, high)
        statement = _count(self.whose)
        [[number]] = statement.rows([self.match, low, high, self.value, limit + 1])
        return min(edge + int(number), limit + 1)

    def _seconds(self, cursor: Cursor | None, size: int, *, descending: bool) -> Iterator[list[Numbered]]:
        """Yield what the index finds from the cursor on in their order, whole seconds at a time and ever more."""
        numbered = partial(self._rows, descending=descending)
        for rows in finding.whole_seconds(numbered, cursor, size, descending=descending):
            yield sorted(rows, key=lambda numbered: (numbered[1].created_at, numbered[1].id), reverse=descending)

    def _rows(self, low: int, high: int, limit: int, descending: bool) -> list[Numbered]:
        statement, keys = _page(self.whose, descending)
        found = statement.rows([self.match, low, high, self.value, limit])
        return [(number, keys.row(part)) for part, number in found]


def searched(query: ApiKeyQuery, whose: str, value: str) -> Searched | None:
    """Return what the query's search finds in a list, None where it asks for anything else, or the list is short."""
    asks_for_more = query.conditions or query.kind or query.filters.given() or query.sort is not Sort.CREATED
    match = "" if asks_for_more or connection.vendor != "sqlite" else finding.match_of(query)
    if not match or len(hint_end(query.search)) > HINT_LENGTH:
        return None
    [[number]] = _length(whose).rows([value, finding.NEAR + 1])
    return Searched(whose, value, match) if number > finding.NEAR and is_whole(connection) else None


def _is_beyond(row: Row, cursor: Cursor | None, descending: bool) -> bool:
    moment = moment_of(cursor) if cursor else None
    if cursor is None or moment is None:
        return True
    here, there = (row.created_at, row.id), (moment, cursor.key_id)
    return here < there if descending else here > there


@cache
def _page(whose: str, descending: bool) -> tuple[Statement, Columns]:
    keys = Columns(ApiKeyRecord, "found", {field.name for field in fields(ApiKey)})
    rows = f"CROSS JOIN {table(ApiKeyRecord, 'found')} ON found.id = {KEYNUMBER}.key_id"
    sql = (
        f"SELECT {keys}, {KEYNUMBER}.number {_from(whose, rows)}"
        f" ORDER BY {KEYTEXT}.rowid {'DESC' if descending else 'ASC'} LIMIT %s"
    )
    return Statement(sql, keys), keys


@cache
def _count(whose: str) -> Statement:
    return Statement(f"SELECT COUNT(*) FROM (SELECT 1 {_from(whose)} LIMIT %s) subquery")  # nosec B608  # a statement of this module


@cache
def _length(whose: str) -> Statement:
    rows = f"SELECT 1 FROM {table(ApiKeyRecord, 'listed')} WHERE {whose} = %s LIMIT %s"  # nosec B608  # a statement of this module
    return Statement(f"SELECT COUNT(*) FROM ({rows}) subquery")  # nosec B608  # a statement of this module


def _from(whose: str, joined: str = "") -> str:
    return (
        f"FROM {KEYTEXT} CROSS JOIN {KEYNUMBER} ON {KEYNUMBER}.number = {KEYTEXT}.rowid {joined}"
        f" WHERE {KEYTEXT} MATCH %s AND {KEYTEXT}.rowid >= %s AND {KEYTEXT}.rowid < %s AND {KEYNUMBER}.{whose} = %s"
    )
