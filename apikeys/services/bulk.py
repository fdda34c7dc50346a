"""One action on many keys: each key with its own checks and its own audit event, and a report of what failed.

A page does it in pieces. What is left of a run that somebody leaves waits until they come back to it.
"""

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from time import monotonic

from django.db.models import Q, QuerySet
from django.utils import timezone

from apikeys import domain, exceptions
from apikeys.backends import value_store_for
from apikeys.domain import MOST_AT_ONCE, BulkAction, BulkFailure, BulkRun, Caller
from apikeys.exceptions import gettext_noop as _
from apikeys.models import BulkRun as Record
from apikeys.services import deletion, keys
from apikeys.storage.reserve import revocation

LEASE = timedelta(seconds=30)  # longer than one key can take
KEPT = timedelta(days=7)
MOST_RECENT = 20
PAGE = 100
MOST_FORGOTTEN = 100  # at each sweep: a transaction that takes the write lock must be short
CHOOSE = _("Choose the API keys first.")
TOO_MANY = _("Choose at most %(most)d API keys.")

ACTS: dict[BulkAction, Callable[[Caller, str], object]] = {
    BulkAction.DISABLE: lambda caller, key_id: keys.disable_api_key(caller, key_id, disabled=True),
    BulkAction.ENABLE: lambda caller, key_id: keys.disable_api_key(caller, key_id, disabled=False),
    BulkAction.LOCK: lambda caller, key_id: keys.lock_api_key(caller, key_id, locked=True),
    BulkAction.UNLOCK: lambda caller, key_id: keys.lock_api_key(caller, key_id, locked=False),
    BulkAction.DELETE: deletion.delete_api_key,
}
REVOKING = (BulkAction.DISABLE, BulkAction.DELETE)


def act_on_all(caller: Caller, action: BulkAction, key_ids: Collection[str]) -> list[BulkFailure]:
    """Do something to each of these keys, and return what could not be done, in this order.

    Raises NotOffered, StoreError.
    """
    names = {key.id: key.name for key in value_store_for(caller).find_api_keys(key_ids)}
    tried = (_act(caller, action, key_id, names.get(key_id, "")) for key_id in dict.fromkeys(key_ids))
    return [failure for failure in tried if failure is not None]


def _act(caller: Caller, action: BulkAction, key_id: str, name: str) -> BulkFailure | None:
    try:
        ACTS[action](caller, key_id)
    except (exceptions.StoreError, exceptions.LogInAgain):  # no other key fares better
        raise
    except exceptions.ApiKeyError as exc:
        return BulkFailure(key_id, name, exc.code, exc.message, exc.params)
    return None


def matching(caller: Caller, query: domain.ApiKeyQuery) -> tuple[list[domain.ApiKey], bool]:
    """Return the first MOST_AT_ONCE keys of a list, and whether it has more. Raises what `keys.list_api_keys` does."""
    found: list[domain.ApiKey] = []
    for page in _pages(caller, replace(query, page_size=PAGE, cursor=None, counted=False)):
        found += page.keys
        if len(found) >= MOST_AT_ONCE:
            return found[:MOST_AT_ONCE], len(found) > MOST_AT_ONCE or page.next is not None
    return found, False


def _pages(caller: Caller, query: domain.ApiKeyQuery) -> Iterator[domain.ApiKeyPage]:
    page = keys.list_api_keys(caller, query)
    yield page
    while page.next is not None:
        page = keys.list_api_keys(caller, replace(query, cursor=page.next))
        yield page


def chosen(caller: Caller, key_ids: Collection[str]) -> list[domain.ApiKey]:
    """Return those of these keys that the caller sees, in this order. Raises NotOffered."""
    return value_store_for(caller).find_api_keys(key_ids)


def prepare(caller: Caller, action: BulkAction, selected: Sequence[domain.ApiKey]) -> BulkRun:
    """Note what is to be done to these keys, and return it; nothing is done yet. Raises InvalidApiKey, NotOffered."""
    value_store_for(caller)
    if not selected:
        raise exceptions.InvalidApiKey("keys", CHOOSE)
    if len(selected) > MOST_AT_ONCE:
        raise exceptions.InvalidApiKey("keys", TOO_MANY, most=MOST_AT_ONCE)
    create = revocation(Record.objects.create) if action in REVOKING else Record.objects.create
    record = create(
        iam_id=caller.identity.iam_id,
        account_id=caller.identity.account_id,
        action=action,
        key_ids=[(key.id, key.name) for key in selected],
    )
    return _to_domain(record)


def get_run(caller: Caller, run_id: uuid.UUID) -> BulkRun:
    """Return a run of the caller's. Raises BulkRunNotFound."""
    record = _own(caller).filter(id=run_id).first()
    if record is None:
        raise exceptions.BulkRunNotFound
    return _to_domain(record)


def recent(caller: Caller) -> list[BulkRun]:
    """Return the caller's latest runs that were confirmed, the latest first; MOST_RECENT at most."""
    begun = _own(caller).exclude(leased_until=None).order_by("-created_at")[:MOST_RECENT]
    return [_to_domain(record) for record in begun]


def go_on(caller: Caller, run_id: uuid.UUID, lasts: timedelta) -> BulkRun:
    """Do as much of a run as there is time for, at least one key, and return how far it is.

    While another request does a piece of it, nothing is done here. Raises BulkRunNotFound, StoreError.
    """
    run, now = get_run(caller, run_id), timezone.now()
    free = _own(caller).filter(Q(leased_until=None) | Q(leased_until__lt=now), id=run_id, finished_at=None)
    if not free.update(leased_until=now + LEASE):
        return run
    try:
        _do_piece(caller, get_run(caller, run_id), lasts)
    finally:
        _own(caller).filter(id=run_id).update(leased_until=timezone.now())
    return get_run(caller, run_id)


def _do_piece(caller: Caller, run: BulkRun, lasts: timedelta) -> None:
    end, failures = monotonic() + lasts.total_seconds(), [*run.failures]
    note = revocation(_note) if run.action in REVOKING else _note
    for number, (key_id, name) in enumerate(run.keys[run.done :], start=run.done + 1):
        failure = _act(caller, run.action, key_id, name)
        if failure is not None:
            failures.append(failure)
        if not note(run, number, failures if failure else []) or monotonic() >= end:
            return


def _note(run: BulkRun, number: int, failures: Sequence[BulkFailure]) -> bool:
    """Store that the key of this number is done, and these failures where there are any.

    Tells whether the key still was to be done: else another request goes on with the run.
    """
    now = timezone.now()
    told: dict[str, object] = {"failures": [asdict(failure) for failure in failures]} if failures else {}
    finished = {"finished_at": now} if number == len(run.keys) else {}
    is_next = Record.objects.filter(id=run.id, done=number - 1)
    return bool(is_next.update(done=number, leased_until=now + LEASE, **told, **finished))


def forget_old() -> None:
    """Forget runs that are older than KEPT, some of them."""
    old = Record.objects.filter(created_at__lt=timezone.now() - KEPT)
    if old.exists():  # most sweeps find nothing and must not take the write lock
        Record.objects.filter(id__in=list(old.values_list("id", flat=True)[:MOST_FORGOTTEN])).delete()


def _own(caller: Caller) -> "QuerySet[Record]":
    return Record.objects.filter(iam_id=caller.identity.iam_id, account_id=caller.identity.account_id)


def _to_domain(record: Record) -> BulkRun:
    return BulkRun(
        str(record.id),
        BulkAction(record.action),
        tuple((key_id, name) for key_id, name in record.key_ids),
        record.done,
        tuple(BulkFailure(**failure) for failure in record.failures),
        record.created_at,
        is_begun=record.leased_until is not None,
        is_finished=record.finished_at is not None,
    )
