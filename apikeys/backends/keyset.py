"""Keyset paging: pages of a sorted list in which rows made or deleted meanwhile shift no row twice."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from django.db import models

from apikeys.domain import Cursor

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True, slots=True)
class KeysetPage(Generic[Row]):
    """Rows in the order asked for; a cursor is None where there is nothing more that way."""

    rows: list[Row]
    next: Cursor | None = None
    previous: Cursor | None = None


def page_of(
    records: "models.QuerySet[Row]", column: str, *, descending: bool, size: int, cursor: Cursor | None
) -> KeysetPage[Row]:
    """Return `size` rows at most, sorted by a column and then by id, from the cursor on."""
    backward = cursor is not None and cursor.backward
    descending_here = descending != backward
    if cursor is not None:
        records = records.filter(beyond(records.model, column, cursor, descending_here))
    sign = "-" if descending_here else ""
    found = list(records.order_by(f"{sign}{column}", f"{sign}id")[: size + 1])
    more = len(found) > size
    rows = found[:size]
    if backward:
        rows.reverse()
    if not rows:
        return KeysetPage([])
    has_previous = more if backward else cursor is not None
    has_next = True if backward else more
    return KeysetPage(
        rows,
        next=cursor_at(rows[-1], column) if has_next else None,
        previous=cursor_at(rows[0], column, backward=True) if has_previous else None,
    )


def beyond(model: type[models.Model], column: str, cursor: Cursor, descending: bool) -> models.Q:
    """Return the rows after the cursor's row, in the direction of travel."""
    position: str | datetime = cursor.position
    if isinstance(model._meta.get_field(column), models.DateTimeField):
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
    position = getattr(record, column)
    return Cursor(position.isoformat() if isinstance(position, datetime) else position, str(record.pk), backward)
