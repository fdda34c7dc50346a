"""What all schemas of the OpenAPI description are made of: patterns, examples, and small schemas by function."""

from collections.abc import Collection
from typing import Any

from apikeys.api.paging import MOST_CONDITIONS
from apikeys.backends.search import MARKS, VISIBLE

Schema = dict[str, Any]

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ZERO_UUID = "00000000-0000-0000-0000-000000000000"
EXAMPLE_ACCOUNT = "0" * 32
EXAMPLE_PERSON = "IBMid-EXAMPLE000"
EXAMPLE_VALUE = "<the value, shown in this response only>"
EXAMPLE_TAG = f"1-{'0' * 32}"

# What str.strip() takes away, control characters, and what may be first and last in a text.
SPACE = r"[\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
_DIRECTION = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_PLAIN = rf"[^\u0000-\u001f\u007f-\u009f{_DIRECTION}]"
_EDGE = rf"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000{_DIRECTION}]"

PRINTABLE = r"^[^\u0000-\u001f]*$"
ENTITY_TAG = "^[1-9][0-9]*-[0-9a-f]{32}$"
VISIBLE_ASCII = r"^[\u0021-\u007e]+$"
IDEMPOTENCY_KEY = r"^[A-Za-z0-9_-]{22,128}$"


def any_case(*words: str) -> str:
    """Return the pattern of one of these words, in capitals or not: JSON Schema has no flag for that."""
    return f"({'|'.join(''.join(f'[{letter}{letter.upper()}]' for letter in word) for word in words)})"


_CONDITION = (
    rf' *{any_case("name", "description", "id")} +{any_case("co", "eq", "sw")} +"([^"\\\u0000-\u001f]|\\["\\])*" *'
)
FILTER = rf"^({_CONDITION}({any_case('and')} +{_CONDITION[2:]}){{0,{MOST_CONDITIONS - 1}}})?$"
DAY = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
FULL_DATE = f"{DAY}T([01][0-9]|2[0-3]):[0-5][0-9]"


def trimmed(most: int) -> str:
    """Return the pattern of a text of 1 to `most` characters without control characters, white space around it."""
    return rf"^{SPACE}*{_EDGE}({_PLAIN}{{0,{most - 2}}}{_EDGE})?{SPACE}*$"


def visible(most: int) -> str:
    """Return the pattern of such a text that has a visible character, and no mark at its beginning."""
    return rf"^(?=[\s\S]*{VISIBLE}){SPACE}*(?![{MARKS}]){trimmed(most).removeprefix(f'^{SPACE}*')}"


def record(properties: Schema, *, optional: Collection[str] = (), **more: Any) -> Schema:
    """Return the schema of an answer's object: no other members, and all that are not optional always there."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
        **more,
    }


def request(properties: Schema, *, required: Collection[str] = (), **more: Any) -> Schema:
    """Return the schema of a request's object, whose unknown members are ignored."""
    return {"type": "object", "properties": properties, **({"required": [*required]} if required else {}), **more}


def text(description: str = "", **more: Any) -> Schema:
    return {"type": "string", **({"description": description} if description else {}), **more}


def number(description: str = "", *, minimum: int = 0, **more: Any) -> Schema:
    """Return the schema of a whole number."""
    about = {"description": description} if description else {}
    return {"type": "integer", "minimum": minimum, **more, **about}


def boolean(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def and_also(schema: Schema, sentence: str) -> Schema:
    """Return a schema whose description has one more sentence."""
    return schema | {"description": f"{schema['description']} {sentence}"}


def ref(name: str, description: str = "") -> Schema:
    """Return a reference to a schema of schemas.py."""
    return {"$ref": f"#/components/schemas/{name}"} | ({"description": description} if description else {})


def list_of(items: Schema, description: str = "", **more: Any) -> Schema:
    return {"type": "array", "items": items, **({"description": description} if description else {}), **more}


def moment(description: str) -> Schema:
    return text(
        f"{description} UTC, to the minute.", pattern=f"^{FULL_DATE}\\+0000$", examples=["2030-01-31T18:00+0000"]
    )


def second(description: str) -> Schema:
    return text(
        f"{description} UTC, to the second.",
        pattern=f"^{FULL_DATE}:[0-5][0-9]\\+0000$",
        examples=["2030-01-31T18:00:00+0000"],
    )


def entity_tag() -> Schema:
    return text(
        "Identifies the version; each change raises its number by one. Send it as If-Match.",
        pattern=ENTITY_TAG,
        examples=[EXAMPLE_TAG],
    )


def id_of(kind: str) -> Schema:
    return text(pattern=f"^{kind}-{UUID}$", examples=[f"{kind}-{ZERO_UUID}"])


def iam_id(description: str) -> Schema:
    return text(description, pattern=f"^(IBMid-[A-Z0-9]{{10}}|iam-ServiceId-{UUID})$", examples=[EXAMPLE_PERSON])


def iam_ids(most: int) -> Schema:
    """Return the schema of up to `most` IAM IDs with commas between them."""
    one = r"[^\u0000-\u001f,]*"
    return text(pattern=rf"^{one}(,{one}){{0,{most - 1}}}$", examples=[EXAMPLE_PERSON])


def about_iam_ids(most: int) -> str:
    return (
        f"IAM IDs, up to {most}, separated by commas: your own (the default) and those of your service IDs. "
        "Administrators can ask for any."
    )


def account_id(description: str) -> Schema:
    return text(description, pattern="^[0-9a-f]{32}$", examples=[EXAMPLE_ACCOUNT])


def crn(kind: str, id_pattern: str) -> Schema:
    return text(
        "Cloud Resource Name.", pattern=f"^crn:v1:bluemix:public:iam-identity::a/[0-9a-f]{{32}}::{kind}:{id_pattern}$"
    )
