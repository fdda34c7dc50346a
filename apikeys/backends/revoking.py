"""All keys of some owners, or of an account, are disabled: set by set, and not key by key."""

import secrets
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from django.db import models
from django.db.models import F, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone

from apikeys import domain
from apikeys.models import ApiKeyRecord, DeletedKeyRecord, HistoryRecord, KeyRecord

PIECE = 1000  # keys of one transaction, which holds all who write up


def open_to(
    hold: domain.Hold, account_id: str, owners: Collection[str] | None, keys: type[KeyRecord] = ApiKeyRecord
) -> "models.QuerySet[Any]":
    """Return the keys of these owners in an account, of all where that is None, that are to be disabled with a hold.

    Those are the ones that work, and with an administrator's those that their owners disabled, and could enable; with
    another table than that of the keys, those that were deleted and would come back so.
    """
    rows: models.QuerySet[Any] = keys._default_manager.filter(account_id=account_id)
    if owners is not None:
        rows = rows.filter(iam_id__in=owners)
    if hold not in domain.CONTAINED:
        return rows.filter(disabled=False)
    return rows.exclude(disabled=True, disabled_hold__in=domain.CONTAINED)


def pieces(hold: domain.Hold, account_id: str, owners: Collection[str] | None) -> Iterator[Sequence[str]]:
    """Yield the ids of these keys, PIECE at a time; those of a whole account are not all held in memory."""
    rows = open_to(hold, account_id, owners).order_by("id").values_list("id", flat=True)
    if owners is not None:
        found = list(rows.order_by())
        yield from (found[start : start + PIECE] for start in range(0, len(found), PIECE))
        return
    last = ""
    while piece := list(rows.filter(id__gt=last)[:PIECE]):
        yield piece
        last = piece[-1]


def disable(ids: Collection[str], identity: domain.Identity, hold: domain.Hold) -> int:
    """Disable those of these keys that are `open_to` a hold, locked or not; return how many.

    Each is a revision with an entry of its history. Needs a transaction.
    """
    rows = open_to(hold, identity.account_id, None).filter(id__in=ids)
    held = list(rows.order_by("id").select_for_update().values_list("id", flat=True))
    now, revision = timezone.now(), F("revision") + 1
    ApiKeyRecord.objects.filter(id__in=held).update(
        disabled=True,
        disabled_by=identity.iam_id,
        disabled_hold=hold,
        revision=revision,
        entity_tag=Concat(Cast(revision, models.CharField()), Value(f"-{secrets.token_hex(16)}")),
        modified_at=now,
    )
    HistoryRecord.objects.bulk_create(
        HistoryRecord(
            object_id=key_id,
            timestamp=now,
            iam_id=identity.iam_id,
            account_id=identity.account_id,
            action="disable",
            message="API key: disable",
        )
        for key_id in held
    )
    return len(held)


def disable_deleted(owners: Collection[str] | None, identity: domain.Identity, hold: domain.Hold) -> int:
    """Have what was deleted of these owners come back disabled, should somebody restore it; return how many are."""
    rows = open_to(hold, identity.account_id, owners, DeletedKeyRecord)
    return int(rows.update(disabled=True, disabled_by=identity.iam_id, disabled_hold=hold))
