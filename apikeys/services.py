"""One function for each thing a person or a program can do with keys: the one door to the stores.

Limits, audit and hand-over happen here and nowhere else. Browser pages and REST call the same functions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from apikeys import audit, handover
from apikeys.backends import backend_for
from apikeys.domain import (
    DESCRIPTION_MAX_LENGTH,
    NAME_MAX_LENGTH,
    ApiKey,
    ApiKeyPage,
    ApiKeyQuery,
    Caller,
    Identity,
    IssuedApiKey,
    Sort,
)
from apikeys.exceptions import ApiKeyError, ApiKeyLimitReached, HandoverError, InvalidApiKey
from apikeys.exceptions import gettext_noop as _


@dataclass(frozen=True, slots=True)
class Activity:
    """One line of a person's recent history."""

    action: str
    key_name: str
    address: str
    time: datetime
    succeeded: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """What a dashboard shows."""

    count: int
    newest: tuple[ApiKey, ...]
    activity: tuple[Activity, ...]


def overview(caller: Caller) -> Overview:
    """Return the number of keys, the newest three, and the last five things that were done."""
    backend = backend_for(caller.identity)
    return Overview(
        count=backend.count_api_keys(),
        newest=backend.list_api_keys(ApiKeyQuery(sort=Sort.CREATED, page_size=3)).keys,
        activity=tuple(
            Activity(event.action, event.target_name, event.address, event.event_time, event.outcome == "success")
            for event in audit.recent(caller.identity.iam_id, 5)
        ),
    )


def list_api_keys(caller: Caller, query: ApiKeyQuery) -> ApiKeyPage:
    """Return one page of the caller's keys."""
    return backend_for(caller.identity).list_api_keys(query)


def get_api_key(caller: Caller, key_id: str) -> ApiKey:
    """Return one key. Raises ApiKeyNotFound."""
    return backend_for(caller.identity).get_api_key(key_id)


def create_api_key(caller: Caller, *, name: str, description: str, nonce: str) -> IssuedApiKey:
    """Create a key and begin its hand-over, or continue the hand-over that the same nonce began.

    The same form sent twice, in turn or at once, makes one key and gives the same value until the receipt.
    Raises InvalidApiKey, ApiKeyLimitReached, AlreadyReceived, HandoverExpired.
    """
    if not handover.is_nonce(nonce):
        raise InvalidApiKey("nonce", _("This form is incomplete. Send it again."))
    name, description = clean_name(name), clean_description(description)
    try:
        with _audited(caller, audit.CREATE):
            continued = _continue(caller, nonce)
            if continued is not None:
                return continued
            issued = backend_for(caller.identity).create_api_key(name, description)
            handover.begin(caller.identity.iam_id, nonce, issued)
            audit.record(caller, audit.CREATE, key=issued.key)
            return issued
    except (IntegrityError, ApiKeyLimitReached):
        # A request with the same nonce may have committed first: then its hand-over is there now.
        with transaction.atomic():
            continued = _continue(caller, nonce)
        if continued is None:
            raise
        return continued


def _continue(caller: Caller, nonce: str) -> IssuedApiKey | None:
    """Return the key and value of the hand-over that this nonce began, or None when it began none."""
    try:
        begun = handover.open_for(caller.identity.iam_id, nonce)
    except HandoverError as exc:
        backend_for(caller.identity).get_api_key(exc.key_id)  # ApiKeyNotFound where it was deleted since
        raise
    if begun is None:
        return None
    row, value = begun
    return IssuedApiKey(backend_for(caller.identity).get_api_key(row.key_id), value)


def confirm_receipt(caller: Caller, nonce: str) -> None:
    """Wipe the sealed value: the page that shows it has arrived. Unknown nonces do nothing."""
    if handover.is_nonce(nonce):
        handover.confirm(caller.identity.iam_id, handover.digest(nonce))


def confirm_scriptless_receipt(caller: Caller, nonce_digest: str) -> None:
    """Note that a page without script has arrived: it is not handed over again, save as the page's one download."""
    handover.confirm(caller.identity.iam_id, nonce_digest, keep_for_download=True)


@transaction.atomic
def download_api_key(caller: Caller, nonce: str) -> IssuedApiKey:
    """Return the key for the one file of a page without script, and wipe the sealed value.

    Raises ApiKeyNotFound, AlreadyReceived, HandoverExpired.
    """
    if not handover.is_nonce(nonce):
        raise InvalidApiKey("nonce", _("This form is incomplete. Send it again."))
    row, value = handover.open_for_download(caller.identity.iam_id, nonce)
    key = backend_for(caller.identity).get_api_key(row.key_id)
    handover.confirm(caller.identity.iam_id, row.nonce_digest)
    return IssuedApiKey(key, value)


def update_api_key(caller: Caller, key_id: str, *, name: str, description: str, entity_tag: str) -> ApiKey:
    """Change name and description. Raises InvalidApiKey, ApiKeyConflict, ApiKeyLocked, ApiKeyNotFound."""
    name, description = clean_name(name), clean_description(description)
    with _audited(caller, audit.UPDATE, key_id):
        backend = backend_for(caller.identity)
        before = backend.get_api_key(key_id)
        key = backend.update_api_key(key_id, name=name, description=description, entity_tag=entity_tag)
        audit.record(caller, audit.UPDATE, key=key, instance_name=key.name, prev_instance_name=before.name)
    return key


def delete_api_key(caller: Caller, key_id: str) -> ApiKey:
    """End a key for good and return its last record. Raises ApiKeyLocked, ApiKeyNotFound."""
    with _audited(caller, audit.DELETE, key_id):
        key = backend_for(caller.identity).delete_api_key(key_id)
        handover.wipe(key_id)
        audit.record(caller, audit.DELETE, key=key)
    return key


def delete_identity(identity: Identity) -> None:
    """End all keys of somebody who is gone, and wipe what was on its way to them."""
    caller = Caller(identity)
    with transaction.atomic():
        backend = backend_for(identity)
        for key in backend.delete_all_api_keys():
            handover.wipe(key.id)
            audit.record(caller, audit.DELETE, key=key, cause="identity deleted")


def clean_name(name: str) -> str:
    """Return the name without surrounding white space. Raises InvalidApiKey."""
    name = name.strip()
    if not name:
        raise InvalidApiKey("name", _("Enter a name."))
    return _clean("name", name, NAME_MAX_LENGTH)


def clean_description(description: str) -> str:
    """Return the description without surrounding white space. Raises InvalidApiKey."""
    return _clean("description", description.strip(), DESCRIPTION_MAX_LENGTH)


def _clean(field: str, text: str, limit: int) -> str:
    if len(text) > limit:
        raise InvalidApiKey(
            field, _("This has %(length)d characters. Use at most %(limit)d."), length=len(text), limit=limit
        )
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text):
        raise InvalidApiKey(field, _("This contains a control character. Remove it."))
    if any(0xD800 <= ord(character) < 0xE000 or character == "\ufffd" for character in text):
        raise InvalidApiKey(field, _("This contains half of a character. Type it again."))
    return text


@contextmanager
def _audited(caller: Caller, action: str, key_id: str = "") -> Iterator[None]:
    """Run a change in one transaction with its audit event; audit a refusal after the rollback."""
    try:
        with transaction.atomic():
            yield
    except ApiKeyError as exc:
        audit.record(caller, action, key_id=key_id, reason=type(exc).__name__)
        raise
