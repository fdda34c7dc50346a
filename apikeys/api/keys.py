"""/v1/apikeys: create, list, look at, change and delete keys."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from apikeys.api import auth, bodies, fields
from apikeys.api.answers import JsonAnswer
from apikeys.api.auth import check_account
from apikeys.api.bad_values import Judged
from apikeys.api.decorators import authenticated, no_content, resource, switch
from apikeys.api.fields import (
    Body,
    choice,
    flag,
    flag_header,
    json_body,
    needed_header,
    parameter,
    printable,
    text_field,
)
from apikeys.api.paging import key_query, neighbours
from apikeys.domain import (
    SERVICE_ID_PREFIX,
    ApiKey,
    ApiKeyChanges,
    ApiKeyDraft,
    ApiKeyPage,
    ApiKeyQuery,
    Caller,
    HistoryEntry,
    IssuedApiKey,
)
from apikeys.exceptions import BadRequest
from apikeys.exceptions import gettext_noop as _
from apikeys.iam import payloads
from apikeys.iam.exports import Format
from apikeys.identity.request import Request
from apikeys.services import creation, deletion, exporting, keys, rules

MAX_COUNTED = 100  # identities in one look at the limits
PER_IDENTITY = "apikeys_per_identity"
# RFC 7234, section 5.5: a header of ASCII characters, for programs and their logs.
NOT_STORED = '299 - "The value is not stored: this answer is the only one that carries it."'
DECOY_MADE = f'299 - "{payloads.DECOY_MADE}"'
LOOKS_LIKE_ANOTHER = '299 - "The owner has another API key whose name looks the same."'


@authenticated
def list_keys(request: HttpRequest, caller: Caller) -> JsonAnswer:
    """Return one page of keys.

    Raises BadRequest (400), Unauthenticated (401), NotAuthorized (403) where the account's or another person's keys
    are not the caller's to see, InvalidApiKey (400) for what the store can't sort or filter by, SearchTooSlow (503).
    """
    query = key_query(request, caller)
    page = keys.list_api_keys(caller, query)
    histories = keys.histories_of(page.keys) if flag(request, "include_history") else {}
    listed = [payloads.api_key(key, history=histories.get(key.id)) for key in page.keys]
    if query.whole_account:
        owners = keys.owners_of(page.keys)
        listed = [told | payloads.owner(owners[told["iam_id"]]) for told in listed]
    return JsonAnswer(head_of(request, query, page) | {"apikeys": listed})


@authenticated
def export_keys(request: HttpRequest, caller: Caller) -> JsonAnswer:
    """Return one page of an export; its first page is an audit event.

    Raises BadRequest (400), Unauthenticated (401), NotAuthorized (403), InvalidApiKey (400), SearchTooSlow (503).
    """
    query = key_query(request, caller)
    form = choice("format", parameter(request, "format", Format.JSON), tuple(Format))
    page = exporting.page_of_export(caller, query, Format(form))
    return JsonAnswer(head_of(request, query, page) | {"apikeys": exporting.records_of(page)})


def head_of(request: HttpRequest, query: ApiKeyQuery, page: ApiKeyPage) -> dict[str, Any]:
    """Return what a page of keys says beside the keys."""
    owner = [payloads.OWNER] if parameter(request, payloads.OWNER) else []
    return {"limit": query.page_size, **neighbours(request, page), **payloads.applied(query, *owner)}


@authenticated
@sensitive_variables("body", "draft", "issued", "answer")
def create_key(request: HttpRequest, caller: Caller) -> JsonAnswer:
    """Make a key and return it with its value (201).

    Raises BadRequest and InvalidApiKey (400), Unauthenticated (401), IdempotencyKeyReused, AlreadyReceived and
    HandoverExpired (409), ApiKeyLimitReached (422).
    """
    body = json_body(request)
    iam_id = fields.needed_field(body, "iam_id")
    check_account(caller, text_field(body, "account_id"))
    draft = key_draft(
        body,
        for_service_id=iam_id.startswith(SERVICE_ID_PREFIX),
        iam_id=iam_id,
        locked=flag_header(request, "Entity-Lock"),
        disabled=flag_header(request, "Entity-Disable"),
    )
    issued = creation.create_api_key(caller, draft, fields.delivery_for(request, caller), same_only=True)
    answer = payloads.api_key(issued.key, value=issued.value)
    return created(answer, issued, asked_to_store=asks_to_store(body))


def created(body: dict[str, Any], issued: IssuedApiKey | None, *, asked_to_store: bool = False) -> JsonAnswer:
    """Return the answer to a creation, which may have made a key, with a warning of what nobody may expect of that."""
    warnings = [NOT_STORED] * asked_to_store
    if issued is not None:
        warnings += [LOOKS_LIKE_ANOTHER] * bool(issued.look_alike) + [DECOY_MADE] * issued.key.is_decoy
    return JsonAnswer(body, status=201, headers={"Warning": ", ".join(warnings)} if warnings else {})


@sensitive_variables("body")
def key_draft(body: Body, *, for_service_id: bool, **more: Any) -> ApiKeyDraft:
    """Return what a new key shall be, as the body and what else is known say. Raises InvalidApiKey, BadRequest."""
    if asks_to_store(body) and not for_service_id:
        raise BadRequest("store_value", _("store_value must be false for a person's API key."))
    return ApiKeyDraft(**bodies.draft_attributes(bodies.API_KEY, body), **more)


def asks_to_store(body: Body) -> bool:
    """Tell whether a body asks to store the value. Raises BadRequest."""
    found = body.get("store_value")
    return found is not None and fields.true_or_false(found, "store_value")


@authenticated
def get_key(request: HttpRequest, caller: Caller, key_id: str) -> JsonAnswer:
    """Return one key. Raises BadRequest (400), Unauthenticated (401), ApiKeyNotFound (404)."""
    key = keys.get_api_key(caller, key_id)
    history = history_where_asked(request, caller, key)
    return tagged(payloads.api_key(key, history=history, activity=flag(request, "include_activity")))


def key_details(request: Request) -> JsonAnswer:
    """Return the key of a value that the caller may see.

    Raises BadRequest (400), Unauthenticated (401), ApiKeyNotFound (404), TooManyAttempts (429).
    """
    try:
        value, address = needed_header(request, "IAM-ApiKey"), auth.client_address(request)
    except BadRequest:
        auth.caller_of_token(request)  # who may not ask is not told what is wrong with the question
        raise
    with Judged(value, request.client_address, address):
        caller, record = auth.caller_and_record(request, value, address)
        key = keys.get_api_key_of_record(caller, record)
    return tagged(payloads.api_key(key, history=history_where_asked(request, caller, key)))


@authenticated
def update_key(request: HttpRequest, caller: Caller, key_id: str) -> JsonAnswer:
    """Change the members that the body has, and return the key.

    Raises BadRequest and InvalidApiKey (400), Unauthenticated (401), NotAuthorized (403), ApiKeyNotFound (404),
    ApiKeyConflict and ApiKeyLocked (409).
    """
    entity_tag = needed_header(request, "If-Match")
    changes = ApiKeyChanges(**bodies.changed_attributes(bodies.API_KEY, json_body(request)))
    return tagged(payloads.api_key(keys.update_api_key(caller, key_id, changes, entity_tag=entity_tag)))


@authenticated
def identity_limits(request: HttpRequest, caller: Caller, account_id: str) -> JsonAnswer:
    """Return how many keys identities have, and may have.

    Raises BadRequest and InvalidApiKey (400), Unauthenticated (401).
    """
    check_account(caller, account_id)
    return limits_answer(caller, parameter(request, PER_IDENTITY).split(","))


@authenticated
def bulk_identity_limits(request: HttpRequest, caller: Caller, account_id: str) -> JsonAnswer:
    """Return the same for identities that the body lists, or names with commas between them; the same errors."""
    check_account(caller, account_id)
    found = json_body(request).get(PER_IDENTITY)
    asked = found.split(",") if isinstance(found, str) else fields.texts([] if found is None else found, PER_IDENTITY)
    return limits_answer(caller, asked)


def limits_answer(caller: Caller, identities: Sequence[str]) -> JsonAnswer:
    """Return how many keys each identity has, the caller where none is named. Raises BadRequest, InvalidApiKey."""
    asked = [printable(PER_IDENTITY, iam_id) for iam_id in identities if iam_id]
    if len(asked) > MAX_COUNTED:
        raise BadRequest(PER_IDENTITY, _("Ask for at most %(limit)d identities at once."), limit=MAX_COUNTED)
    counts = keys.count_api_keys(caller, asked or [caller.identity.iam_id])
    found = [{"iam_id": iam_id, "count": count} for iam_id, count in counts.items()]
    return JsonAnswer({PER_IDENTITY: {"limit": rules.effective().keys_per_identity, "identities": found}})


def history_where_asked(request: HttpRequest, caller: Caller, key: ApiKey) -> list[HistoryEntry] | None:
    return keys.get_history(caller, key.id) if flag(request, "include_history") else None


def tagged(body: dict[str, Any]) -> JsonAnswer:
    """Return the body with its entity tag in exactly one Etag header."""
    return JsonAnswer(body, headers={"ETag": body["entity_tag"]})


collection = resource(GET=list_keys, POST=create_key)
export = resource(GET=export_keys)
details = resource(GET=key_details)
item = resource(GET=get_key, PUT=update_key, DELETE=no_content(deletion.delete_api_key))
lock = switch(keys.lock_api_key, "locked")
disable = switch(keys.disable_api_key, "disabled")
limits = resource(GET=identity_limits, POST=bulk_identity_limits)
