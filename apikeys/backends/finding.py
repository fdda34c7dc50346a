"""How the rows that a search, conditions and filters leave are found without reading all of a long list.

Where a list has few rows, all of them are read. Of a longer one the next NEAR rows are, in the order of the list, and
FAR where that promises enough: what is common is among them. What is not is looked for in an index of its own, and
sorted. SQLite's index of trigrams has its rows in the order of creation: a search in that order asks it at once.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial, reduce
from itertools import islice
from operator import and_, or_
from typing import Any, ClassVar, TypeVar

from django.db import connection, models

from apikeys.backends.keyset import Listed, count_to, cursor_of, moment_of
from apikeys.backends.orders import COLUMNS, Apart, ends, is_met, with_column, with_compared
from apikeys.backends.records import filter_of
from apikeys.backends.search import fold, hint_end
from apikeys.domain import END, FOUND, HINT_LENGTH, SERVICE_ID_PREFIX, ApiKeyQuery, Cursor, Match, Sort
from apikeys.models import ApiKeyRecord, ServiceIdRecord
from apikeys.storage.text_index import KEYNUMBER, KEYTEXT, PLACES, TRIGRAM, is_whole

END_OF_NUMBERS = 1 << 62  # beyond every number
NEAR, FAR = 2_000, 10_000  # rows that are read in the order of the list
AT_ONCE = 2_000  # ids in one statement
MOST_SORTED = 20_000  # rows of an index that are sorted for a page
SHORTEST = timedelta(microseconds=1)  # between two moments
ATTRIBUTES = ("name", "description")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose keys are listed, as columns of a row: an owner's, an account's, or the owner's of the account."""

    iam_id: str = ""
    account_id: str = ""

    def columns(self) -> dict[str, str]:
        """Return the columns that are given."""
        return {name: text for name in ("iam_id", "account_id") if (text := getattr(self, name))}


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Rows of a list that meet a filter, written for the index of the list, and for any other."""

    rows: "models.QuerySet[ApiKeyRecord]"  # of the whole list
    column: str
    wanted_in_order: models.Q
    wanted: models.Q
    is_rare: bool = False  # an equality leaves few of them
    is_text: bool = False  # an index of trigrams has them
    # The same rows, for where another index is to be used, and the moments between which the filters leave any.
    rows_apart: "models.QuerySet[ApiKeyRecord] | None" = None
    ends: tuple[datetime | None, datetime | None] = (None, None)
    counted: ClassVar[int] = FOUND

    def place_of(self, row: ApiKeyRecord) -> Any:
        return getattr(row, self.column)

    @property
    def found(self) -> "Listed[ApiKeyRecord]":
        """What is wanted, to be read in the order of the list."""
        return Listed(self.rows.filter(self.wanted_in_order), self.column)

    @property
    def found_apart(self) -> "Listed[ApiKeyRecord]":
        rows = self.rows if self.rows_apart is None else self.rows_apart
        return Listed(rows.filter(self.wanted), self.column)

    def begun(self, cursor: Cursor | None, *, descending: bool) -> Cursor | None:
        """Return the cursor, or where the filters begin to leave rows for one that stands at either end of the list."""
        moment = self.ends[descending] if cursor in (None, END) else None
        if moment is None:
            return cursor
        return cursor_of(moment + descending * SHORTEST, "")  # itself included, in either direction

    def read(self, cursor: Cursor | None, limit: int, *, descending: bool) -> list[ApiKeyRecord]:
        begin = self.begun(cursor, descending=descending)
        for number in () if self.is_rare else (NEAR, FAR):
            end = self.end_of(begin, number, descending=descending)
            rows = self.found.read(begin, limit, descending=descending, end=end)
            if end is None or len(rows) == limit:
                return rows
            if not is_common(len(rows), limit):
                break
        return self.read_apart(cursor, limit, descending=descending)

    def count(self, cursor: Cursor | None, limit: int, *, descending: bool) -> int:
        begin = self.begun(cursor, descending=descending)
        for number in () if self.is_rare else (NEAR, FAR):
            end = self.end_of(begin, number, descending=descending)
            found = self.found.count(begin, limit, descending=descending, end=end)
            if end is None or found > limit:
                return found
            if not is_common(found, limit):
                break
        return self.count_apart(cursor, limit, descending=descending)

    def end_of(self, cursor: Cursor | None, number: int, *, descending: bool) -> Cursor | None:
        """Return where the next `number` rows of the whole list end, None where it has no more."""
        return Listed(self.rows, self.column).place(cursor, number, descending=descending)

    def read_apart(self, cursor: Cursor | None, limit: int, *, descending: bool) -> list[ApiKeyRecord]:
        """Return the same as `read`, of rows that the database finds in another index and sorts."""
        order = Apart(self.column)
        rows = self.beyond_apart(cursor, descending=descending)
        return list(rows.order_by(order.desc() if descending else order.asc(), "-id" if descending else "id")[:limit])

    def count_apart(self, cursor: Cursor | None, limit: int, *, descending: bool) -> int:
        return count_to(self.beyond_apart(cursor, descending=descending), limit)

    def beyond_apart(self, cursor: Cursor | None, *, descending: bool) -> "models.QuerySet[ApiKeyRecord]":
        """Return the rows of another index that are beyond the cursor.

        Behind the creator of most keys PostgreSQL expects few, and would read them all in the order of the list.
        """
        if self.column != COLUMNS[Sort.CREATED_BY]:
            return self.found_apart.beyond(cursor, descending=descending)
        rows = self.found_apart.rows.alias(place_apart=Apart(self.column))
        return Listed(rows, "place_apart").beyond(cursor, descending=descending)


@dataclass(frozen=True, slots=True)
class InText(Narrowed):
    """Rows of a list that SQLite's index of trigrams finds; `is_exact` where it finds no others than are wanted."""

    scope: Scope = Scope()
    match: str = ""
    is_exact: bool = False

    def read(self, cursor: Cursor | None, limit: int, *, descending: bool) -> list[ApiKeyRecord]:
        if self.column != "created_at":
            return Narrowed.read(self, cursor, limit, descending=descending)
        if self.end_of(cursor, NEAR, descending=descending) is None:
            return self.found.read(cursor, limit, descending=descending)
        found: list[ApiKeyRecord] = []
        for ids in self.seconds(cursor, limit, descending=descending):
            found += self.read_of(ids.values(), cursor, limit - len(found), descending=descending)
            if len(found) == limit:
                break
        return found

    def count(self, cursor: Cursor | None, limit: int, *, descending: bool) -> int:
        if self.column != "created_at":
            return Narrowed.count(self, cursor, limit, descending=descending)
        if self.end_of(cursor, NEAR, descending=descending) is None:
            return self.found.count(cursor, limit, descending=descending)
        number = 0
        for ids in self.seconds(cursor, limit + 1, descending=descending):
            number += self.count_in(ids, cursor, limit, descending=descending)
            if number > limit:
                return limit + 1
        return number

    def read_apart(self, cursor: Cursor | None, limit: int, *, descending: bool) -> list[ApiKeyRecord]:
        ids = self.ids_to_sort()
        if ids is None:
            return self.found.read(cursor, limit, descending=descending)
        return self.read_of(ids, cursor, limit, descending=descending)

    def count_apart(self, cursor: Cursor | None, limit: int, *, descending: bool) -> int:
        ids = self.ids_to_sort()
        if ids is None:
            return self.found.count(cursor, limit, descending=descending)
        return self.count_of(ids, cursor, limit, descending=descending)

    def ids_to_sort(self) -> list[str] | None:
        """Return the ids of all rows of the scope that the index finds, None for more than are sorted for a page."""
        found = self.numbered(0, END_OF_NUMBERS, MOST_SORTED, descending=True)
        return None if len(found) == MOST_SORTED else [key_id for _number, key_id in found]

    def read_of(self, ids: Iterable[str], cursor: Cursor | None, limit: int, *, descending: bool) -> list[ApiKeyRecord]:
        """Return the first of these rows that are wanted and beyond the cursor, in their order."""
        parts = [part.read(cursor, limit, descending=descending) for part in self.wanted_of(ids)]
        found = [row for part in parts for row in part]
        found.sort(key=lambda row: (getattr(row, self.column), row.id), reverse=descending)
        return found[:limit]

    def count_of(self, ids: Iterable[str], cursor: Cursor | None, limit: int, *, descending: bool) -> int:
        """Return how many of these rows are wanted and beyond the cursor, and `limit + 1` where there are more."""
        number = 0
        for part in self.wanted_of(ids):
            number += part.count(cursor, limit - number, descending=descending)
            if number > limit:
                break
        return number

    def count_in(self, ids: dict[int, str], cursor: Cursor | None, limit: int, *, descending: bool) -> int:
        """Return the same of rows by number; most are not asked about where the index finds what is wanted."""
        if not self.is_exact:
            return self.count_of(ids.values(), cursor, limit, descending=descending)
        moment = moment_of(cursor) if cursor else None
        edge = [key_id for number, key_id in ids.items() if moment and number // PLACES == int(moment.timestamp())]
        return len(ids) - len(edge) + self.count_of(edge, cursor, limit, descending=descending)

    def wanted_of(self, ids: Iterable[str]) -> "Iterator[Listed[ApiKeyRecord]]":
        """Yield those of these rows, which are in the scope, that are wanted: as many as one statement names."""
        rows = with_column(with_compared(ApiKeyRecord.objects.all()), self.column).filter(self.wanted)
        every = iter(ids)
        while some := list(islice(every, AT_ONCE)):
            yield Listed(rows.filter(pk__in=some), self.column)

    def seconds(self, cursor: Cursor | None, size: int, *, descending: bool) -> Iterator[dict[int, str]]:
        """Yield the ids that the index finds from the cursor on, by number: whole seconds of them, and ever more."""
        numbered = partial(self.numbered, descending=descending)
        for found in whole_seconds(numbered, cursor, size, descending=descending):
            yield dict(found)

    def numbered(self, low: int, high: int, limit: int, *, descending: bool) -> list[tuple[int, str]]:
        """Return number and id of the first rows of the scope between two numbers that the index finds."""
        columns = self.scope.columns()
        conditions = "".join(f" AND {name} = %s" for name in columns)
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT number, key_id FROM {KEYTEXT} CROSS JOIN {KEYNUMBER} ON number = {KEYTEXT}.rowid"  # nosec B608  # names of the index and of a scope's columns
                f" WHERE {KEYTEXT} MATCH %s AND {KEYTEXT}.rowid >= %s AND {KEYTEXT}.rowid < %s{conditions}"
                f" ORDER BY {KEYTEXT}.rowid {'DESC' if descending else 'ASC'} LIMIT %s",
                [self.match, low, high, *columns.values(), limit],
            )
            return list(cursor.fetchall())


def whole_seconds(
    numbered: Callable[[int, int, int], list[tuple[int, Found]]], cursor: Cursor | None, size: int, *, descending: bool
) -> Iterator[list[tuple[int, Found]]]:
    """Yield what has a number, from the cursor on, all of a second at a time and ever more seconds.

    `numbered` returns the first of those between two numbers, up to a limit, each with its number.
    """
    low, high = number_range(cursor, descending=descending)
    while True:
        found = numbered(low, high, size)
        if len(found) < size:
            yield found
            return
        last = found[-1][0]
        begin = last // PLACES * PLACES
        rest = (begin, last) if descending else (last + 1, begin + PLACES)
        yield found + (numbered(*rest, PLACES) if rest[0] < rest[1] else [])
        low, high = (low, begin) if descending else (begin + PLACES, high)
        size = min(size * 4, AT_ONCE)


def number_range(cursor: Cursor | None, *, descending: bool) -> tuple[int, int]:
    """Return the first number of what may be beyond the cursor, and the first after it."""
    moment = moment_of(cursor) if cursor else None
    if moment is None:
        return 0, END_OF_NUMBERS
    second = int(moment.timestamp())
    return (0, (second + 1) * PLACES) if descending else (second * PLACES, END_OF_NUMBERS)


def is_common(found: int, limit: int) -> bool:
    """Tell whether what the next NEAR rows have promises as many as are wanted among FAR."""
    return found * FAR > limit * NEAR


def narrowed(
    query: ApiKeyQuery, rows: "models.QuerySet[ApiKeyRecord]", scope: Scope, now: datetime
) -> "Listed[ApiKeyRecord] | Narrowed":
    """Return the rows of a list that the query's search, conditions and filters leave, in its order."""
    column = COLUMNS[query.sort]
    if not (query.search or query.conditions or query.filters.given() or query.kind):
        return Listed(with_column(rows, column), column)
    rows = with_column(with_compared(rows), column)
    texts, texts_apart = (_is_found(query, suffix) for suffix in ("", "_apart"))
    if query.kind:
        of_services = models.Q(iam_id__startswith=SERVICE_ID_PREFIX)
        kind = of_services if query.kind == "serviceid" else ~of_services
        texts, texts_apart = texts & kind, texts_apart & kind
    in_order = texts_apart & is_met(query.filters, now, apart=True)
    wanted = texts & is_met(query.filters, now, apart=False)
    is_rare = any(condition.match is Match.EQUALS for condition in query.conditions)
    match = match_of(query)
    if is_rare or not match or connection.vendor != "sqlite" or not is_whole(connection):
        rows_apart = _of_service_ids(scope, column) if query.kind == "serviceid" and not scope.iam_id else None
        return Narrowed(
            rows, column, in_order, wanted, is_rare, bool(match), rows_apart, ends(query.filters, column, now)
        )
    asks_for_more = query.conditions or query.filters.given() or query.kind
    is_exact = not asks_for_more and len(hint_end(query.search)) <= HINT_LENGTH
    return InText(rows, column, in_order, in_order, scope=scope, match=match, is_exact=is_exact)


def _of_service_ids(scope: Scope, column: str) -> "models.QuerySet[ApiKeyRecord]":
    """Return the keys of all service IDs of an account, to be looked up in the indexes of owners."""
    owners = ServiceIdRecord.objects.filter(account_id=scope.account_id).values("iam_id")
    rows = ApiKeyRecord.objects.alias(account_apart=Apart("account_id"))
    rows = with_column(with_compared(rows), column)
    return rows.filter(iam_id__in=owners, account_apart=scope.account_id)


def _is_found(query: ApiKeyQuery, suffix: str) -> models.Q:
    """Return the filter for rows that the query's texts are found in; "_apart" leaves their indexes alone."""
    found = models.Q()
    if query.search:
        text, end = fold(query.search), hint_end(query.search)
        found = reduce(or_, (models.Q(**{f"{name}_folded{suffix}__contains": text}) for name in ATTRIBUTES))
        if end:
            found |= models.Q(hint_end=_small(end[-HINT_LENGTH:]), hint__iendswith=end)
    return reduce(and_, (filter_of(condition, suffix) for condition in query.conditions), found)


def match_of(query: ApiKeyQuery) -> str:
    """Return what the index of trigrams is asked for, "" where nothing in the query has as many letters."""
    groups = []
    if len(text := fold(query.search)) >= TRIGRAM:
        group = f"{{name description}} : {_quoted(text)}"
        if end := hint_end(query.search):
            group = f"({group}) OR (hint : {_quoted(_small(end[-HINT_LENGTH:]))})"
        groups.append(f"({group})")
    groups += [
        f"({condition.attribute} : {_quoted(text)})"
        for condition in query.conditions
        if condition.attribute in ATTRIBUTES and len(text := fold(condition.text)) >= TRIGRAM
    ]
    return " AND ".join(groups)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _small(text: str) -> str:
    """Return a text with its capital ASCII letters as small ones, as `HintEnd` has them."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)
