"""Reading a request: query parameters, headers, the JSON body and its members; refused with a sentence."""

import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs

from django.conf import settings
from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from apikeys import networks, scopes
from apikeys.domain import CRN_MAX_LENGTH, MAX_CRNS, MAX_DAYS, Caller, LeakedAction, is_printable
from apikeys.exceptions import BadRequest, InvalidApiKey
from apikeys.exceptions import gettext_noop as _
from apikeys.iam.payloads import parse_date, parse_day, parse_days
from apikeys.services.delivery import MIN_VARIETY, Delivery, has_variety
from apikeys.values import MAX_OWN_VALUE, MIN_OWN_VALUE

URLENCODED = "application/x-www-form-urlencoded"
Body = dict[str, Any]
Read = TypeVar("Read")

# Query parameters


def parameter(request: HttpRequest, name: str, default: str = "") -> str:
    """Return a query parameter. Raises BadRequest for one that is given twice: which one is meant?"""
    found = request.GET.getlist(name)
    if len(found) > 1:
        raise BadRequest(name, _("%(name)s appears more than once."), name=name)
    return found[0] if found else default


def choice(name: str, text: str, choices: tuple[str, ...]) -> str:
    """Return a text that is one of these. Raises BadRequest."""
    if text not in choices:
        allowed = ", ".join(option for option in choices if option)
        raise BadRequest(name, _("%(name)s must be one of: %(choices)s"), name=name, choices=allowed)
    return text


def printable(name: str, text: str) -> str:
    """Return a text that a database can look for. Raises BadRequest."""
    if not is_printable(text):
        raise BadRequest(name, _("%(name)s contains a control character."), name=name)
    return text


def flag(request: HttpRequest, name: str) -> bool:
    """Return a true-or-false query parameter, false where absent. Raises BadRequest."""
    return read_flag(name, parameter(request, name, "false"))


def where_given(request: HttpRequest, name: str, read: Callable[[str, str], Read]) -> Read | None:
    """Return what one of the readers below makes of a query parameter, None where it is absent. Raises BadRequest."""
    return read(name, parameter(request, name)) if name in request.GET else None


def read_days(name: str, text: str) -> int:
    """Return a number of days. Raises BadRequest."""
    try:
        return parse_days(text)
    except ValueError:
        raise BadRequest(name, _("%(name)s must be a number from 1 to %(most)d."), name=name, most=MAX_DAYS) from None


def read_day(name: str, text: str) -> date:
    """Return a date. Raises BadRequest."""
    try:
        return parse_day(text)
    except ValueError:
        raise BadRequest(name, _("%(name)s must be a date such as 2026-01-31."), name=name) from None


def read_flag(name: str, text: str) -> bool:
    """Return whether a text is true or false. Raises BadRequest."""
    if text.lower() not in ("true", "false"):
        raise BadRequest(name, _("%(name)s must be true or false."), name=name)
    return text.lower() == "true"


# Headers


def flag_header(request: HttpRequest, name: str) -> bool:
    """Return a true-or-false header, false where absent. Raises BadRequest."""
    return read_flag(name, request.headers.get(name, "false"))


def needed_header(request: HttpRequest, name: str) -> str:
    """Return a header as UTF-8. WSGI hands bytes over as Latin-1; values may have any characters. Raises BadRequest."""
    text = str(request.META.get(f"HTTP_{name.upper().replace('-', '_')}", ""))
    if not text:
        raise BadRequest(name, _("The header %(name)s is missing."), name=name)
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def delivery_for(request: HttpRequest, caller: Caller) -> Delivery | None:
    """Return the hand-over of an Idempotency-Key, None without one. Raises BadRequest for one that is not random."""
    name = "Idempotency-Key"
    found = request.headers.get(name)
    if found is None:
        return None
    try:
        delivery = Delivery(caller.identity.iam_id, found)
    except InvalidApiKey:
        raise BadRequest(name, _("Idempotency-Key must have 22 to 128 characters: A-Z a-z 0-9 _ -")) from None
    if not has_variety(found):
        raise BadRequest(
            name,
            _("Idempotency-Key has fewer than %(least)d different characters. Use a random one for each request."),
            least=MIN_VARIETY,
        )
    return delivery


# The body


def form_values(request: HttpRequest, name: str) -> list[str]:
    """Return what the form has under a name, nothing where the body is no form; what Django's POST does, in less time.

    Raises what POST raises for a body that can't be read.
    """
    if request.method != "POST" or request.content_type != URLENCODED:
        return request.POST.getlist(name)
    form: dict[str, list[str]] | None = getattr(request, "form", None)
    if form is None:
        form = request.form = parsed_form(request.body)  # type: ignore[attr-defined]
    return form.get(name, [])


def parsed_form(body: bytes) -> dict[str, list[str]]:
    """Return the fields of a form. Raises TooManyFieldsSent."""
    try:
        text = body.decode()
    except UnicodeDecodeError:  # as Django does it
        text = body.decode("latin-1")
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=settings.DATA_UPLOAD_MAX_NUMBER_FIELDS)
    except ValueError as exc:
        raise TooManyFieldsSent from exc


def json_body(request: HttpRequest) -> Body:
    """Return the request's JSON object. Raises BadRequest; a form or plain text is never read as JSON."""
    if request.content_type != "application/json":
        raise BadRequest("Content-Type", _("Send the body as application/json."))
    return json_object(request.body)


def json_object(body: bytes) -> Body:
    """Return the JSON object of a request body. Raises BadRequest, for a repeated member and for NaN too."""

    def members(pairs: list[tuple[str, Any]]) -> Body:
        if len({name for name, _value in pairs}) != len(pairs):
            raise ValueError
        return dict(pairs)

    def no_number(word: str) -> Any:
        raise ValueError(word)

    try:
        parsed = json.loads(body.decode("utf-8"), object_pairs_hook=members, parse_constant=no_number)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise BadRequest("body", _("The body is not a JSON object."))
    return parsed


def text_field(body: Body, name: str) -> str:
    """Return a string member, "" where it is absent or null. Raises BadRequest for any other type."""
    return "" if body.get(name) is None else text(body[name], name)


def needed_field(body: Body, name: str) -> str:
    """Return a string member that is not empty. Raises BadRequest."""
    found = text_field(body, name)
    if not found:
        raise BadRequest(name, _("The property %(name)s is missing or empty."), name=name)
    return found


# Readers of one member that is present: called with its JSON value and with its name, for the refusal


def text(found: Any, name: str) -> str:
    """Return a string. Raises BadRequest."""
    if not isinstance(found, str):
        raise BadRequest(name, _("The property %(name)s must be a string."), name=name)
    return found


def cleaned(clean: Callable[[str], str]) -> Callable[[Any, str], str]:
    """Return the reader of a string that a validation returns cleaned. Raises BadRequest, InvalidApiKey."""
    return lambda found, name: clean(text(found, name))


def texts(found: Any, name: str) -> list[str]:
    """Return a list of strings. Raises BadRequest."""
    if not (isinstance(found, list) and all(isinstance(text, str) for text in found)):
        raise BadRequest(name, _("The property %(name)s must be a list of strings."), name=name)
    return found


def true_or_false(found: Any, name: str) -> bool:
    """Return a boolean; "true" and "false" count, as IBM's tools send them. Raises BadRequest."""
    if isinstance(found, bool):
        return found
    if found not in ("true", "false"):
        raise BadRequest(name, _("The property %(name)s must be true or false."), name=name)
    return bool(found == "true")


def moment(found: Any, name: str) -> datetime | None:
    """Return a moment, None for "". Raises BadRequest, InvalidApiKey."""
    return parse_date(found) if text(found, name) else None


def leaked_action(found: Any, name: str) -> LeakedAction | None:
    """Return an action, which may be written in capitals as on the command line, None for "". Raises BadRequest."""
    if not text(found, name):
        return None
    for action in LeakedAction:
        if found in (action, action.upper()):
            return action
    raise BadRequest(name, _("action_when_leaked must be none, disable or delete."))


@sensitive_variables("found", "value")
def own_value(found: Any, name: str) -> str:
    """Return a value that the caller brings, "" for none. Raises BadRequest, InvalidApiKey."""
    value = text(found, name)
    if value and not MIN_OWN_VALUE <= len(value) <= MAX_OWN_VALUE:
        raise InvalidApiKey(name, _("Your own value must have 32 characters or more."))
    if not is_printable(value):
        raise InvalidApiKey(name, _("This contains a control character. Remove it."))
    return value


def scope(found: Any, name: str) -> str:
    """Return the names of a scope as its text, "" for none. Raises BadRequest, InvalidApiKey."""
    return scopes.clean(_entries(found, name))


def key_networks(found: Any, name: str) -> str:
    """Return networks as their text, "" for none. Raises BadRequest, InvalidApiKey."""
    return networks.clean(_entries(found, name))


def _entries(found: Any, name: str) -> list[str]:
    """Return texts that limit a key: what lifts the limit is an empty list, never an empty entry of one."""
    listed = _printable_texts(found, name)
    if not all(entry.strip() for entry in listed):
        raise InvalidApiKey(name, _("Leave no entry empty."))
    return listed


def _printable_texts(found: Any, name: str) -> list[str]:
    listed = texts(found, name)
    if not all(map(is_printable, listed)):
        raise InvalidApiKey(name, _("This contains a control character. Remove it."))
    return listed


def crns(found: Any, name: str) -> tuple[str, ...]:
    """Return Cloud Resource Names. Raises BadRequest, InvalidApiKey."""
    found = texts(found, name)
    if len(found) > MAX_CRNS or any(not 1 <= len(crn) <= CRN_MAX_LENGTH for crn in found):
        raise InvalidApiKey(
            name,
            _("%(name)s accepts up to %(most)d CRNs of 1 to %(length)d characters."),
            name=name,
            most=MAX_CRNS,
            length=CRN_MAX_LENGTH,
        )
    return tuple(_printable_texts(found, name))
