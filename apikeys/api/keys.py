"""/v1/apikeys: create, list, look at, change and delete keys."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.debug import sensitive_variables

from apikeys.api.decorators import authenticated, resource
from apikeys.api.paging import KeyListing, parameter, printable
from apikeys.domain import SERVICE_ID_PREFIX, UNSET, ApiKey, ApiKeyChanges, ApiKeyDraft, Caller
from apikeys.exceptions import BadRequest
from apikeys.exceptions import gettext_noop as _
from apikeys.iam import payloads
from apikeys.identity import tokens
from apikeys.services import delivery, keys

MAX_COUNTED = 100  # identities in one look at the limits
PER_IDENTITY = "apikeys_per_identity"
# RFC 7234, section 5.5: a header of ASCII characters, for programs and their logs.
NOT_STORED = '299 - "The value is not stored: this answer is the only one that carries it."'

LOOKS_LIKE_ANOTHER = '299 - "The owner has another API key whose name looks the same."'


@authenticated
def list_keys(request: HttpRequest, caller: Caller) -> JsonResponse:
    listing = KeyListing.from_request(request, caller)
    page = keys.list_api_keys(caller, listing.query)
    histories = keys.histories_of(page.keys) if flag(request, "include_history") else {}
    listed = [payloads.api_key(key, history=histories.get(key.id)) for key in page.keys]
    return JsonResponse(listing.answer(request, page, listed))


@authenticated
@sensitive_variables("body", "draft", "issued")
def create_key(request: HttpRequest, caller: Caller) -> JsonResponse:
    body = json_body(request)
    iam_id = required(body, "iam_id")
    check_account(caller, payloads.text_field(body, "account_id"))
    for_service_id = iam_id.startswith(SERVICE_ID_PREFIX)
    draft = replace(
        key_draft(body, for_service_id=for_service_id),
        iam_id=iam_id,
        locked=flag_header(request, "Entity-Lock"),
        disabled=flag_header(request, "Entity-Disable"),
    )
    issued = keys.create_api_key(caller, draft, nonce=idempotency_key(request), same_only=True)
    asked_to_store = bool(payloads.bool_field(body, "store_value"))
    body = payloads.api_key(issued.key, value=issued.value)
    return created(body, asked_to_store=asked_to_store, looks_like_another=bool(issued.look_alike))


def idempotency_key(request: HttpRequest) -> str:
    """Return the Idempotency-Key of a creation, "" without one. Raises BadRequest for one that is not random."""
    name = "Idempotency-Key"
    found = request.headers.get(name)
    if found is None:
        return ""
    if not delivery.is_nonce(found):
        raise BadRequest(name, _("Idempotency-Key must have 22 to 128 characters: A-Z a-z 0-9 _ -"))
    if not delivery.has_variety(found):
        raise BadRequest(
            name,
            _("Idempotency-Key has fewer than %(least)d different characters. Use a random one for each request."),
            least=delivery.MIN_VARIETY,
        )
    return found


def created(body: dict[str, Any], *, asked_to_store: bool = False, looks_like_another: bool = False) -> JsonResponse:
    """Return the answer to a creation, with a warning where a value was to be stored, or names look the same."""
    warnings = [NOT_STORED] * asked_to_store + [LOOKS_LIKE_ANOTHER] * looks_like_another
    return JsonResponse(body, status=201, headers={"Warning": ", ".join(warnings)} if warnings else {})


def key_draft(body: dict[str, Any], *, for_service_id: bool) -> ApiKeyDraft:
    """Return what a new key shall be, as the body says it. Raises InvalidApiKey, BadRequest."""
    if payloads.bool_field(body, "store_value") and not for_service_id:
        raise BadRequest("store_value", _("store_value must be false for a person's API key."))
    expires_at = payloads.text_field(body, "expires_at")
    return ApiKeyDraft(
        name=payloads.text_field(body, "name") or "",
        description=payloads.text_field(body, "description") or "",
        value=payloads.own_value_field(body),
        expires_at=payloads.parse_date(expires_at) if expires_at else None,
        support_sessions=bool(payloads.bool_field(body, "support_sessions")),
        action_when_leaked=payloads.leaked_action_field(body),
    )


@authenticated
def get_key(request: HttpRequest, caller: Caller, key_id: str) -> JsonResponse:
    key = keys.get_api_key(caller, key_id)
    history = history_where_asked(request, caller, key)
    return tagged(payloads.api_key(key, history=history, activity=flag(request, "include_activity")))


@authenticated
@sensitive_variables("value")
def key_details(request: HttpRequest, caller: Caller) -> JsonResponse:
    """The key of a value that the caller may see."""
    value = header_text(request, "IAM-ApiKey")
    if not value:
        raise BadRequest("IAM-ApiKey", _("The header IAM-ApiKey is missing."))
    key = keys.get_api_key(caller, tokens.key_id_of_value(value))
    return tagged(payloads.api_key(key, history=history_where_asked(request, caller, key)))


@authenticated
def update_key(request: HttpRequest, caller: Caller, key_id: str) -> JsonResponse:
    entity_tag = request.headers.get("If-Match", "")
    if not entity_tag:
        raise BadRequest("If-Match", _("The header If-Match is missing."))
    body = json_body(request)
    expires_at = payloads.text_field(body, "expires_at")
    changes = ApiKeyChanges(
        name=payloads.text_field(body, "name"),
        description=payloads.text_field(body, "description"),
        expires_at=UNSET if expires_at is None else payloads.parse_date(expires_at) if expires_at else None,
        support_sessions=payloads.bool_field(body, "support_sessions"),
        action_when_leaked=payloads.leaked_action_field(body),
    )
    return tagged(payloads.api_key(keys.update_api_key(caller, key_id, changes, entity_tag=entity_tag)))


@authenticated
def delete_key(request: HttpRequest, caller: Caller, key_id: str) -> HttpResponse:
    keys.delete_api_key(caller, key_id)
    return HttpResponse(status=204)


@authenticated
def lock_key(request: HttpRequest, caller: Caller, key_id: str) -> HttpResponse:
    keys.lock_api_key(caller, key_id, locked=True)
    return HttpResponse(status=204)


@authenticated
def unlock_key(request: HttpRequest, caller: Caller, key_id: str) -> HttpResponse:
    keys.lock_api_key(caller, key_id, locked=False)
    return HttpResponse(status=204)


@authenticated
def disable_key(request: HttpRequest, caller: Caller, key_id: str) -> HttpResponse:
    keys.disable_api_key(caller, key_id, disabled=True)
    return HttpResponse(status=204)


@authenticated
def enable_key(request: HttpRequest, caller: Caller, key_id: str) -> HttpResponse:
    keys.disable_api_key(caller, key_id, disabled=False)
    return HttpResponse(status=204)


@authenticated
def identity_limits(request: HttpRequest, caller: Caller, account_id: str) -> JsonResponse:
    """How many keys identities have, and may have."""
    check_account(caller, account_id)
    return limits_answer(caller, parameter(request, PER_IDENTITY).split(","))


@authenticated
def bulk_identity_limits(request: HttpRequest, caller: Caller, account_id: str) -> JsonResponse:
    """The same for identities that the body lists, or names with commas between them."""
    check_account(caller, account_id)
    body = json_body(request)
    found = body.get(PER_IDENTITY)
    asked = found.split(",") if isinstance(found, str) else payloads.texts_field(body, PER_IDENTITY)
    return limits_answer(caller, asked or [])


def limits_answer(caller: Caller, identities: Sequence[str]) -> JsonResponse:
    """Return how many keys each identity has, the caller where none is named. Raises BadRequest, InvalidApiKey."""
    asked = [printable(PER_IDENTITY, iam_id) for iam_id in identities if iam_id]
    if len(asked) > MAX_COUNTED:
        raise BadRequest(PER_IDENTITY, _("Ask for at most %(limit)d identities at once."), limit=MAX_COUNTED)
    counts = keys.count_api_keys(caller, asked or [caller.identity.iam_id])
    found = [{"iam_id": iam_id, "count": count} for iam_id, count in counts.items()]
    return JsonResponse({PER_IDENTITY: {"limit": settings.APIKEYS_PER_IDENTITY, "identities": found}})


def json_body(request: HttpRequest) -> dict[str, Any]:
    """Return the request's JSON object. Raises BadRequest; a form or plain text is never read as JSON."""
    if request.content_type != "application/json":
        raise BadRequest("Content-Type", _("Send the body as application/json."))
    return payloads.json_object(request.body)


def required(body: dict[str, Any], name: str) -> str:
    found = payloads.text_field(body, name)
    if not found:
        raise BadRequest(name, _("The property %(name)s is missing or empty."), name=name)
    return found


def check_account(caller: Caller, account_id: str | None) -> None:
    """Raise BadRequest when a request names another account than its token does."""
    if account_id and account_id != caller.identity.account_id:
        raise BadRequest("account_id", _("The specified account does not match the account in the token."))


def flag(request: HttpRequest, name: str) -> bool:
    """Return a true-or-false query parameter. Raises BadRequest for anything else."""
    return _boolean(name, parameter(request, name, "false"))


def header_text(request: HttpRequest, name: str) -> str:
    """Return a header as UTF-8, "" where absent. WSGI hands bytes over as Latin-1; values may have any characters."""
    text = request.headers.get(name, "")
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def flag_header(request: HttpRequest, name: str) -> bool:
    return _boolean(name, request.headers.get(name, "false"))


def _boolean(name: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise BadRequest(name, _("%(name)s must be true or false."), name=name)
    return text.lower() == "true"


def history_where_asked(request: HttpRequest, caller: Caller, key: ApiKey) -> Any:
    return keys.get_history(caller, key.id) if flag(request, "include_history") else None


def tagged(body: dict[str, Any]) -> JsonResponse:
    """Return the body with its entity tag in exactly one Etag header."""
    return JsonResponse(body, headers={"ETag": body["entity_tag"]})


collection = resource(GET=list_keys, POST=create_key)
details = resource(GET=key_details)
item = resource(GET=get_key, PUT=update_key, DELETE=delete_key)
lock = resource(POST=lock_key, DELETE=unlock_key)
disable = resource(POST=disable_key, DELETE=enable_key)
limits = resource(GET=identity_limits, POST=bulk_identity_limits)
