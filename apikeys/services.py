"""One function for each thing a person or a program can do with keys: the one door to the stores.

Limits, audit and hand-over happen here and nowhere else. Browser pages and REST call the same functions.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.db import IntegrityError, transaction

from apikeys import audit, handover, people
from apikeys.backends import backend_for
from apikeys.domain import (
    DESCRIPTION_MAX_LENGTH,
    NAME_MAX_LENGTH,
    ApiKey,
    ApiKeyDraft,
    ApiKeyPage,
    ApiKeyQuery,
    Caller,
    HistoryEntry,
    Identity,
    IssuedApiKey,
    Owner,
    Sort,
)
from apikeys.exceptions import (
    ApiKeyError,
    ApiKeyLimitReached,
    ApiKeyNotFound,
    DeletedSince,
    HandoverError,
    IdempotencyKeyReused,
    InvalidApiKey,
    NotAuthorized,
)
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
    """Return one page of the caller's keys, or of all. Raises NotAuthorized for all, unless to administrators."""
    return backend_for(caller.identity).list_api_keys(query)


def get_api_key(caller: Caller, key_id: str) -> ApiKey:
    """Return one key. Raises ApiKeyNotFound."""
    return backend_for(caller.identity).get_api_key(key_id)


def get_api_key_to_edit(caller: Caller, key_id: str) -> ApiKey:
    """Return one key whose name and description are the caller's to change. Raises NotAuthorized, ApiKeyNotFound."""
    key = get_api_key(caller, key_id)
    if not key.is_editable_by(caller.identity):
        raise NotAuthorized
    return key


def owners_of(keys: Iterable[ApiKey]) -> dict[str, Owner]:
    """Return who owns and who created these keys, which the caller has seen, by IAM ID; no query for each key."""
    return people.owners({iam_id for key in keys for iam_id in (key.iam_id, key.created_by)})


def count_api_keys(caller: Caller, iam_ids: Sequence[str]) -> dict[str, int]:
    """Return the number of keys of each identity, which must be the caller's own or its service IDs.

    Raises InvalidApiKey.
    """
    backend = backend_for(caller.identity)
    return {iam_id: backend.count_api_keys(iam_id) for iam_id in iam_ids}


def create_api_key(caller: Caller, draft: ApiKeyDraft, *, nonce: str = "", same_only: bool = False) -> IssuedApiKey:
    """Create a key and begin its hand-over, or continue the hand-over that the same nonce began.

    Without a nonce there is no hand-over: what is returned is the only delivery.
    The same form sent twice, in turn or at once, makes one key and gives the same value until the receipt;
    with `same_only` a nonce that comes with a draft of another key is refused.
    Raises InvalidApiKey, ApiKeyLimitReached, IdempotencyKeyReused, AlreadyReceived, HandoverExpired.
    """
    if nonce and not handover.is_nonce(nonce):
        raise InvalidApiKey("nonce", _("This form is incomplete. Send it again."))
    draft = clean_draft(draft)
    try:
        with audited(caller, audit.CREATE):
            continued = _continue(caller, nonce, draft if same_only else None) if nonce else None
            if continued is not None:
                return continued
            issued = backend_for(caller.identity).create_api_key(draft)
            if nonce:
                handover.begin(caller.identity.iam_id, nonce, issued)
            audit.record(caller, audit.CREATE, target=issued.key)
            return issued
    except (IntegrityError, ApiKeyLimitReached):
        # A request with the same nonce may have committed first: then its hand-over is there now.
        with transaction.atomic():
            continued = _continue(caller, nonce, draft if same_only else None) if nonce else None
        if continued is None:
            raise
        return continued


def _continue(caller: Caller, nonce: str, draft: ApiKeyDraft | None) -> IssuedApiKey | None:
    """Return the key and value of the hand-over that this nonce began, or None when it began none.

    Raises IdempotencyKeyReused when a draft is given and the key is not what it says.
    """
    with _told_if_deleted(caller):
        begun = handover.open_for(caller.identity.iam_id, nonce)
    if begun is None:
        return None
    row, value = begun
    key = backend_for(caller.identity).get_api_key(row.key_id)
    if draft is not None and (
        (draft.name, draft.description, draft.iam_id, draft.expires_at, draft.support_sessions)
        != (key.name, key.description, key.iam_id, key.expires_at, key.support_sessions)
        or draft.action_when_leaked not in (None, key.action_when_leaked)
        or draft.value not in ("", value)
    ):
        raise IdempotencyKeyReused
    return IssuedApiKey(key, value)


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
    with _told_if_deleted(caller):
        row, value = handover.open_for_download(caller.identity.iam_id, nonce)
    key = backend_for(caller.identity).get_api_key(row.key_id)
    handover.confirm(caller.identity.iam_id, row.nonce_digest)
    return IssuedApiKey(key, value)


def update_api_key(caller: Caller, key_id: str, *, entity_tag: str, **changes: object) -> ApiKey:
    """Change name, description, expires_at, support_sessions or action_when_leaked.

    Raises InvalidApiKey, ApiKeyConflict, ApiKeyLocked, NotAuthorized, ApiKeyNotFound.
    """
    if "name" in changes:
        changes["name"] = clean_name(str(changes["name"]))
    if "description" in changes:
        changes["description"] = clean_description(str(changes["description"]))
    with audited(caller, audit.UPDATE, key_id):
        backend = backend_for(caller.identity)
        before = backend.get_api_key(key_id)
        key = backend.update_api_key(key_id, entity_tag=entity_tag, **changes)
        audit.record(caller, audit.UPDATE, target=key, instance_name=key.name, prev_instance_name=before.name)
    return key


def lock_api_key(caller: Caller, key_id: str, *, locked: bool) -> ApiKey:
    """Lock a key against change and deletion, or unlock it. Raises ApiKeyNotFound."""
    with audited(caller, audit.UPDATE, key_id):
        key = backend_for(caller.identity).set_locked(key_id, locked)
        audit.record(caller, audit.UPDATE, target=key, lock=locked)
    return key


def disable_api_key(caller: Caller, key_id: str, *, disabled: bool) -> ApiKey:
    """Stop a key from being used, at once, or let it be used again. Raises ApiKeyLocked, ApiKeyNotFound."""
    with audited(caller, audit.UPDATE, key_id):
        key = backend_for(caller.identity).set_disabled(key_id, disabled)
        audit.record(caller, audit.UPDATE, target=key, disable=disabled)
    return key


def get_history(caller: Caller, key_id: str) -> list[HistoryEntry]:
    """Return the changes of a key, oldest first. Raises ApiKeyNotFound."""
    return backend_for(caller.identity).get_history(key_id)


def delete_api_key(caller: Caller, key_id: str) -> ApiKey:
    """End a key for good and return its last record. Raises ApiKeyLocked, ApiKeyNotFound."""
    with audited(caller, audit.DELETE, key_id):
        key = backend_for(caller.identity).delete_api_key(key_id)
        handover.wipe(key_id)
        audit.record(caller, audit.DELETE, target=key)
    return key


def delete_identity(identity: Identity) -> None:
    """End all keys of somebody who is gone, and wipe what was on its way to them."""
    caller = Caller(identity)
    with transaction.atomic():
        backend = backend_for(identity)
        for key in backend.delete_all_api_keys():
            handover.wipe(key.id)
            audit.record(caller, audit.DELETE, target=key, cause="identity deleted")


def owned_by(draft: ApiKeyDraft, iam_id: str) -> ApiKeyDraft:
    """Return the draft of a key for another identity."""
    return replace(draft, iam_id=iam_id)


def clean_draft(draft: ApiKeyDraft) -> ApiKeyDraft:
    """Return the draft with name and description cleaned. Raises InvalidApiKey, also for an end in the past."""
    if draft.expires_at is not None and draft.expires_at <= datetime.now(UTC):
        raise InvalidApiKey("expires_at", _("The expiration date is in the past. Choose a later one."))
    return replace(draft, name=clean_name(draft.name), description=clean_description(draft.description))


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
def _told_if_deleted(caller: Caller) -> Iterator[None]:
    """Turn the end of a hand-over into DeletedSince where its key is gone: there is nothing left to delete."""
    try:
        yield
    except HandoverError as exc:
        try:
            backend_for(caller.identity).get_api_key(exc.key_id)
        except ApiKeyNotFound:
            raise DeletedSince from None
        raise


@contextmanager
def audited(caller: Caller, action: str, key_id: str = "") -> Iterator[None]:
    """Run a change in one transaction with its audit event; audit a refusal after the rollback."""
    try:
        with transaction.atomic():
            yield
    except ApiKeyError as exc:
        audit.record(caller, action, target_id=key_id, reason=type(exc).__name__)
        raise
