"""Who disabled or locked a key, as whom that counts, and whether somebody may undo it."""

from apikeys import domain, exceptions
from apikeys.backends.service_ids import managed_by
from apikeys.models import ApiKeyRecord


def hold_of(iam_id: str, identity: domain.Identity) -> domain.Hold:
    """Return as whom somebody acts on a key of the owner with this IAM ID.

    That is the owner, also for the manager of a service ID; an administrator; or anybody who shows a value that they
    found, which is a leak.
    """
    if iam_id == identity.iam_id:
        return domain.Hold.OWNER
    if iam_id.startswith(domain.SERVICE_ID_PREFIX) and managed_by(identity.iam_id).filter(iam_id=iam_id).exists():
        return domain.Hold.OWNER
    return domain.Hold.ADMINISTRATOR if identity.is_administrator else domain.Hold.LEAK


def disable(record: ApiKeyRecord, identity: domain.Identity, hold: domain.Hold) -> bool:
    """Disable a record, which is not saved; tell whether that changed it.

    One that its owner disabled is changed by anybody whose act the owner can't undo.
    """
    if record.disabled and not _is_firmer(hold, record.disabled_hold):
        return False
    record.disabled, record.disabled_by, record.disabled_hold = True, identity.iam_id, hold
    return True


def lock(record: ApiKeyRecord, identity: domain.Identity, hold: domain.Hold) -> bool:
    """Lock a record, which is not saved, as `disable` disables it."""
    if record.locked and not _is_firmer(hold, record.locked_hold):
        return False
    record.locked, record.locked_by, record.locked_hold = True, identity.iam_id, hold
    return True


def enable(record: ApiKeyRecord, identity: domain.Identity) -> bool:
    """Enable a record, which is not saved; tell whether that changed it. Raises ApiKeyHeld."""
    if not record.disabled:
        return False
    if not domain.may_undo(record.disabled_hold or "", identity):
        raise exceptions.ApiKeyHeld(record.disabled_hold or "")
    record.disabled, record.disabled_by, record.disabled_hold = False, "", ""
    return True


def unlock(record: ApiKeyRecord, identity: domain.Identity) -> bool:
    """Unlock a record, which is not saved; tell whether that changed it. Raises ApiKeyHeld."""
    if not record.locked:
        return False
    _check_may_unlock(record, identity)
    record.locked, record.locked_by, record.locked_hold = False, "", ""
    return True


def check_unlocked(record: ApiKeyRecord, identity: domain.Identity) -> None:
    """Raise ApiKeyLocked for a record that is locked, ApiKeyHeld where the identity can't unlock it."""
    if record.locked:
        _check_may_unlock(record, identity)
        raise exceptions.ApiKeyLocked


def _check_may_unlock(record: ApiKeyRecord, identity: domain.Identity) -> None:
    if not domain.may_undo(record.locked_hold or "", identity):
        raise exceptions.ApiKeyHeld(record.locked_hold or "", is_locked=True)


def _is_firmer(hold: str, held: str | None) -> bool:
    return hold in domain.CONTAINED and held not in domain.CONTAINED
