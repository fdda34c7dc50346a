"""/v1/apikeys: create, list, look at, change and delete keys."""

from dataclasses import replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.debug import sensitive_variables

from apikeys import handover, services, tokens, wire
from apikeys.api.decorators import authenticated, resource
from apikeys.api.paging import KeyListing, parameter, printable
from apikeys.domain import ApiKey, ApiKeyDraft, Caller
from apikeys.exceptions import BadRequest
from apikeys.exceptions import gettext_noop as _

MAX_COUNTED = 100  # identities in one look at the limits


@authenticated
def list_keys(request: HttpRequest, caller: Caller) -> JsonResponse:
    listing = KeyListing.from_request(request, caller)
    page = services.list_api_keys(caller, listing.query)
    with_history = flag(request, "include_history")
    keys = [
        wire.api_key(key, history=services.get_history(caller, key.id) if with_history else None) for key in page.keys
    ]
    return JsonResponse(listing.answer(request, page, keys))


@authenticated
@sensitive_variables("body", "draft", "issued")
def create_key(request: HttpRequest, caller: Caller) -> JsonResponse:
    body = json_body(request)
    iam_id = required(body, "iam_id")
    check_account(caller, wire.text_field(body, "account_id"))
    draft = replace(
        key_draft(body),
        iam_id=iam_id,
        locked=flag_header(request, "Entity-Lock"),
        disabled=flag_header(request, "Entity-Disable"),
    )
    nonce = request.headers.get("Idempotency-Key")
    if nonce is not None and not handover.is_nonce(nonce):
        raise BadRequest("Idempotency-Key", _("Idempotency-Key must have 22 to 128 characters: A-Z a-z 0-9 _ -"))
    issued = services.create_api_key(caller, draft, nonce=nonce or "", same_only=True)
    return JsonResponse(wire.api_key(issued.key, value=issued.value), status=201)


def key_draft(body: dict[str, Any]) -> ApiKeyDraft:
    """Return what a new key shall be, as the body says it. Raises InvalidApiKey, BadRequest."""
    if wire.bool_field(body, "store_value"):
        raise BadRequest("store_value", _("store_value must be false: values are not stored."))
    expires_at = wire.text_field(body, "expires_at")
    return ApiKeyDraft(
        name=wire.text_field(body, "name") or "",
        description=wire.text_field(body, "description") or "",
        value=wire.own_value_field(body),
        expires_at=wire.parse_date(expires_at) if expires_at else None,
        support_sessions=bool(wire.bool_field(body, "support_sessions")),
        action_when_leaked=wire.leaked_action_field(body),
    )


@authenticated
def get_key(request: HttpRequest, caller: Caller, key_id: str) -> JsonResponse:
    key = services.get_api_key(caller, key_id)
    history = history_where_asked(request, caller, key)
    return tagged(wire.api_key(key, history=history, activity=flag(request, "include_activity")))


@authenticated
@sensitive_variables("value")
def key_details(request: HttpRequest, caller: Caller) -> JsonResponse:
    """The key of a value that the caller may see."""
    value = header_text(request, "IAM-ApiKey")
    if not value:
        raise BadRequest("IAM-ApiKey", _("The header IAM-ApiKey is missing."))
    key = services.get_api_key(caller, tokens.key_id_of_value(value))
    return tagged(wire.api_key(key, history=history_where_asked(request, caller, key)))


@authenticated
def update_key(request: HttpRequest, caller: Caller, key_id: str) -> JsonResponse:
    entity_tag = request.headers.get("If-Match", "")
    if not entity_tag:
        raise BadRequest("If-Match", _("The header If-Match is missing."))
    body = json_body(request)
    changes: dict[str, Any] = {
        name: text for name in ("name", "description") if (text := wire.text_field(body, name)) is not None
    }
    if (expires_at := wire.text_field(body, "expires_at")) is not None:
        changes["expires_at"] = wire.parse_date(expires_at) if expires_at else None
    if (support_sessions := wire.bool_field(body, "support_sessions")) is not None:
        changes["support_sessions"] = support_sessions
    if (action := wire.leaked_action_field(body)) is not None:
        changes["action_when_leaked"] = action
    return tagged(wire.api_key(services.update_api_key(caller, key_id, entity_tag=entity_tag, **changes)))


@authenticated
def delete_key(request: HttpRequest, caller: Caller, key_id: str) -> HttpResponse:
    services.delete_api_key(caller, key_id)
    return HttpResponse(status=204)


@authenticated
def lock_key(request: HttpRequest, caller: Caller, key_id: str) -> HttpResponse:
    services.lock_api_key(caller, key_id, locked=True)
    return HttpResponse(status=204)


@authenticated
def unlock_key(request: HttpRequest, caller: Caller, key_id: str) -> HttpResponse:
    services.lock_api_key(caller, key_id, locked=False)
    return HttpResponse(status=204)


@authenticated
def disable_key(request: HttpRequest, caller: Caller, key_id: str) -> HttpResponse:
    services.disable_api_key(caller, key_id, disabled=True)
    return HttpResponse(status=204)


@authenticated
def enable_key(request: HttpRequest, caller: Caller, key_id: str) -> HttpResponse:
    services.disable_api_key(caller, key_id, disabled=False)
    return HttpResponse(status=204)


@authenticated
def identity_limits(request: HttpRequest, caller: Caller, account_id: str) -> JsonResponse:
    """How many keys identities have, and may have."""
    name = "apikeys_per_identity"
    check_account(caller, account_id)
    asked = [part for part in printable(name, parameter(request, name)).split(",") if part]
    if len(asked) > MAX_COUNTED:
        raise BadRequest(name, _("Ask for at most %(limit)d identities at once."), limit=MAX_COUNTED)
    counts = services.count_api_keys(caller, asked or [caller.identity.iam_id])
    identities = [{"iam_id": iam_id, "count": count} for iam_id, count in counts.items()]
    return JsonResponse({"apikeys_per_identity": {"limit": settings.APIKEYS_PER_IDENTITY, "identities": identities}})


def json_body(request: HttpRequest) -> dict[str, Any]:
    """Return the request's JSON object. Raises BadRequest; a form or plain text is never read as JSON."""
    if request.content_type != "application/json":
        raise BadRequest("Content-Type", _("Send the body as application/json."))
    return wire.json_object(request.body)


def required(body: dict[str, Any], name: str) -> str:
    found = wire.text_field(body, name)
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
    return services.get_history(caller, key.id) if flag(request, "include_history") else None


def tagged(body: dict[str, Any]) -> JsonResponse:
    """Return the body with its entity tag in exactly one Etag header."""
    return JsonResponse(body, headers={"ETag": body["entity_tag"]})


collection = resource(GET=list_keys, POST=create_key)
details = resource(GET=key_details)
item = resource(GET=get_key, PUT=update_key, DELETE=delete_key)
lock = resource(POST=lock_key, DELETE=unlock_key)
disable = resource(POST=disable_key, DELETE=enable_key)
limits = resource(GET=identity_limits)
