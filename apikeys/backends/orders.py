"""What lists of keys are sorted and filtered by, as expressions of the database; models.py has their indexes.

The text of each expression is the same in a query and in its index, down to the constants: a database finds the index
by it.
"""

from datetime import datetime
from functools import reduce
from operator import and_
from typing import Any

from django.db import models

from apikeys.domain import SORTED_LETTERS, Filters, Sort, Status


class _OrElse(models.Func):
    """A moment, or another one where there is none."""

    output_field = models.DateTimeField()
    template = "COALESCE(%(expressions)s, '%(otherwise)s')"

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        # With its zone, or an index would depend on the one of the session that made it.
        return self.as_sql(compiler, connection, template="COALESCE(%(expressions)s, '%(otherwise)s+00')", **extra)


class LastUse(_OrElse):
    """When a key was used last; for one that never was, before all others."""

    def __init__(self) -> None:
        super().__init__("last_used_at", otherwise="0001-01-01 00:00:00")


class Expiration(_OrElse):
    """When a key expires; for one that never does, after all others."""

    def __init__(self) -> None:
        super().__init__("expires_at", otherwise="9999-12-31 00:00:00")


class DescriptionStart(models.Func):
    """The beginning of a folded description: an index of PostgreSQL takes no text of a thousand letters."""

    output_field = models.TextField()
    template = f"SUBSTR(%(expressions)s, 1, {SORTED_LETTERS})"

    def __init__(self) -> None:
        super().__init__("description_folded")


# By name: a column, or what rows are annotated with.
EXPRESSIONS: dict[str, models.Func] = {
    "description_start": DescriptionStart(),
    "last_use": LastUse(),
    "expiration": Expiration(),
}
COLUMNS = {
    Sort.NAME: "name_folded",
    Sort.DESCRIPTION: "description_start",
    Sort.CREATED: "created_at",
    Sort.CREATED_BY: "created_by",
    Sort.LAST_USED: "last_use",
    Sort.EXPIRES: "expiration",
}


def with_column(records: "models.QuerySet[Any]", column: str) -> "models.QuerySet[Any]":
    """Return the rows with what they are to be sorted by."""
    return records.annotate(**{column: EXPRESSIONS[column]}) if column in EXPRESSIONS else records


def filtered(records: "models.QuerySet[Any]", filters: Filters, now: datetime) -> "models.QuerySet[Any]":
    """Return the rows that meet all that is given of the filters."""
    if not filters.given():
        return records
    records = records.alias(last_use=LastUse(), expiration=Expiration())
    if filters.status is not None:
        records = records.filter(status_is(filters.status, now))
    if filters.leaked is not None:
        records = records.filter(leaked=filters.leaked)
    if (expires_before := filters.expires_before(now)) is not None:
        records = records.filter(expiration__gt=now, expiration__lte=expires_before, expires_at__isnull=False)
    if (used_before := filters.used_before(now)) is not None:
        records = records.filter(last_use__lte=used_before)
    if (created_from := filters.created_from()) is not None:
        records = records.filter(created_at__gte=created_from)
    return records


def status_is(status: Status, now: datetime) -> models.Q:
    """Return the filter for keys of this status: of several that apply a key has the first."""
    # What a status follows from, and what it does not follow from.
    signs = {
        Status.LEAKED: (models.Q(leaked=True), models.Q(leaked=False)),
        Status.EXPIRED: (models.Q(expiration__lte=now), models.Q(expiration__gt=now)),
        Status.DISABLED: (models.Q(disabled=True), models.Q(disabled=False)),
        Status.LOCKED: (models.Q(locked=True), models.Q(locked=False)),
        Status.ACTIVE: (models.Q(), models.Q()),
    }
    order = list(Status)
    without_earlier = reduce(and_, (signs[earlier][1] for earlier in order[: order.index(status)]), models.Q())
    return without_earlier & signs[status][0]
