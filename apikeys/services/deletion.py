"""The end of a key, and the way back: delete, restore, and a pause that shows what deleting would break.

A key that was deleted is refused at once, everywhere, and can be restored for some hours by whoever deleted it; then
the sweep removes it for good. One that was found in public is never restored.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apikeys import audit, domain
from apikeys.backends import backend_for, value_store_for
from apikeys.backends import deletion as rows
from apikeys.domain import MAX_PAUSE
from apikeys.exceptions import InvalidApiKey
from apikeys.exceptions import gettext_noop as _
from apikeys.services import delivery, narrowing
from apikeys.services.unconfirmed import dismiss_for_deleted
from apikeys.storage.reserve import revocation
from apikeys.usage import records as usage

BATCH = 50  # at each sweep: a transaction that takes the write lock must be short


@revocation
def delete_api_key(caller: domain.Caller, key_id: str) -> domain.ApiKey:
    """End a key and return its last record. Raises ApiKeyLocked, ApiKeyNotFound."""
    store = backend_for(caller)
    with audit.change(caller, audit.DELETE, key_id, revokes=True) as step:
        key = store.delete_api_key(key_id)
        revocation(delivery.wipe)(key.id)
        step.record(key)
        dismiss_for_deleted(caller, key)
        _forget_if_gone(key)
    return key


def _forget_if_gone(key: domain.ApiKey) -> None:
    """Forget the uses of a key that was deleted for good at once."""
    if not settings.APIKEYS_RESTORE_HOURS:
        usage.forget([key.id])


def record_deletion(caller: domain.Caller, key: domain.ApiKey, **data: Any) -> None:
    """Wipe what is still sealed of the value of a key that was deleted, and write its event.

    For deletions that are part of a greater change, whose transaction holds all of it.
    """
    delivery.wipe(key.id)
    audit.record(caller, audit.DELETE, target=key, **data)
    _forget_if_gone(key)


def record_removal(caller: domain.Caller, key: domain.ApiKey, **data: Any) -> None:
    """Do what `record_deletion` does for a key that is gone for good, whose uses are forgotten as well."""
    record_deletion(caller, key, **data)
    usage.forget([key.id])


def delete_identity(identity: domain.Identity) -> None:
    """End all keys of somebody who was deleted for good, locked ones too, and wipe the values not received yet."""
    caller = domain.Caller(identity)
    with transaction.atomic():
        for key in backend_for(caller).delete_all_api_keys():
            record_removal(caller, key, cause="identity deleted")
        forget_owner(identity.iam_id)


def forget_owner(iam_id: str) -> None:
    """Remove what is left of the keys of an owner who is gone: those that were deleted before, and all uses."""
    usage.forget([*rows.remove_deleted_of(iam_id), iam_id])


def restore_api_key(caller: domain.Caller, key_id: str) -> domain.RestoredKey:
    """Bring back a key that the caller deleted, as it was; one that is back already is returned as it is.

    Raises ApiKeyNotFound, also for what is gone for good and what somebody else deleted; NotRestorable for a key that
    was found in public, ValueTaken for one whose value another key has, WiderThanItsMaker, ApiKeyLimitReached,
    CreationNotAllowed, RuleBroken, NotOffered.
    """
    store = value_store_for(caller)
    with audit.change(caller, audit.RESTORE, key_id) as step:
        restored = store.restore_api_key(key_id)
        narrowing.check_key(caller, restored.key)
        if restored.is_new:
            step.record(restored.key)
        else:
            step.record_nothing()
    return restored


def deleted_keys(caller: domain.Caller) -> list[domain.DeletedKey]:
    """Return the keys that the caller deleted, and the caller's own that somebody else did, the latest first.

    At most MOST_DELETED; nothing where the store does not restore keys.
    """
    return value_store_for(caller).list_deleted_api_keys()


def pause_api_key(caller: domain.Caller, key_id: str, lasts: timedelta) -> domain.ApiKey:
    """Refuse a key for some time, after which it works again by itself; a pause that is under way is replaced.

    Raises InvalidApiKey for a time beyond MAX_PAUSE, WiderThanItsMaker where another pause was to last longer,
    ApiKeyLocked, ApiKeyNotFound, NotOffered.
    """
    if not timedelta(seconds=1) <= lasts <= MAX_PAUSE:
        raise InvalidApiKey(
            "seconds", _("Choose a pause of at most %(minutes)d minutes."), minutes=MAX_PAUSE.seconds // 60
        )
    return _set_pause(caller, key_id, lasts)


def resume_api_key(caller: domain.Caller, key_id: str) -> domain.ApiKey:
    """End a pause now; where there is none nothing happens.

    Raises ApiKeyLocked, WiderThanItsMaker, ApiKeyNotFound, NotOffered.
    """
    return _set_pause(caller, key_id, None)


@revocation
def _set_pause(caller: domain.Caller, key_id: str, lasts: timedelta | None) -> domain.ApiKey:
    store = value_store_for(caller)
    with audit.change(caller, audit.UPDATE, key_id, revokes=lasts is not None) as step:
        paused_until = store.get_api_key(key_id).paused_until
        until = None if lasts is None else timezone.now() + lasts
        key = store.set_paused(key_id, until)
        if until is None or (paused_until is not None and until < paused_until):
            narrowing.check_key(caller, key)
        step.record(key, pause=0 if lasts is None else int(lasts.total_seconds()))
    return key


def purge() -> int:
    """Remove keys for good whose time to be restored is over; return how many, at most 50."""
    now = timezone.now()
    if not rows.gone(now).exists():  # most sweeps find nothing and must not take the write lock
        return 0
    with transaction.atomic():
        # Rows that another process has locked are skipped: a later sweep finds those that are left.
        found = list(rows.gone(now).select_for_update(skip_locked=True).order_by("gone_at")[:BATCH])
        usage.forget([rows.remove(record).id for record in found])
    return len(found)
