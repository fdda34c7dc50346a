"""A new value for a key that stays the same, and the end of the one before; docs/adr/0015-rotation.md.

The new value is handed over like that of a new key. The previous one works until its overlap ends, and the tokens that
were made with it end with it.
"""

from datetime import timedelta

from django.db import IntegrityError, transaction

from apikeys import audit, exceptions
from apikeys.backends import rotation as rows
from apikeys.backends import value_store_for
from apikeys.domain import MAX_OVERLAP, ApiKey, Caller, IssuedApiKey, Overlap, Place, PreviousValue, Progress
from apikeys.exceptions import gettext_noop as _
from apikeys.services import narrowing
from apikeys.services.creation import raising_deleted_since
from apikeys.services.delivery import Delivery, wipe
from apikeys.storage.reserve import revocation
from apikeys.usage.records import use_of

SEEN_BEFORE = timedelta(days=30)  # a client that used the key so long before its rotation is to move
QUIET = timedelta(hours=1)  # a place with several programs has moved when the old value was not used there so long


def rotate_api_key(caller: Caller, key_id: str, overlap: Overlap, delivery: Delivery | None = None) -> IssuedApiKey:
    """Give a key a new value and begin its hand-over, or continue the hand-over that the same nonce began.

    Without a hand-over what is returned is the only delivery. Raises RotationUnderWay while an earlier value works and
    the overlap does not end it, ApiKeyLocked, NotAuthorized, ApiKeyNotFound, InvalidApiKey for an overlap that is too
    long, RuleBroken for a key that does not keep to the rules, IdempotencyKeyReused, AlreadyReceived, HandoverExpired,
    NotOffered.
    """
    _check(overlap)
    store = value_store_for(caller)
    try:
        with audit.change(caller, audit.ROTATE, key_id) as step:
            continued = _continue(caller, delivery, key_id)
            if continued is not None:
                step.record_nothing()
                return continued
            issued = store.rotate_api_key(key_id, overlap)
            narrowing.check_key(caller, issued.key)
            wipe(key_id)  # a form that was sent before must not hand over a value that is replaced
            if delivery:
                delivery.seal(issued)
            step.record(issued.key, value_number=issued.key.value_number, overlap=_seconds(overlap))
            return issued
    except (IntegrityError, exceptions.RotationUnderWay):
        # A request with the same nonce may have committed first: then its hand-over is there now.
        with transaction.atomic():
            continued = _continue(caller, delivery, key_id)
        if continued is None:
            raise
        return continued


def _check(overlap: Overlap) -> None:
    if overlap.lasts is not None and not timedelta() <= overlap.lasts <= MAX_OVERLAP:
        raise exceptions.InvalidApiKey(
            "overlap", _("Choose an overlap of at most %(days)d days, or none."), days=MAX_OVERLAP.days
        )


def _seconds(overlap: Overlap) -> int | None:
    return None if overlap.lasts is None else int(overlap.lasts.total_seconds())


def _continue(caller: Caller, delivery: Delivery | None, key_id: str) -> IssuedApiKey | None:
    """Return the key and the value of the hand-over that the nonce began by a rotation, None when it began none."""
    if delivery is None:
        return None
    with raising_deleted_since(caller), transaction.atomic():
        opened = delivery.open()
    if opened is None:
        return None
    begun_for, value = opened
    if begun_for != key_id or delivery.value_number == 1:
        raise exceptions.IdempotencyKeyReused
    key = value_store_for(caller).get_api_key(key_id)
    narrowing.check_key(caller, key)
    return IssuedApiKey(key, value)


@revocation
def end_previous_value(caller: Caller, key_id: str) -> ApiKey:
    """End the previous value of a key at once, and the tokens made with it.

    Raises PreviousValueNotFound, ApiKeyLocked, NotAuthorized, ApiKeyNotFound, NotOffered.
    """
    store = value_store_for(caller)
    with audit.change(caller, audit.UPDATE, key_id, revokes=True) as step:
        key = store.end_previous_value(key_id)
        step.record(key, previous_value="ended")
    return key


def extend_previous_value(caller: Caller, key_id: str, overlap: Overlap) -> ApiKey:
    """Let the previous value work for another overlap, from now. Raises as `end_previous_value` does,
    and InvalidApiKey, WiderThanItsMaker.
    """
    _check(overlap)
    store = value_store_for(caller)
    with audit.change(caller, audit.UPDATE, key_id) as step:
        key = store.extend_previous_value(key_id, overlap)
        narrowing.check_key(caller, key)
        step.record(key, previous_value="extended", overlap=_seconds(overlap))
    return key


def previous_value_of(key: ApiKey) -> PreviousValue | None:
    """Return the previous value of a key that the caller has seen, while it works; else None."""
    return rows.working_value(key.id) if key.value_number > 1 else None


def progress_of(key: ApiKey, previous: PreviousValue) -> Progress:
    """Return how far the clients of a key, which the caller has seen, have moved to its new value.

    Clients are told apart by address and product. Uses are written within seconds of the first by a client.
    """
    seen = [
        place
        for place in use_of(key.id).places
        if place.last_used_at is not None and place.last_used_at >= previous.replaced_at - SEEN_BEFORE
    ]
    waiting = tuple(place for place in seen if not has_moved(place, key.value_number))
    return Progress(len(seen), len(seen) - len(waiting), waiting)


def has_moved(place: Place, number: int) -> bool:
    """Tell whether the client at a place uses value `number`, and nothing there the values before it any more."""
    if place.value_number != number or place.value_since is None or place.last_used_at is None:
        return False
    older = place.older_used_at
    return older is None or older < place.value_since or place.last_used_at - older > QUIET
