"""What the bodies of requests may have: each member with its reader, and with its schema in the OpenAPI description.

A new member of a key or a service ID is one row here, called like its attribute of the draft and of the changes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.views.decorators.debug import sensitive_variables

from apikeys import networks, scopes
from apikeys.api import fields
from apikeys.api.fields import Body
from apikeys.api.openapi.shapes import FULL_DATE, PRINTABLE, SPACE, Schema, and_also, text, trimmed, visible
from apikeys.domain import CRN_MAX_LENGTH, DESCRIPTION_MAX_LENGTH, MAX_CRNS, NAME_MAX_LENGTH, LeakedAction
from apikeys.services.validation import clean_description, clean_name
from apikeys.values import MAX_OWN_VALUE, MIN_CHARACTERS, MIN_OWN_VALUE, MIN_RUNS, MIN_STEPS


@dataclass(frozen=True, slots=True)
class Member:
    """One member; its schemas are None where a creation, or a change, does not have it.

    `read` gets what the body has, never null, and the member's name. Without it the operation asks for the member.
    """

    name: str
    read: Callable[[Any, str], Any] | None
    create: Schema | None = None
    change: Schema | None = None
    attribute: str = ""  # where it is not called like the member


@sensitive_variables("body")
def draft_attributes(members: Iterable[Member], body: Body) -> dict[str, Any]:
    """Return what the body of a creation gives, by attribute. Raises BadRequest, InvalidApiKey, also without a name."""
    if body.get("name") is None:
        body = body | {"name": ""}
    return _attributes((member for member in members if member.create), body)


def changed_attributes(members: Iterable[Member], body: Body) -> dict[str, Any]:
    """Return what the body of a change gives, by attribute. Raises BadRequest, InvalidApiKey."""
    return _attributes((member for member in members if member.change), body)


@sensitive_variables("body")
def _attributes(members: Iterable[Member], body: Body) -> dict[str, Any]:
    return {
        member.attribute or member.name: member.read(body[member.name], member.name)
        for member in members
        if member.read and body.get(member.name) is not None
    }


def creation_schemas(members: Iterable[Member]) -> Schema:
    return {member.name: member.create for member in members if member.create}


def change_schemas(members: Iterable[Member]) -> Schema:
    return {member.name: member.change for member in members if member.change}


# A null in a request is an absent member, as clients of IBM's API send it.
OR_NULL: Schema = {"type": ["string", "null"]}
ACTIONS = [str(action) for action in LeakedAction]
TRUE_OR_FALSE = {"enum": [True, False, "true", "false", None]}

NAME = text(
    f"1 to {NAME_MAX_LENGTH} characters, at least one of them visible, no control characters. White space around it is "
    "removed. Need not be unique.",
    pattern=visible(NAME_MAX_LENGTH),
    examples=["terraform"],
)
DESCRIPTION = OR_NULL | {
    "description": f"Up to {DESCRIPTION_MAX_LENGTH} characters, no control characters.",
    "pattern": rf"({trimmed(DESCRIPTION_MAX_LENGTH)})|(^{SPACE}*$)",
    "examples": ["Applies changes"],
}
EXPIRES_AT = OR_NULL | {
    "description": "UTC, seconds optional.",
    "pattern": rf"^({FULL_DATE}(:[0-5][0-9])?(\+0000|\+00:00|Z))?$",
    "examples": ["2030-01-31T18:00+0000"],
}
LEAKED_ACTION = {
    "enum": [*ACTIONS, *(action.upper() for action in ACTIONS), "", None],
    "description": "What happens to the key when it is found in public.",
}
OWN_VALUE = OR_NULL | {
    "description": f"Your own value: {MIN_OWN_VALUE} to {MAX_OWN_VALUE} random characters. "
    f"Refused with fewer than {MIN_CHARACTERS} different characters, {MIN_RUNS} different runs of "
    f"three or {MIN_STEPS} different steps from one to the next, or if it is not available. "
    "Leave it out to let the server generate a stronger one.",
    "pattern": rf"^([^\u0000-\u001f]{{{MIN_OWN_VALUE},{MAX_OWN_VALUE}}})?$",
}
CRNS: Schema = {
    "type": ["array", "null"],
    "items": text(pattern=PRINTABLE, minLength=1, maxLength=CRN_MAX_LENGTH),
    "maxItems": MAX_CRNS,
    "description": "CRNs of the services that it is for. The server stores and returns them but does not use them.",
}

SCOPES: Schema = {
    "type": ["array", "null"],
    "items": text(pattern=f"^{scopes.NAME.pattern}$", maxLength=scopes.NAME_MAX_LENGTH, examples=[scopes.READ]),
    "description": f"What the key may do: `{scopes.READ}` (only look at keys of this API), `{scopes.WRITE}` "
    "(everything of this API), and names that an administrator has defined. If absent or empty, all its owner may.",
}
NETWORKS: Schema = {
    "type": ["array", "null"],
    "items": text(pattern=PRINTABLE, minLength=1, examples=["192.0.2.0/24", "!192.0.2.7"]),
    "maxItems": networks.MOST,
    "description": "From where the key may be used: addresses and networks of IPv4 and IPv6, with a `!` before one "
    "that is excluded. If absent or empty, from everywhere.",
}

NAMES = (
    Member("name", fields.cleaned(clean_name), NAME, NAME | OR_NULL),
    Member("description", fields.cleaned(clean_description), DESCRIPTION, and_also(DESCRIPTION, '"" clears it.')),
)
API_KEY = (
    *NAMES,
    Member(
        "decoy",
        fields.true_or_false,
        TRUE_OR_FALSE
        | {"description": "Make a decoy: any use of it is refused and raises the alarm. No answer about it says so."},
        attribute="is_decoy",
    ),
    # A date in the past ends the key in a change, and is refused in a creation: hence two rows.
    Member(
        "expires_at",
        fields.moment,
        change=and_also(EXPIRES_AT, 'A date in the past ends the key; "" removes the date.'),
    ),
    Member("apikey", fields.own_value, OWN_VALUE, attribute="value"),
    Member(
        "store_value",
        None,
        TRUE_OR_FALSE | {"description": "The value is never stored. If this is true, the header Warning says so."},
    ),
    Member("scopes", fields.scope, SCOPES, and_also(SCOPES, "`[]` lifts the limit."), attribute="scope"),
    Member("networks", fields.key_networks, NETWORKS, and_also(NETWORKS, "`[]` lifts the limit.")),
    Member("support_sessions", fields.true_or_false, TRUE_OR_FALSE, TRUE_OR_FALSE),
    Member(
        "action_when_leaked",
        fields.leaked_action,
        and_also(LEAKED_ACTION, "If absent, the server's default applies."),
        LEAKED_ACTION,
    ),
    Member(
        "expires_at",
        fields.moment,
        EXPIRES_AT | {"description": "UTC, seconds optional, in the future. If absent, the key does not expire."},
    ),
)
SERVICE_ID = (*NAMES, Member("unique_instance_crns", fields.crns, CRNS, CRNS))
