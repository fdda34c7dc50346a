"""The keys that need a decision, in groups. Each group is read in the order of an index, from its beginning.

So a group of a million keys costs what one of a hundred does. Two groups depend on who owns what: to find these,
each owner of a key is looked up once, or each service ID, in the time that a search may take.
"""

from datetime import datetime
from functools import cache
from typing import Any

from django.contrib.auth import get_user_model
from django.db import models
from django.utils import timezone

from apikeys.backends.attention import LONG, SOON
from apikeys.backends.keyset import count_to
from apikeys.backends.limits import search_limit
from apikeys.backends.orders import Apart, is_met, with_compared
from apikeys.domain import FOUND, SERVICE_ID_PREFIX, Filters, Identity, ReviewKind, Status
from apikeys.models import MANAGER, ApiKeyRecord, ServiceIdRecord
from apikeys.storage.statements import Statement, table

ROWS = 25  # of each group that are shown
# What an owner sees of their own keys; of owners who are gone, and of service IDs without one, administrators do.
OF_OWNERS = (ReviewKind.LEAKED, ReviewKind.EXPIRING, ReviewKind.EXPIRED, ReviewKind.UNUSED, ReviewKind.NEVER_USED)
# What the list of keys is narrowed down by to have these; there are decoys in it, too, which nobody is to use.
FILTERS = {
    ReviewKind.LEAKED: Filters(leaked=True),
    ReviewKind.EXPIRING: Filters(expires_within_days=SOON.days),
    ReviewKind.EXPIRED: Filters(status=Status.EXPIRED),
    ReviewKind.UNUSED: Filters(unused_for_days=LONG.days, never_used=False),
    ReviewKind.NEVER_USED: Filters(never_used=True),
}
# In the order of which index each of them is read.
ORDERS = {
    ReviewKind.LEAKED: ("created_at", "id"),
    ReviewKind.EXPIRING: ("expiration", "id"),
    ReviewKind.EXPIRED: ("expiration", "id"),
    ReviewKind.UNUSED: ("last_use", "id"),
    ReviewKind.NEVER_USED: ("id",),  # all are the same in the column before it, which SQLite does not see
}
Records = tuple[int, list[Any]]


def first_of(kind: ReviewKind, identity: Identity) -> Records:
    """Return how many keys of a group there are, FOUND + 1 for more, and the first ROWS of their records.

    Those of the identity, for an administrator those of the account. Of service IDs that nobody manages they themselves
    are counted and returned. Raises SearchTooSlow.
    """
    with search_limit():
        rows = _rows_of(kind, identity, timezone.now())
        count = count_to(rows, FOUND)
        return count, list(rows[:ROWS]) if count else []


def keys_of(kind: ReviewKind, identity: Identity, most: int) -> list[ApiKeyRecord]:
    """Return the first keys of a group, `most` at most, in the order that `first_of` has. Raises SearchTooSlow."""
    with search_limit():
        rows = _rows_of(kind, identity, timezone.now())
        if kind is ReviewKind.ORPHANED:
            services = list(rows.values_list("iam_id", flat=True)[:most])
            rows = ApiKeyRecord.objects.filter(iam_id__in=services).order_by("iam_id", "created_at", "id")
        return list(rows[:most])


def _rows_of(kind: ReviewKind, identity: Identity, now: datetime) -> "models.QuerySet[Any]":
    if kind is ReviewKind.INACTIVE:
        return _of_inactive(identity.account_id)
    if kind is ReviewKind.ORPHANED:
        return orphaned().filter(account_id=identity.account_id).order_by("created_at", "id")
    whose = {"account_id": identity.account_id} if identity.is_administrator else {"iam_id": identity.iam_id}
    rows = with_compared(ApiKeyRecord.objects.filter(**whose))
    return rows.filter(_is_in(kind, now, apart=False)).order_by(*ORDERS[kind])


def members(kind: ReviewKind, now: datetime) -> "models.QuerySet[ApiKeyRecord]":
    """Return the keys of a group, whoever has them; to be narrowed down to a few by their id, which is their index."""
    rows = with_compared(ApiKeyRecord.objects.all())
    if kind is ReviewKind.INACTIVE:
        people = get_user_model()._default_manager.filter(is_active=True, iam_id=models.OuterRef("iam_id"))
        return rows.exclude(models.Exists(people)).exclude(iam_id__startswith=SERVICE_ID_PREFIX)
    if kind is ReviewKind.ORPHANED:
        return rows.filter(models.Exists(orphaned().filter(iam_id=models.OuterRef("iam_id"))))
    return rows.filter(_is_in(kind, now, apart=True))


def _is_in(kind: ReviewKind, now: datetime, *, apart: bool) -> models.Q:
    """Return what tells whether a key is in a group now, where the key alone tells; `apart` as in `is_met`."""
    met = is_met(FILTERS[kind], now, apart=apart)
    return met & ~models.Q(is_decoy=True) if FILTERS[kind].never_used is not None else met


def _of_inactive(account_id: str) -> "models.QuerySet[ApiKeyRecord]":
    """Return the keys of people who are deactivated or gone; of more owners than are counted the first ones'."""
    owners = [iam_id for [iam_id] in _inactive_owners().rows([FOUND + 1])]
    keys = ApiKeyRecord.objects.alias(account_apart=Apart("account_id"))
    return keys.filter(iam_id__in=owners, account_apart=account_id).order_by("iam_id", "created_at", "id")


@cache
def _inactive_owners() -> Statement:
    """Return the statement of the first owners of keys who are no active person, and no service ID.

    It goes from one owner to the next by an index, past all of their keys.
    """
    keys, people = table(ApiKeyRecord, "held"), table(get_user_model(), "person")
    return Statement(
        f"SELECT found.iam_id FROM (WITH RECURSIVE owner(iam_id) AS (SELECT MIN(held.iam_id) FROM {keys} UNION ALL "  # nosec B608  # names of the models, a constant
        f"SELECT (SELECT MIN(held.iam_id) FROM {keys} WHERE held.iam_id > owner.iam_id) FROM owner "
        f"WHERE owner.iam_id IS NOT NULL) SELECT owner.iam_id FROM owner WHERE owner.iam_id IS NOT NULL) found "
        f"LEFT JOIN {people} ON person.iam_id = found.iam_id "
        f"WHERE (person.id IS NULL OR NOT person.is_active) "
        f"AND SUBSTR(found.iam_id, 1, {len(SERVICE_ID_PREFIX)}) <> '{SERVICE_ID_PREFIX}' LIMIT %s"
    )


def orphaned() -> "models.QuerySet[ServiceIdRecord]":
    """Return the service IDs without an active manager, and those that were handed over and nobody has enabled."""
    people = get_user_model()._default_manager.filter(is_active=True, iam_id=models.OuterRef("manager"))
    left = models.Q(handed_over_at__isnull=False, disabled=True)
    return ServiceIdRecord.objects.alias(manager=MANAGER).filter(left | ~models.Exists(people))
