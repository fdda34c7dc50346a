"""What asks for attention among the keys of one owner, counted by one statement; each part of it reads an index."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.db import connection, models
from django.utils import timezone

from apikeys.backends.orders import USED
from apikeys.backends.plain import KEYS, order_sql
from apikeys.domain import FOUND, Reason, ReviewStep
from apikeys.models import ApiKeyRecord, PreviousValue, RefusalRecord
from apikeys.models import ReviewStep as StepRecord
from apikeys.storage.statements import Statement, table

SOON = timedelta(days=14)
LONG = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many keys there are of each kind, FOUND + 1 for more.

    `expiring` SOON; `leaked`, and `leaked_previous` whose previous value did and still works; `unused` for LONG, of
    those that were used; `waiting` for an answer about the previous value; decoys that were `touched`; `warned` about
    by a rule of the review.
    """

    expiring: int
    leaked: int
    leaked_previous: int
    unused: int
    waiting: int
    touched: int
    warned: int


def counts_of(iam_id: str) -> Counts:
    """Return what asks for attention among the keys of an owner."""
    now = timezone.now()
    statement = _counts()
    moments = _stored("expires_at", now), _stored("expires_at", now + SOON)
    parameters: list[Any] = [iam_id, *moments]
    parameters += [iam_id]
    parameters += [iam_id, moments[0]]
    parameters += [iam_id, _stored("last_used_at", USED), _stored("last_used_at", now - LONG)]
    parameters += [iam_id, moments[0]]
    parameters += [iam_id, iam_id]
    [found] = statement.rows(parameters)
    return Counts(*found)


def waiting_of(iam_id: str) -> "models.QuerySet[PreviousValue]":
    """Return the previous values of an owner whose time is up and that may still be used; ask each whether it is."""
    return PreviousValue.objects.filter(iam_id=iam_id, asks_at_end=True, ends_at__lte=timezone.now())


def leaked_of(iam_id: str) -> "models.QuerySet[PreviousValue]":
    """Return the previous values of an owner that leaked, and work as far as the time tells."""
    works = models.Q(ends_at=None) | models.Q(ends_at__gt=timezone.now())
    return PreviousValue.objects.filter(works, iam_id=iam_id, leaked=True, is_ended=False).order_by("key_id")


def touched_of(iam_id: str = "", account_id: str = "") -> Any:
    """Return rows: the `key_id` of each decoy that was used, the `number` of uses that nobody noted, the `latest`."""
    decoys = ApiKeyRecord.objects.filter(
        is_decoy=True, **({"iam_id": iam_id} if iam_id else {"account_id": account_id})
    )
    unnoted = RefusalRecord.objects.filter(reason=Reason.DECOY, noted_at=None, key_id__in=decoys.values("id"))
    counted = unnoted.values("key_id").annotate(latest=models.Max("id"), number=models.Count("id"))
    return counted.order_by("-latest")


def _stored(name: str, moment: datetime) -> Any:
    return ApiKeyRecord._meta.get_field(name).get_db_prep_value(moment, connection)  # type: ignore[union-attr]


@cache
def _counts() -> Statement:
    keys, end, use = table(ApiKeyRecord, KEYS), order_sql("expiration")[0], order_sql("last_use")[0]
    previous, refused = table(PreviousValue, "previous"), table(RefusalRecord, "refused")
    steps = table(StepRecord, "step")
    own = f'"{KEYS}"."iam_id" = %s'
    parts = (
        f'{keys} WHERE {own} AND {end} > %s AND {end} <= %s AND "{KEYS}"."expires_at" IS NOT NULL',
        f'{keys} WHERE {own} AND "{KEYS}"."leaked"',
        f"{previous} WHERE previous.iam_id = %s AND previous.leaked AND NOT previous.is_ended "
        "AND (previous.ends_at IS NULL OR previous.ends_at > %s)",
        # In the order of its index, or PostgreSQL would rather read the table where it hopes for many.
        f"{keys} WHERE {own} AND {use} >= %s AND {use} <= %s ORDER BY {use}",
        # The last use decides whether one is still used: services ask about each, and there are few.
        f"{previous} WHERE previous.iam_id = %s AND previous.asks_at_end AND previous.ends_at <= %s "
        "AND previous.last_used_at IS NOT NULL",
        # Alarms are few: the owner of each is looked up, and no database begins with the keys of an owner.
        f"{refused} WHERE refused.reason = '{Reason.DECOY}' AND refused.noted_at IS NULL "  # nosec B608  # names of the models, words of the domain
        f'AND (SELECT "{KEYS}"."iam_id" FROM {keys} WHERE "{KEYS}"."id" = refused.key_id) = %s',
        f"{steps} WHERE step.iam_id = %s AND step.step = '{ReviewStep.WARN}' "  # nosec B608  # names of the models, words of the domain
        f'AND (SELECT "{KEYS}"."revision" FROM {keys} WHERE "{KEYS}"."id" = step.key_id) = step.revision',
    )
    counts = ", ".join(f"(SELECT COUNT(*) FROM (SELECT 1 FROM {part} LIMIT {FOUND + 1}) subquery)" for part in parts)  # nosec B608  # names of the models, words of the domain
    return Statement(f"SELECT {counts}")
