"""Keyset paging: pages of a sorted list in which rows created or deleted meanwhile show no row twice."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from django.db import models

from apikeys.domain import COUNTED, END, Cursor, Extent


class Identified(Protocol):
    """A row, as a model's instance or as a tuple that has columns as attributes."""

    id: Any


Row = TypeVar("Row", bound=Identified)
Record = TypeVar("Record", bound=models.Model)


class Source(Protocol[Row]):
    """Rows in the order of a column, or of what they are annotated with, and then of their id.

    `counted` is how many of them are counted at most: those that have to be looked for are less than others.
    """

    counted: ClassVar[int]

    def place_of(self, row: Row) -> str | datetime:
        """Return what a row is sorted by before its id."""

    def read(self, cursor: Cursor | None, limit: int, *, descending: bool) -> list[Row]:
        """Return the first rows beyond the cursor, in this direction."""

    def count(self, cursor: Cursor | None, limit: int, *, descending: bool) -> int:
        """Return how many rows are beyond the cursor, in this direction, and `limit + 1` where there are more."""


@dataclass(frozen=True, slots=True)
class Listed(Generic[Record]):
    """Rows that the database reads in the order of an index."""

    rows: "models.QuerySet[Record]"
    column: str
    counted: ClassVar[int] = COUNTED

    def place_of(self, row: Record) -> Any:
        return getattr(row, self.column)

    def read(self, cursor: Cursor | None, limit: int, *, descending: bool, end: Cursor | None = None) -> list[Record]:
        found: list[Record] = []
        for part in self.parts(cursor, end, descending=descending):
            found += part[: limit - len(found)]
            if len(found) == limit:
                break
        return found

    def count(self, cursor: Cursor | None, limit: int, *, descending: bool, end: Cursor | None = None) -> int:
        number = 0
        for part in self.parts(cursor, end, descending=descending):
            number += count_to(part, limit - number)
            if number > limit:
                break
        return number

    def place(self, cursor: Cursor | None, number: int, *, descending: bool) -> Cursor | None:
        """Return the cursor at the row that has so many rows between the given one and itself, None for no such row."""
        parts = self.parts(cursor, descending=descending)
        for part in parts:
            found = part.values_list(self.column, "id")[number : number + 1]
            for row in found:
                return cursor_of(*row)
            if part is not parts[-1]:
                number -= count_to(part, number)
        return None

    def parts(
        self, cursor: Cursor | None, end: Cursor | None = None, *, descending: bool
    ) -> "list[models.QuerySet[Record]]":
        """Return the rows beyond the cursor and before the end, in this direction: in parts, and each in its order.

        SQLite compares no rows in an index of an expression, and PostgreSQL does not stop at the last of many rows that
        are the same in a column: those that are the same are parts of their own. SQLite does not know either that these
        are in the order of the index by their id alone.
        """
        if self.is_compared(end):
            rows = self.ordered(cursor, descending=descending)
            return [rows if end is None else rows.filter(beyond(rows, self.column, end, not descending))]
        step, back = ("lt", "gt") if descending else ("gt", "lt")
        by_column, by_id = self.order(descending=descending)
        first, last = (
            None if place is None or place == END else position_of(self.rows, self.column, place)
            for place in (cursor, end)
        )
        after = {} if cursor is None else {f"id__{step}": cursor.key_id}
        before = {} if end is None else {f"id__{back}": end.key_id}
        if first is not None and first == last:
            return [self.rows.filter(**{self.column: first}, **after, **before).order_by(by_id)]
        between = {f"{self.column}__{step}": first, f"{self.column}__{back}": last}
        limits = {name: position for name, position in between.items() if position is not None}
        parts = [self.rows.filter(**limits).order_by(by_column, by_id)]
        if first is not None:
            parts.insert(0, self.rows.filter(**{self.column: first}, **after).order_by(by_id))
        if last is not None:
            parts.append(self.rows.filter(**{self.column: last}, **before).order_by(by_id))
        return parts

    def is_compared(self, end: Cursor | None) -> bool:
        """Tell whether databases find the beginning and the end by comparing rows."""
        if self.column in self.rows.query.annotations:
            return False
        return end is None or isinstance(self.rows.model._meta.get_field(self.column), models.DateTimeField)

    def order(self, *, descending: bool) -> tuple[str, str]:
        sign = "-" if descending else ""
        return f"{sign}{self.column}", f"{sign}id"

    def beyond(self, cursor: Cursor | None, *, descending: bool) -> "models.QuerySet[Record]":
        """Return all rows beyond the cursor, in this direction."""
        return self.rows if cursor is None else self.rows.filter(beyond(self.rows, self.column, cursor, descending))

    def ordered(self, cursor: Cursor | None, *, descending: bool) -> "models.QuerySet[Record]":
        """Return the same rows in their order."""
        return self.beyond(cursor, descending=descending).order_by(*self.order(descending=descending))


@dataclass(frozen=True, slots=True)
class KeysetPage(Generic[Row]):
    """Rows in the order asked for; a cursor is None where there is nothing more that way."""

    rows: list[Row]
    next: Cursor | None = None
    previous: Cursor | None = None
    extent: Extent = field(default_factory=Extent)


def page_of(source: Source[Row], *, descending: bool, size: int, cursor: Cursor | None) -> KeysetPage[Row]:
    """Return `size` rows at most from the cursor on."""
    backward = cursor is not None and cursor.backward
    found = source.read(cursor, size + 1, descending=descending != backward)
    more = len(found) > size
    rows = found[:size]
    if backward:
        rows.reverse()
    if not rows:
        return KeysetPage([])
    has_previous = more if backward else cursor is not None
    has_next = cursor != END if backward else more
    return KeysetPage(
        rows,
        next=cursor_at(source, rows[-1]) if has_next else None,
        previous=cursor_at(source, rows[0], backward=True) if has_previous else None,
    )


def counted_page_of(source: Source[Row], *, descending: bool, size: int, cursor: Cursor | None) -> KeysetPage[Row]:
    """Return the same page with its extent. No query counts more than the source's `counted` rows and one.

    The last page has the rows that somebody finds there who comes from the first, not the last `size` ones.
    """
    most = source.counted
    total = source.count(None, most, descending=descending) if cursor is not None else None
    if cursor == END and total and total <= most:
        size = total % size or size
    page = page_of(source, descending=descending, size=size, cursor=cursor)
    if total is None:  # the first page: nothing is left to be counted where it is the only one
        total = source.count(None, most, descending=descending) if page.next else len(page.rows)
    if not page.rows:
        return replace(page, extent=Extent(0 if cursor is None else None, total, most))
    before = 0
    if page.previous is not None:
        first = cursor_at(source, page.rows[0])
        before = source.count(first, most, descending=not descending)
    end = before + len(page.rows)
    return replace(
        page,
        previous=page.previous if before else None,  # the rows before were deleted since the cursor was made
        next=page.next if end < total or total > most else None,
        extent=Extent(before if before <= most else None, max(total, min(end, most + 1)), most),
    )


def count_to(records: "models.QuerySet[Any]", limit: int) -> int:
    """Return how many rows there are, and `limit + 1` where there are more.

    Rows in an order are counted in its index: PostgreSQL would rather read the table from its beginning, in the hope
    of finding so many soon.
    """
    return records.values("pk")[: limit + 1].count()


def beyond(records: "models.QuerySet[Any]", column: str, cursor: Cursor, descending: bool) -> models.Q:
    """Return the filter for rows after the cursor's row, in the direction of paging."""
    position = None if cursor == END else position_of(records, column, cursor)
    if position is None:
        return models.Q()
    step = "lt" if descending else "gt"
    if column in records.query.annotations:
        # An id tells only rows apart that are the same in the column; databases seek the index by the first condition.
        return models.Q(**{f"{column}__{step}e": position}) & (
            models.Q(**{f"{column}__{step}": position}) | models.Q(**{f"id__{step}": cursor.key_id})
        )
    field = records.model._meta.get_field(column)
    return models.Q(Beyond(column, models.Value(position, field), models.Value(cursor.key_id), descending=descending))


def position_of(records: "models.QuerySet[Any]", column: str, cursor: Cursor) -> str | datetime | None:
    """Return where the cursor stands in the column, None for one that was never handed out: it is the beginning."""
    annotation = records.query.annotations.get(column)
    field = records.model._meta.get_field(column) if annotation is None else annotation.output_field
    return moment_of(cursor) if isinstance(field, models.DateTimeField) else cursor.position


class Beyond(models.Func):
    """Whether a row, as its column and id, is after another in this direction.

    Compared as rows, which databases seek in an index, also among many rows that are the same in the column.
    """

    output_field = models.BooleanField()

    def __init__(self, column: str, position: models.Value, key_id: models.Value, *, descending: bool) -> None:
        super().__init__(column, "id", position, key_id)
        self.sign = "<" if descending else ">"

    def as_sql(self, compiler: Any, connection: Any, **_extra: Any) -> Any:  # type: ignore[override]
        compiled = [compiler.compile(expression) for expression in self.get_source_expressions()]
        column, key, position, key_id = (sql for sql, _parameters in compiled)
        parameters = [parameter for _sql, found in compiled for parameter in found]
        return f"({column}, {key}) {self.sign} ({position}, {key_id})", parameters


def moment_of(cursor: Cursor) -> datetime | None:
    """Return the moment that a cursor of a list sorted by moments stands at, None where it stands at none."""
    try:
        return datetime.fromisoformat(cursor.position).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def cursor_at(source: Source[Row], row: Row, *, backward: bool = False) -> Cursor:
    """Return the cursor of the page after a row, or `backward` of the one before it."""
    return cursor_of(source.place_of(row), row.id, backward=backward)


def cursor_of(position: str | datetime, key_id: str, *, backward: bool = False) -> Cursor:
    """Return the cursor beside the row that has this id and this in the sorted column."""
    return Cursor(position.isoformat() if isinstance(position, datetime) else position, key_id, backward)
