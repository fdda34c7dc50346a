"""The end of all keys of a person, or of everybody, at once: for the day on which something leaked.

Nothing is lost: an administrator enables again what is needed, and the owners can't, also where they had disabled a key
themselves. Whoever is no administrator ends their own, and can enable them.
"""

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from apikeys import audit
from apikeys.backends import revoking as rows
from apikeys.backends import value_store_for
from apikeys.backends.service_ids import managed_by
from apikeys.domain import NAME_MAX_LENGTH, SERVICE_ID_PREFIX, Caller, Hold, Owner
from apikeys.exceptions import ApiKeyNotFound, NotAuthorized
from apikeys.identity import users
from apikeys.storage.reserve import revocation


def find_owner(caller: Caller, iam_id: str) -> Owner:
    """Return an owner of the account, for who is no administrator the caller.

    Raises NotAuthorized, ApiKeyNotFound, NotOffered.
    """
    if iam_id == caller.identity.iam_id:
        return users.owners({iam_id})[iam_id]
    _check(caller, None)
    found = [owner for owner in users.find_owners(iam_id, caller.identity.account_id) if owner.iam_id == iam_id]
    if not found:
        raise ApiKeyNotFound
    return found[0]


def count(caller: Caller, owner: Owner | None) -> int:
    """Return how many keys `revoke_all` would disable. Raises NotAuthorized, NotOffered."""
    _check(caller, owner)
    return rows.open_to(_hold(caller), caller.identity.account_id, _owners(owner)).count()


def revoke_all(caller: Caller, owner: Owner | None) -> int:
    """Disable all keys of an owner and of the service IDs that a person manages, of everybody where that is None.

    Returns how many were disabled. They are refused as they are done, a thousand at a time, each with an audit event;
    whoever is interrupted does it again. Keys that were deleted come back disabled, should somebody restore them.
    Raises NotAuthorized, NotOffered.
    """
    try:
        _check(caller, owner)
    except NotAuthorized as exc:
        exc.is_audited = True
        _record(caller, owner, reason=NotAuthorized.__name__)
        raise
    owners = _owners(owner)
    found = rows.pieces(_hold(caller), caller.identity.account_id, owners)
    done = sum(_revoke(caller, owner, piece) for piece in found)
    _revoke_deleted(caller, owner, owners)  # last: also what somebody deletes meanwhile
    return done


@revocation
def _revoke_deleted(caller: Caller, owner: Owner | None, owners: list[str] | None) -> None:
    with transaction.atomic():
        if number := rows.disable_deleted(owners, caller.identity, _hold(caller)):
            _record(caller, owner, deleted_keys=number)


@revocation
def _revoke(caller: Caller, owner: Owner | None, ids: Sequence[str]) -> int:
    with transaction.atomic():
        number = rows.disable(ids, caller.identity, _hold(caller))
        _record(caller, owner, keys=number)
    return number


def _record(caller: Caller, owner: Owner | None, *, reason: str = "", **data: Any) -> None:
    target_id, target_name = (owner.iam_id.removeprefix("iam-"), owner.words[:NAME_MAX_LENGTH]) if owner else ("", "")
    audit.record(caller, audit.REVOKE, target_id=target_id, target_name=target_name, reason=reason, **data)


def _owners(owner: Owner | None) -> list[str] | None:
    if owner is None:
        return None
    if owner.iam_id.startswith(SERVICE_ID_PREFIX):
        return [owner.iam_id]
    return [owner.iam_id, *managed_by(owner.iam_id).values_list("iam_id", flat=True)]


def _hold(caller: Caller) -> Hold:
    return Hold.ADMINISTRATOR if caller.identity.is_administrator else Hold.OWNER


def _check(caller: Caller, owner: Owner | None) -> None:
    identity = value_store_for(caller).identity
    if not (identity.is_administrator or (owner and owner.iam_id == identity.iam_id)):
        raise NotAuthorized
