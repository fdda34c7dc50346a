"""Creating a key, and the one delivery of its value; docs/adr/0003-handover.md.

With a store in this database the key, its audit event and its hand-over are one transaction. With a store
elsewhere the hand-over begins first, as a claim: whatever happens on the way, a form that is sent again finds
what the first one came to, and makes no second key.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error, IntegrityError, transaction

from apikeys.backends import backend_for, store_traits
from apikeys.domain import ApiKeyDraft, Caller, IssuedApiKey
from apikeys.exceptions import (
    ApiKeyError,
    ApiKeyLimitReached,
    ApiKeyNotFound,
    CreationUncertain,
    DeletedSince,
    HandoverError,
    IdempotencyKeyReused,
    InvalidApiKey,
    StoreError,
)
from apikeys.exceptions import gettext_noop as _
from apikeys.services import audit, delivery
from apikeys.services.validation import clean_draft
from apikeys.upstream import slots

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
MARGIN_SECONDS = 1.0  # of the request's time: the key itself has to be asked for, too


def create_api_key(caller: Caller, draft: ApiKeyDraft, *, nonce: str = "", same_only: bool = False) -> IssuedApiKey:
    """Create a key and begin its hand-over, or continue the hand-over that the same nonce began.

    Without a nonce there is no hand-over: what is returned is the only delivery.
    The same form sent twice, in turn or at once, makes one key and gives the same value until the receipt;
    with `same_only` a nonce that comes with a draft of another key is refused.
    Raises InvalidApiKey, ApiKeyLimitReached, IdempotencyKeyReused, AlreadyReceived, HandoverExpired; with a store
    elsewhere also CreationUncertain, BeingCreated and what says that the store refused or did not answer.
    """
    if nonce and not delivery.is_nonce(nonce):
        raise InvalidApiKey("nonce", _("This form is incomplete. Send it again."))
    draft = clean_draft(draft)
    create = _create_elsewhere if store_traits().is_upstream else _create_here
    return create(caller, draft, nonce, same_only=same_only)


def _create_here(caller: Caller, draft: ApiKeyDraft, nonce: str, *, same_only: bool) -> IssuedApiKey:
    store = backend_for(caller)
    try:
        with audit.change(caller, audit.CREATE) as step:
            continued = _continue(caller, nonce, draft if same_only else None) if nonce else None
            if continued is not None:
                step.record_nothing()
                return continued
            issued = store.create_api_key(draft)
            if nonce:
                delivery.begin(caller.identity.iam_id, nonce, issued)
            step.record(issued.key)
            return issued
    except (IntegrityError, ApiKeyLimitReached):
        # A request with the same nonce may have committed first: then its hand-over is there now.
        with transaction.atomic():
            continued = _continue(caller, nonce, draft if same_only else None) if nonce else None
        if continued is None:
            raise
        return continued


def _create_elsewhere(caller: Caller, draft: ApiKeyDraft, nonce: str, *, same_only: bool) -> IssuedApiKey:
    """Claim the nonce, ask the store, seal the value: nothing of this waits inside a transaction."""
    iam_id, store = caller.identity.iam_id, backend_for(caller)
    while nonce and not delivery.claim(iam_id, nonce, draft.name):
        continued = _continued_elsewhere(caller, nonce, draft if same_only else None)
        if continued is not None:
            return continued  # else the first one was refused meanwhile, and it is for this one to ask
    with audit.change(caller, audit.CREATE, target_name=draft.name) as step:
        try:
            issued = store.create_api_key(draft)
        except CreationUncertain:
            delivery.mark_uncertain(iam_id, nonce)
            raise
        except ApiKeyError:
            delivery.release(iam_id, nonce)
            raise
        try:
            with transaction.atomic():
                if nonce:
                    delivery.keep(iam_id, nonce, issued)
                step.record(issued.key)
        except (Error, ValueError):  # the key is made, and this is its value's only chance
            step.record_nothing()
            logger.exception("API key %s was created, and this can't be recorded.", issued.key.id)
        return issued


def _continued_elsewhere(caller: Caller, nonce: str, draft: ApiKeyDraft | None) -> IssuedApiKey | None:
    """Return what the same form came to before, None for a refusal; wait for it where it is still on its way."""
    iam_id = caller.identity.iam_id
    deadline = caller.access.deadline - MARGIN_SECONDS if caller.access else 0.0
    if delivery.is_pending(iam_id, nonce):
        with slots.hold(f"form of {iam_id}"):  # sent many times it takes a share of the threads, and no more
            while delivery.is_pending(iam_id, nonce) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
    return _continue(caller, nonce, draft)


def _continue(caller: Caller, nonce: str, draft: ApiKeyDraft | None) -> IssuedApiKey | None:
    """Return the key and value of the hand-over that this nonce began, or None when it began none.

    Raises IdempotencyKeyReused when a draft is given and the key is not what it says.
    """
    with _told_if_deleted(caller), transaction.atomic():
        begun = delivery.open_for(caller.identity.iam_id, nonce)
    if begun is None:
        return None
    row, value = begun
    key = backend_for(caller).get_api_key(row.key_id)
    if draft is not None and not draft.describes(key, value):
        raise IdempotencyKeyReused
    return IssuedApiKey(key, value)


def confirm_receipt(caller: Caller, nonce: str) -> None:
    """Wipe the sealed value: the page that shows it has arrived. Unknown nonces do nothing."""
    if delivery.is_nonce(nonce):
        delivery.confirm(caller.identity.iam_id, delivery.digest(nonce))


def confirm_scriptless_receipt(caller: Caller, nonce_digest: str) -> None:
    """Note that a page without script has arrived: it is not handed over again, save as the page's one download."""
    delivery.confirm(caller.identity.iam_id, nonce_digest, keep_for_download=True)


def more_time(caller: Caller, nonce: str) -> delivery.Wait | None:
    """Let a value that is still sealed wait longer, at most twice; return how long it waits now.

    None where nothing waits: received and wiped, out of time, or never begun by this person with this nonce.
    """
    return delivery.extend(caller.identity.iam_id, nonce) if delivery.is_nonce(nonce) else None


def waiting(caller: Caller, nonce: str) -> delivery.Wait | None:
    """Return how long the sealed value of this nonce waits, None where nothing does."""
    return delivery.wait(caller.identity.iam_id, nonce)


def download_api_key(caller: Caller, nonce: str) -> IssuedApiKey:
    """Return the key for the one file of a page without script, and wipe the sealed value.

    Raises ApiKeyNotFound, AlreadyReceived, HandoverExpired.
    """
    if not delivery.is_nonce(nonce):
        raise InvalidApiKey("nonce", _("This form is incomplete. Send it again."))
    iam_id = caller.identity.iam_id
    with _told_if_deleted(caller):
        with transaction.atomic():
            row, _value = delivery.open_for_download(iam_id, nonce)
        key = backend_for(caller).get_api_key(row.key_id)  # no transaction waits for a store elsewhere
        with transaction.atomic():
            row, value = delivery.open_for_download(iam_id, nonce)
            delivery.confirm(iam_id, row.nonce_digest)
    return IssuedApiKey(key, value)


@contextmanager
def _told_if_deleted(caller: Caller) -> Iterator[None]:
    """Turn the end of a hand-over into DeletedSince where its key is gone: there is nothing left to delete."""
    try:
        yield
    except HandoverError as exc:
        if not exc.key_id:
            raise
        try:
            backend_for(caller).get_api_key(exc.key_id)
        except ApiKeyNotFound:
            raise DeletedSince from None
        except StoreError:
            pass  # nobody can tell now; what is known is told
        raise
