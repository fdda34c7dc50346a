"""One change at a store together with its audit events."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from apikeys.backends import backend_for
from apikeys.backends.base import ApiKeyBackend
from apikeys.domain import ApiKey, Caller
from apikeys.exceptions import ApiKeyError
from apikeys.services import audit, delivery
from apikeys.storage.reserve import revocation


@contextmanager
def audited(caller: Caller, action: str, key_id: str = "", key_name: str = "") -> Iterator[ApiKeyBackend]:
    """Give the caller's store for one change, and audit a refusal.

    Where the store is this database, change and event are one transaction. Where it is elsewhere no transaction
    can hold both, and none is held open while it is waited for: an event that says what is about to be asked
    comes first, so that a change that can't be audited does not happen.
    """
    backend = backend_for(caller)
    try:
        if not backend.traits.is_upstream:
            with transaction.atomic():
                yield backend
        else:
            audit.record(caller, action, target_id=key_id, target_name=key_name, outcome=audit.PENDING)
            yield backend
    except ApiKeyError as exc:
        outcome = audit.UNKNOWN if exc.may_have_happened else audit.FAILURE
        audit.record(caller, action, target_id=key_id, target_name=key_name, reason=type(exc).__name__, outcome=outcome)
        raise


@revocation
def ended(caller: Caller, key: ApiKey, **why: Any) -> None:
    """Note the end of a key: what is still sealed of its value is wiped, and the end is audited."""
    delivery.wipe(key.id)
    audit.record(caller, audit.DELETE, target=key, **why)
