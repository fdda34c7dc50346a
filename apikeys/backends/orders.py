"""What lists of keys are sorted and filtered by; models.py has the expressions and their indexes."""

from datetime import datetime, timedelta
from functools import reduce
from operator import and_
from typing import Any

from django.db import models

from apikeys.domain import Filters, Sort, Status
from apikeys.models import DescriptionStart, Expiration, HintEnd, LastUse, PauseEnd

# By name: what rows are annotated with; each knows the `column` it is made of, and what it is `of` a row.
EXPRESSIONS: dict[str, DescriptionStart | LastUse | Expiration] = {
    "description_start": DescriptionStart(),
    "last_use": LastUse(),
    "expiration": Expiration(),
}
NEVER = LastUse().otherwise
USED = NEVER + timedelta(days=1)  # at the earliest
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


class Apart(models.Func):
    """A column in a form that no index has: what a database compares so, or sorts by, it looks up elsewhere."""

    arity = 1
    template = "COALESCE(%(expressions)s, %(expressions)s)"


APART = ("created_at", "leaked", "disabled", "locked", "name_folded", "description_folded")


def with_compared(records: "models.QuerySet[Any]") -> "models.QuerySet[Any]":
    """Return the rows with what `is_met` and searches compare; `…_apart` is for where another index is to be used."""
    compared = {"last_use": LastUse(), "expiration": Expiration(), "pause_end": PauseEnd()}
    apart = {f"{name}_apart": Apart(expression) for name, expression in compared.items()}
    apart |= {f"{name}_apart": Apart(name) for name in APART}
    found: models.QuerySet[Any] = records.alias(hint_end=HintEnd(), **compared, **apart)
    return found


def is_met(filters: Filters, now: datetime, *, apart: bool) -> models.Q:
    """Return the filter for rows that meet all that is given of the filters; `apart` leaves their indexes alone."""
    suffix = "_apart" if apart else ""
    compared: dict[str, Any] = {}
    if filters.leaked is not None:
        compared[f"leaked{suffix}"] = filters.leaked
    if (expires_before := filters.expires_before(now)) is not None:
        compared |= {f"expiration{suffix}__gt": now, f"expiration{suffix}__lte": expires_before}
        compared["expires_at__isnull"] = False
    if (used_before := filters.used_before(now)) is not None:
        compared[f"last_use{suffix}__lte"] = used_before
    if filters.never_used is not None:
        compared |= {f"last_use{suffix}": NEVER} if filters.never_used else {f"last_use{suffix}__gte": USED}
    if (created_before := filters.created_before(now)) is not None:
        compared["created_at_apart__lte"] = created_before  # few are younger: the index of uses finds the others
    if (created_from := filters.created_from()) is not None:
        compared[f"created_at{suffix}__gte"] = created_from
    met = models.Q(**compared)
    return met if filters.status is None else met & _status_is(filters.status, now, suffix)


def ends(filters: Filters, column: str, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Return the first and the last moment in this column that the filters let pass, None for one without limit."""
    if column == "expiration" and (expires_before := filters.expires_before(now)) is not None:
        return now, expires_before
    if column == "expiration" and filters.status not in (None, Status.LEAKED):
        return (None, now) if filters.status is Status.EXPIRED else (now, None)
    if column == "last_use":
        last = NEVER if filters.never_used else filters.used_before(now)
        return USED if filters.never_used is False else None, last
    return (filters.created_from(), filters.created_before(now)) if column == "created_at" else (None, None)


def _status_is(status: Status, now: datetime, suffix: str) -> models.Q:
    """Return the filter for keys of this status: of several that apply a key has the first."""
    # What a status follows from, and what it does not follow from, which is true of most keys: no index is of use.
    signs = {
        Status.LEAKED: (models.Q(**{f"leaked{suffix}": True}), models.Q(leaked_apart=False)),
        Status.EXPIRED: (models.Q(**{f"expiration{suffix}__lte": now}), models.Q(expiration_apart__gt=now)),
        Status.DISABLED: (models.Q(**{f"disabled{suffix}": True}), models.Q(disabled_apart=False)),
        Status.PAUSED: (
            models.Q(**{f"pause_end{suffix}__gt": now, "paused_until__isnull": False}),
            models.Q(pause_end_apart__lte=now),
        ),
        Status.LOCKED: (models.Q(**{f"locked{suffix}": True}), models.Q(locked_apart=False)),
        Status.ACTIVE: (models.Q(), models.Q()),
    }
    order = list(Status)
    without_earlier = reduce(and_, (signs[earlier][1] for earlier in order[: order.index(status)]), models.Q())
    return without_earlier & signs[status][0]
