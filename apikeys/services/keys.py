"""One function for each thing a person or a program can do with keys that exist; creation.py makes them, deletion.py
ends them and brings them back, rotation.py gives them new values.

Pages and REST call the same functions, so that each change has its audit event. Limits are kept by the stores.
With an upstream store each of them also raises StoreError, which has may_have_happened where a change may have been
made, and NotAuthorized for what IAM forbids.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from apikeys import audit, domain
from apikeys.audit import counted
from apikeys.backends import backend_for, records, store_traits
from apikeys.domain import API_KEY_ID
from apikeys.exceptions import ApiKeyError, ApiKeyNotFound, NotAuthorized, StoreError
from apikeys.identity import users
from apikeys.models import ApiKeyRecord
from apikeys.services import attention, narrowing
from apikeys.services.attention import Item
from apikeys.storage.reserve import revocation
from apikeys.storage.statements import Row
from apikeys.usage import records as usage


@dataclass(frozen=True, slots=True)
class Activity:
    """What a person did, in one line."""

    action: str
    key_name: str
    address: str
    time: datetime
    outcome: str  # "success", "failure" or "unknown"


@dataclass(frozen=True, slots=True)
class Overview:
    """What a dashboard shows; `problem` is why the store told nothing, and `count` None then.

    `count` is COUNTED + 1 where there may be more.
    """

    count: int | None
    newest: tuple[domain.ApiKey, ...]
    activity: tuple[Activity, ...]
    problem: ApiKeyError | None = None
    attention: tuple[Item, ...] = ()
    use: domain.KeyUse | None = None  # of all keys of the person, where the store knows it


def overview(caller: domain.Caller) -> Overview:
    """Return the number of keys, as far as it is counted, the newest three, and the last five things that were done.

    Where the store knows values also what asks for attention, and how often all keys were used.
    """
    backend = backend_for(caller)
    activity = tuple(
        Activity(event.action, event.target_name, event.address, event.event_time, event.outcome)
        for event in audit.recent(caller.identity.iam_id, 5)
    )
    try:
        newest = backend.list_api_keys(domain.ApiKeyQuery(sort=domain.Sort.CREATED, page_size=3, counted=True))
        # A first page that is the last one is the count, too: upstream need not be asked again.
        count = len(newest.keys) if newest.next is None else newest.extent.total
        if count is None:
            count = min(backend.count_api_keys(), domain.COUNTED + 1)
    except StoreError as exc:
        return Overview(None, (), activity, exc)
    if not backend.traits.knows_values:
        return Overview(count, newest.keys, activity)
    return Overview(count, newest.keys, activity, attention=attention.items(caller), use=use_of_all(caller))


def list_api_keys(caller: domain.Caller, query: domain.ApiKeyQuery) -> domain.ApiKeyPage:
    """Return one page of what the query asks for.

    Raises NotAuthorized for the whole account, unless `lists_whole_account`, and InvalidApiKey for the keys of somebody
    that the caller does not manage.
    """
    return backend_for(caller).list_api_keys(query)


def get_api_key(caller: domain.Caller, key_id: str) -> domain.ApiKey:
    """Return one key. Raises ApiKeyNotFound."""
    with _noting_foreign(caller, key_id):
        return backend_for(caller).get_api_key(key_id)


@contextmanager
def _noting_foreign(caller: domain.Caller, key_id: str) -> Iterator[None]:
    """Note for the audit that somebody asked for a key that is there, and is not theirs to see."""
    try:
        yield
    except ApiKeyNotFound as exc:
        if API_KEY_ID.fullmatch(key_id) and store_traits().knows_values:
            reason, find = type(exc).__name__, partial(_key_that_is_there, key_id)
            counted.note(caller, audit.READ, reason=reason, subject=key_id, find=find)
        raise


def _key_that_is_there(key_id: str) -> counted.Target | None:
    found = ApiKeyRecord.objects.filter(pk=key_id).values_list("name", "iam_id").first()
    return None if found is None else counted.Target(key_id, *found)


def get_api_key_of_record(caller: domain.Caller, record: Row | None) -> domain.ApiKey:
    """Return the key of the record that a value has, whatever its state, to a caller who may see it.

    This is no use of the key. Raises ApiKeyNotFound, also where there is no record.
    """
    identity = caller.identity
    if record and (record.iam_id, record.account_id) == (identity.iam_id, identity.account_id):
        return records.to_domain(record)  # everybody sees their own keys: the store need not be asked again
    return get_api_key(caller, record.id if record else "")


def get_details(caller: domain.Caller, key_id: str) -> tuple[domain.ApiKey, list[domain.HistoryEntry]]:
    """Return one key, its last use included, and its changes, oldest first. Raises ApiKeyNotFound."""
    with _noting_foreign(caller, key_id):
        return backend_for(caller).get_details(key_id)


def lists_whole_account(caller: domain.Caller) -> bool:
    """Tell whether the caller may list everybody's keys of the account."""
    return backend_for(caller).lists_whole_account


def get_api_key_to_edit(caller: domain.Caller, key_id: str) -> domain.ApiKey:
    """Return one key that the caller may edit. Raises NotAuthorized for another person's, ApiKeyNotFound."""
    key = get_api_key(caller, key_id)
    if not key.is_editable_by(caller.identity):
        raise NotAuthorized
    return key


def owners_of(keys: Iterable[domain.ApiKey], *others: str) -> dict[str, domain.Owner]:
    """Return who owns and who created these keys, which the caller has seen, by IAM ID; no query for each key.

    Also who has one of the `others`, IAM IDs that were seen with the keys.
    """
    return users.owners({*others, *(iam_id for key in keys for iam_id in (key.iam_id, key.created_by))})


def find_owners(caller: domain.Caller, text: str, *, whole: bool = False) -> list[domain.Owner]:
    """Return the owners of the account whom a text means, by name, user ID, e-mail address or IAM ID; 20 at most.

    A part of a name will do, unless it is to be the `whole` one. Raises NotAuthorized for who may not list everybody's
    keys.
    """
    if not lists_whole_account(caller):
        raise NotAuthorized
    return users.find_owners(text, caller.identity.account_id, whole=whole)


def count_api_keys(caller: domain.Caller, iam_ids: Sequence[str]) -> dict[str, int]:
    """Return the number of keys of each identity, which must be the caller's own or its service IDs.

    Raises InvalidApiKey.
    """
    backend = backend_for(caller)
    return {iam_id: backend.count_api_keys(iam_id) for iam_id in iam_ids}


def update_api_key(
    caller: domain.Caller, key_id: str, changes: domain.ApiKeyChanges, *, entity_tag: str
) -> domain.ApiKey:
    """Change a key and return its record; `entity_tag` may be a whole If-Match.

    Raises ApiKeyConflict, ApiKeyLocked, NotAuthorized, WiderThanItsMaker, ApiKeyNotFound.
    """
    store = backend_for(caller)
    with audit.change(caller, audit.UPDATE, key_id) as step:
        before = store.get_api_key(key_id)
        if not before.is_editable_by(caller.identity):
            raise NotAuthorized
        if store_traits().knows_values:
            narrowing.check_changes(caller, before, changes)
        key = store.update_api_key(key_id, changes, entity_tag=entity_tag)
        step.record(key, instance_name=key.name, prev_instance_name=before.name, **narrowing.told(before, key))
    return key


def lock_api_key(caller: domain.Caller, key_id: str, *, locked: bool) -> domain.ApiKey:
    """Lock a key against change and deletion, or unlock it. Raises ApiKeyHeld, ApiKeyNotFound."""
    store = backend_for(caller)
    with audit.change(caller, audit.UPDATE, key_id) as step:
        key = store.set_locked(key_id, locked)
        step.record(key, lock=locked)
    return key


def disable_api_key(caller: domain.Caller, key_id: str, *, disabled: bool) -> domain.ApiKey:
    """Stop a key from being used, at once, or let it be used again.

    Raises ApiKeyLocked, ApiKeyHeld, ApiKeyNotFound.
    """
    return (revocation(_set_disabled) if disabled else _set_disabled)(caller, key_id, disabled)


def _set_disabled(caller: domain.Caller, key_id: str, disabled: bool) -> domain.ApiKey:
    store = backend_for(caller)
    with audit.change(caller, audit.UPDATE, key_id, revokes=disabled) as step:
        key = store.set_disabled(key_id, disabled)
        if not disabled:
            narrowing.check_key(caller, key)
        step.record(key, disable=disabled)
    return key


def use_of(key: domain.ApiKey) -> domain.KeyUse:
    """Return where a key that the caller has seen is used, and how often on each of the last days."""
    return usage.use_of(key.id)


def use_of_all(caller: domain.Caller) -> domain.KeyUse:
    """Return how often all keys of the caller were used on each of the last days; their places nobody adds up."""
    return usage.use_of(caller.identity.iam_id)


def histories_of(seen: Iterable[domain.ApiKey | domain.ServiceId]) -> dict[str, list[domain.HistoryEntry]]:
    """Return the changes of what the caller has seen of this database, by id, oldest first; one query for all."""
    return records.histories_of([thing.id for thing in seen])


def get_history(caller: domain.Caller, key_id: str) -> list[domain.HistoryEntry]:
    """Return the changes of a key, oldest first. Raises ApiKeyNotFound."""
    return backend_for(caller).get_history(key_id)
