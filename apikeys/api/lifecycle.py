"""/v1/apikeys: what becomes of a key after it was created: new values, pauses, the way back, its uses and refusals."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from apikeys.api import fields
from apikeys.api.answers import JsonAnswer
from apikeys.api.decorators import authenticated, no_content, resource
from apikeys.api.fields import Body, json_body
from apikeys.api.keys import tagged
from apikeys.domain import MAX_OVERLAP, MAX_PAUSE, ApiKey, Caller, KeyUse, Overlap, UseDay
from apikeys.exceptions import BadRequest, RefusalNotFound
from apikeys.exceptions import gettext_noop as _
from apikeys.iam import payloads
from apikeys.services import deletion, keys, refusals, rotation

DEFAULT_OVERLAP = timedelta(days=1)
DEFAULT_PAUSE = timedelta(minutes=5)


@authenticated
@sensitive_variables("issued", "answer")
def rotate(request: HttpRequest, caller: Caller, key_id: str) -> JsonAnswer:
    """Give the key a new value and return it with that (201); the previous one works for the overlap.

    Raises BadRequest and InvalidApiKey (400), Unauthenticated (401), NotAuthorized (403), ApiKeyNotFound (404),
    RotationUnderWay, ApiKeyLocked, IdempotencyKeyReused, AlreadyReceived and HandoverExpired (409).
    """
    body = json_body(request)
    is_leaked = "overlap_seconds" not in body and keys.get_api_key(caller, key_id).leaked
    overlap = overlap_of(body, timedelta() if is_leaked else DEFAULT_OVERLAP)
    issued = rotation.rotate_api_key(caller, key_id, overlap, fields.delivery_for(request, caller))
    answer = payloads.api_key(issued.key, value=issued.value)
    return JsonAnswer(answer, status=201)


def overlap_of(body: Body, otherwise: timedelta) -> Overlap:
    """Return the overlap that a body asks for, `otherwise` where it says nothing. Raises BadRequest."""
    seconds = seconds_of(body, "overlap_seconds", otherwise, least=timedelta(), most=MAX_OVERLAP)
    flags = {name: said(body, name) for name in ("until_ended", "ask_at_end", "end_previous")}
    return Overlap(
        None if flags["until_ended"] else seconds,
        asks_at_end=flags["ask_at_end"],
        ends_previous=flags["end_previous"],
    )


def said(body: Body, name: str) -> bool:
    """Tell whether a member is true; it is false where it is absent or null. Raises BadRequest."""
    return body.get(name) is not None and fields.true_or_false(body[name], name)


def seconds_of(body: Body, name: str, otherwise: timedelta, *, least: timedelta, most: timedelta) -> timedelta:
    """Return a number of seconds; `otherwise` where it is absent or null. Raises BadRequest."""
    found = body.get(name)
    if found is None:
        return otherwise
    low, high = int(least.total_seconds()), int(most.total_seconds())
    is_whole = isinstance(found, int | float) and not isinstance(found, bool) and found == found // 1  # 1.0 is one, too
    if not is_whole or not low <= found <= high:
        raise BadRequest(
            name,
            _("The property %(name)s must be a number of seconds from %(low)d to %(high)d."),
            name=name,
            low=low,
            high=high,
        )
    return timedelta(seconds=int(found))


@authenticated
def pause(request: HttpRequest, caller: Caller, key_id: str) -> JsonAnswer:
    """Refuse the key for some seconds, and return it.

    Raises BadRequest and InvalidApiKey (400), Unauthenticated (401), ApiKeyNotFound (404), ApiKeyLocked (409).
    """
    lasts = seconds_of(json_body(request), "seconds", DEFAULT_PAUSE, least=timedelta(seconds=1), most=MAX_PAUSE)
    return tagged(payloads.api_key(deletion.pause_api_key(caller, key_id, lasts)))


@authenticated
def list_deleted(_request: HttpRequest, caller: Caller) -> JsonAnswer:
    """Return the keys that were deleted and can be restored, or say who still calls. Raises Unauthenticated (401)."""
    found = [payloads.deleted_key(deleted, caller.identity) for deleted in deletion.deleted_keys(caller)]
    return JsonAnswer({"apikeys": found})


@authenticated
def restore(_request: HttpRequest, caller: Caller, key_id: str) -> JsonAnswer:
    """Bring back a key that the caller deleted, and return it.

    Raises Unauthenticated (401), ApiKeyNotFound (404), NotRestorable (409), ApiKeyLimitReached (422).
    """
    return tagged(payloads.api_key(deletion.restore_api_key(caller, key_id).key))


@authenticated
def usage(_request: HttpRequest, caller: Caller, key_id: str) -> JsonAnswer:
    """Return where the key is used and how often, and how far a rotation is.

    Raises Unauthenticated (401), ApiKeyNotFound (404).
    """
    key = keys.get_api_key(caller, key_id)
    body: dict[str, Any] = payloads.key_use(use_told_of(key))
    previous = rotation.previous_value_of(key)
    if previous is not None:
        body["rotation"] = payloads.rotation(previous, rotation.progress_of(key, previous))
    return JsonAnswer(body)


def use_told_of(key: ApiKey) -> KeyUse:
    """Return the uses of a key; none of a decoy, which a program with its owner's token must not tell from others."""
    use = keys.use_of(key)
    return KeyUse((), tuple(UseDay(day.day) for day in use.days)) if key.is_decoy else use


@authenticated
def why(_request: HttpRequest, caller: Caller, key_id: str) -> JsonAnswer:
    """Return why the key is refused now, and was lately. Raises Unauthenticated (401), ApiKeyNotFound (404)."""
    found = refusals.why_for_program(caller, key_id)
    cause = {} if found.cause is None else {"cause": payloads.cause(found.cause)}
    return JsonAnswer({**cause, "refusals": [payloads.refusal(refusal) for refusal in found.refusals]})


@authenticated
def explain(_request: HttpRequest, caller: Caller, request_id: str) -> JsonAnswer:
    """Return what was refused in the request of this id. Raises Unauthenticated (401), RefusalNotFound (404)."""
    found = [each for each in refusals.by_request(caller, request_id) if not each.key.is_decoy]
    if not found:
        raise RefusalNotFound
    return JsonAnswer({"refusals": [payloads.refusal(explained.refusal) for explained in found]})


rotation_of_key = resource(POST=rotate)
previous = resource(DELETE=no_content(rotation.end_previous_value))
pause_of_key = resource(POST=pause, DELETE=no_content(deletion.resume_api_key))
deleted = resource(GET=list_deleted)
restored = resource(POST=restore)
usage_of_key = resource(GET=usage)
refusals_of_key = resource(GET=why)
refusals_of_request = resource(GET=explain)
