"""Creating a key, and the one delivery of its value; docs/adr/0003-handover.md.

With a store in this database the key, its audit event and its hand-over are one transaction. With a store
upstream the hand-over begins first, as a reservation: whatever happens on the way, a form that is sent again
finds what the first one came to, and makes no second key.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import Error, IntegrityError, transaction

from apikeys import audit, exceptions
from apikeys.backends import backend_for, store_traits
from apikeys.domain import ApiKeyDraft, Caller, IssuedApiKey
from apikeys.services import narrowing
from apikeys.services.delivery import Delivery, Wait, receive
from apikeys.services.validation import check_expiration
from apikeys.upstream import slots

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
MARGIN_SECONDS = 1.0  # of the request's time: the key itself has to be asked for, too


def create_api_key(
    caller: Caller, draft: ApiKeyDraft, delivery: Delivery | None = None, *, same_only: bool = False
) -> IssuedApiKey:
    """Create a key and begin its hand-over, or continue the hand-over that the same nonce began.

    Without a hand-over what is returned is the only delivery.
    The same form sent twice, in turn or at once, makes one key and gives the same value until the receipt;
    with `same_only` a nonce that comes with a draft of another key is refused.
    Raises InvalidApiKey, WiderThanItsMaker, ApiKeyLimitReached, IdempotencyKeyReused, AlreadyReceived and
    HandoverExpired; with a store upstream also CreationUnconfirmed, BeingCreated and what says that the store refused
    or did not answer.
    """
    check_expiration(draft)
    if store_traits().knows_values:
        draft = narrowing.limited(caller, draft)
    elif draft.is_decoy or draft.scope or draft.networks:
        raise exceptions.NotOffered
    create = _create_upstream if store_traits().is_upstream else _create_embedded
    return create(caller, draft, delivery, draft if same_only else None)


def _create_embedded(
    caller: Caller, draft: ApiKeyDraft, delivery: Delivery | None, expected: ApiKeyDraft | None
) -> IssuedApiKey:
    store = backend_for(caller)
    try:
        with audit.change(caller, audit.CREATE) as step:
            continued = _continue(caller, delivery, expected)
            if continued is not None:
                step.record_nothing()
                return continued
            issued = store.create_api_key(draft)
            if delivery:
                delivery.seal(issued)
            step.record(issued.key)
            return issued
    except (IntegrityError, exceptions.ApiKeyLimitReached):
        # A request with the same nonce may have committed first: then its hand-over is there now.
        with transaction.atomic():
            continued = _continue(caller, delivery, expected)
        if continued is None:
            raise
        return continued


def _create_upstream(
    caller: Caller, draft: ApiKeyDraft, delivery: Delivery | None, expected: ApiKeyDraft | None
) -> IssuedApiKey:
    """Reserve the hand-over, ask the store, seal the value: nothing of this waits inside a transaction."""
    store = backend_for(caller)
    while delivery and not delivery.reserve(draft.name):
        _wait_for_response(caller, delivery)
        continued = _continue(caller, delivery, expected)
        if continued is not None:
            return continued  # else the first one was refused meanwhile, and it is for this one to ask
    with audit.change(caller, audit.CREATE, target_name=draft.name) as step:
        try:
            issued = store.create_api_key(draft)
        except exceptions.CreationUnconfirmed:
            if delivery:
                delivery.mark_unconfirmed()
            raise
        except exceptions.ApiKeyError:
            if delivery:
                delivery.cancel_reservation()
            raise
        try:
            with transaction.atomic():
                if delivery:
                    delivery.seal_reserved(issued)
                step.record(issued.key)
        except (Error, ValueError):  # the key is made, and this is its value's only chance
            step.record_nothing()
            if delivery:
                delivery.wait = None
            logger.exception("API key %s was created, and this can't be recorded.", issued.key.id)
        return issued


def _wait_for_response(caller: Caller, delivery: Delivery) -> None:
    """Wait while the key of a form that was sent before is still asked for, as long as this request may."""
    deadline = caller.access.deadline - MARGIN_SECONDS if caller.access else 0.0
    if delivery.is_reserved():
        with slots.hold(f"form of {delivery.iam_id}"):  # sent many times it takes a share of the threads, and no more
            while delivery.is_reserved() and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)


def _continue(caller: Caller, delivery: Delivery | None, expected: ApiKeyDraft | None) -> IssuedApiKey | None:
    """Return the key and value of the hand-over that the nonce began, or None when it began none.

    Raises IdempotencyKeyReused when the key is not what is expected.
    """
    if delivery is None:
        return None
    with raising_deleted_since(caller), transaction.atomic():
        opened = delivery.open()
    if opened is None:
        return None
    key_id, value = opened
    key = backend_for(caller).get_api_key(key_id)
    if delivery.value_number > 1 or (expected is not None and not expected.describes(key, value)):
        raise exceptions.IdempotencyKeyReused
    return IssuedApiKey(key, value)


def confirm_receipt(caller: Caller, nonce: str) -> None:
    """Wipe the sealed value: the page that shows it has arrived. Unknown nonces, and no nonces, do nothing."""
    with suppress(exceptions.InvalidApiKey):
        Delivery(caller.identity.iam_id, nonce).confirm_receipt()


def confirm_scriptless_receipt(caller: Caller, nonce_digest: str) -> None:
    """Note that a page without script has arrived: it is not handed over again, save as the page's one download."""
    receive(caller.identity.iam_id, nonce_digest)


def more_time(caller: Caller, nonce: str) -> Wait | None:
    """Let a value that is still sealed wait longer, at most twice; return how long it waits now.

    None where nothing waits: received and wiped, out of time, or never begun by this person with this nonce.
    """
    with suppress(exceptions.InvalidApiKey):
        return Delivery(caller.identity.iam_id, nonce).extend()
    return None


def download_api_key(caller: Caller, nonce: str) -> IssuedApiKey:
    """Return the key for the one file of a page without script, and wipe the sealed value.

    Raises InvalidApiKey for what is no nonce, ApiKeyNotFound, AlreadyReceived, HandoverExpired.
    """
    delivery = Delivery(caller.identity.iam_id, nonce)
    with raising_deleted_since(caller):
        with transaction.atomic():
            key_id, _value = delivery.open_for_download()
        key = backend_for(caller).get_api_key(key_id)  # no transaction waits for a store upstream
        with transaction.atomic():
            _key_id, value = delivery.open_for_download()
            delivery.confirm_receipt()
    return IssuedApiKey(key, value)


@contextmanager
def raising_deleted_since(caller: Caller) -> Iterator[None]:
    """Turn the end of a hand-over into DeletedSince where its key is gone: there is nothing left to delete."""
    try:
        yield
    except exceptions.HandoverError as exc:
        if not exc.key_id:
            raise
        try:
            backend_for(caller).get_api_key(exc.key_id)
        except exceptions.ApiKeyNotFound:
            raise exceptions.DeletedSince from None
        except exceptions.StoreError:
            pass  # nobody can tell now; what is known is told
        raise
