"""Keyset paging: pages of a sorted list in which rows created or deleted meanwhile show no row twice."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Generic, TypeVar

from django.db import models

from apikeys.domain import COUNTED, END, Cursor, Extent

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True, slots=True)
class KeysetPage(Generic[Row]):
    """Rows in the order asked for; a cursor is None where there is nothing more that way."""

    rows: list[Row]
    next: Cursor | None = None
    previous: Cursor | None = None
    extent: Extent = field(default_factory=Extent)


def page_of(
    records: "models.QuerySet[Row]", column: str, *, descending: bool, size: int, cursor: Cursor | None
) -> KeysetPage[Row]:
    """Return `size` rows at most, sorted by a column, or what they are annotated with, and then by id.

    They begin at the cursor.
    """
    backward = cursor is not None and cursor.backward
    descending_here = descending != backward
    if cursor is not None:
        records = records.filter(beyond(records, column, cursor, descending_here))
    sign = "-" if descending_here else ""
    found = list(records.order_by(f"{sign}{column}", f"{sign}id")[: size + 1])
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
        next=cursor_at(rows[-1], column) if has_next else None,
        previous=cursor_at(rows[0], column, backward=True) if has_previous else None,
    )


def counted_page_of(
    records: "models.QuerySet[Row]", column: str, *, descending: bool, size: int, cursor: Cursor | None
) -> KeysetPage[Row]:
    """Return the same page with its extent. No query counts more than COUNTED rows and one.

    The last page has the rows that somebody finds there who comes from the first, not the last `size` ones.
    """
    total = count_to(records, COUNTED) if cursor is not None else None
    if cursor == END and total and total <= COUNTED:
        size = total % size or size
    page = page_of(records, column, descending=descending, size=size, cursor=cursor)
    if total is None:  # the first page: nothing is left to be counted where it is the only one
        total = count_to(records, COUNTED) if page.next else len(page.rows)
    if not page.rows:
        return replace(page, extent=Extent(0 if cursor is None else None, total))
    before = 0
    if page.previous is not None:
        rows_before = beyond(records, column, cursor_at(page.rows[0], column), not descending)
        before = count_to(records.filter(rows_before), COUNTED)
    end = before + len(page.rows)
    return replace(
        page,
        previous=page.previous if before else None,  # the rows before were deleted since the cursor was made
        next=page.next if end < total or total > COUNTED else None,
        extent=Extent(before if before <= COUNTED else None, max(total, min(end, COUNTED + 1))),
    )


def count_to(records: "models.QuerySet[Row]", limit: int) -> int:
    """Return how many rows there are, and `limit + 1` where there are more."""
    return records.order_by()[: limit + 1].count()


def beyond(records: "models.QuerySet[Row]", column: str, cursor: Cursor, descending: bool) -> models.Q:
    """Return the filter for rows after the cursor's row, in the direction of paging."""
    if cursor == END:
        return models.Q()
    position: str | datetime = cursor.position
    annotation = records.query.annotations.get(column)
    field = records.model._meta.get_field(column) if annotation is None else annotation.output_field
    if isinstance(field, models.DateTimeField):
        try:
            position = datetime.fromisoformat(cursor.position).astimezone(UTC)
        except (ValueError, OverflowError):
            return models.Q()  # a cursor that was never handed out: the list from its beginning
    step = "lt" if descending else "gt"
    # The first condition is implied by the rest; databases seek the index by it.
    return models.Q(**{f"{column}__{step}e": position}) & (
        models.Q(**{f"{column}__{step}": position}) | models.Q(**{f"id__{step}": cursor.key_id})
    )


def cursor_at(record: models.Model, column: str, *, backward: bool = False) -> Cursor:
    """Return the cursor of the page after a record's row, or `backward` of the one before it."""
    position = getattr(record, column)
    return Cursor(position.isoformat() if isinstance(position, datetime) else position, str(record.pk), backward)
