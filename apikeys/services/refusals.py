"""Why a key was refused: told to its owner, to whoever manages it and to administrators, and to nobody else.

Strangers get one public answer with a request id; here is what it stands for.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from apikeys import audit, exceptions
from apikeys.backends import value_store_for
from apikeys.backends.records import to_domain
from apikeys.domain import ApiKey, Caller, Cause, DeletedKey, HistoryEntry, Reason, Refusal
from apikeys.identity import users
from apikeys.models import ApiKeyRecord, DeletedKeyRecord
from apikeys.usage import counting, records

REQUEST_ID = re.compile(r"[0-9a-f]{32}")
# What a history calls the change that began a state.
BEGAN = {Reason.DISABLED: ("disable", "leak"), Reason.PAUSED: ("pause",), Reason.DELETED: ("delete",)}


@dataclass(frozen=True, slots=True)
class Why:
    """What refuses a key now, None where nothing does, and its latest refusals, the latest first."""

    key: ApiKey
    cause: Cause | None
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """A refusal and the key that was refused; `is_deleted` where the key has been deleted."""

    refusal: Refusal
    key: ApiKey
    is_deleted: bool = False


def why_for_program(caller: Caller, key_id: str) -> Why:
    """Return what `why` does, of a decoy what would be so of any other key that nobody uses. Raises as it does.

    A program that holds the token of its owner must not be able to tell a decoy.
    """
    store = value_store_for(caller)
    try:
        key, history = store.get_details(key_id)
    except exceptions.ApiKeyNotFound:
        found = _why_deleted(store.get_deleted_api_key(key_id))
    else:
        found = why_of(replace(key, is_decoy=False), history)
        found = replace(found, key=key)
    return replace(found, refusals=()) if found.key.is_decoy else found


def why(caller: Caller, key_id: str) -> Why:
    """Return why a key is refused now, and was lately, also one that was deleted. Raises ApiKeyNotFound, NotOffered."""
    store = value_store_for(caller)
    try:
        key, history = store.get_details(key_id)
    except exceptions.ApiKeyNotFound:
        return _why_deleted(store.get_deleted_api_key(key_id))
    return why_of(key, history)


def why_of(key: ApiKey, history: Sequence[HistoryEntry]) -> Why:
    """Return why a key that the caller has seen, with its changes, is refused now, and was lately."""
    return Why(key, cause_of(key, history), tuple(records.refusals_of(key.id)))


def _why_deleted(deleted: DeletedKey) -> Why:
    cause = Cause(Reason.DELETED, deleted.deleted_at, deleted.deleted_by)
    return Why(deleted.key, cause, tuple(records.refusals_of(deleted.key.id)))


def cause_of(key: ApiKey, history: Sequence[HistoryEntry]) -> Cause | None:
    """Return why a key that the caller has seen is refused now, None where it is not."""
    reason = key.refusal or (None if users.is_active(key.iam_id) else Reason.OWNER_INACTIVE)
    if reason is None:
        return None
    if reason is Reason.EXPIRED:
        return Cause(reason, key.expires_at)
    began = [entry for entry in history if entry.action in BEGAN.get(reason, ())]
    until = key.paused_until if reason is Reason.PAUSED else None
    return Cause(reason, began[-1].timestamp, began[-1].iam_id, until) if began else Cause(reason, until=until)


def by_request(caller: Caller, request_id: str) -> list[Explained]:
    """Return what was refused in the request of this id, as far as the caller may see the keys.

    Refusals are there within a minute, for thirty days. Raises RefusalNotFound, NotOffered.
    """
    store = value_store_for(caller)
    found: list[Explained] = []
    known = REQUEST_ID.fullmatch(request_id)  # databases refuse some characters
    for refusal in records.refusals_by_request(request_id) if known else ():
        try:
            found.append(Explained(refusal, store.get_api_key(refusal.key_id)))
        except exceptions.ApiKeyNotFound:
            try:
                deleted: DeletedKey = store.get_deleted_api_key(refusal.key_id)
            except exceptions.ApiKeyNotFound:
                continue
            found.append(Explained(refusal, deleted.key, is_deleted=True))
    if not found:
        raise exceptions.RefusalNotFound
    return found


def refusals_since(key_id: str, since: datetime) -> list[Refusal]:
    """Return the refusals, since a moment, of a key that the caller has seen: at most MOST_REFUSALS, latest first."""
    return records.refusals_of(key_id, since=since)


def write_uses(*, everything: bool = False) -> None:
    """Write what was counted of keys, and raise the alarm for each decoy among them. Raises Error."""
    counting.flush(_alarm, everything=everything)


def write_uses_at_end() -> None:
    """Write everything before this process ends; what can't be written is lost, and logged."""
    counting.flush_at_end(_alarm)


def _alarm(refusals: Sequence[Refusal]) -> None:
    """Write the audit events of these uses of decoys."""
    ids = {refusal.key_id for refusal in refusals}
    decoys = DeletedKeyRecord.objects.in_bulk(ids) | ApiKeyRecord.objects.in_bulk(ids)
    # One event for each place, or whoever has the value could fill the disk.
    places = Counter((refusal.key_id, refusal.address, refusal.agent) for refusal in refusals)
    first = {(refusal.key_id, refusal.address, refusal.agent): refusal for refusal in reversed(refusals)}
    for place, uses in places.items():
        refusal = first[place]
        if record := decoys.get(refusal.key_id):
            caller = Caller(audit.NOBODY, refusal.address, refusal.agent, refusal.request_id)
            audit.record(caller, audit.DECOY, target=to_domain(record), reason="DecoyUsed", uses=uses)
