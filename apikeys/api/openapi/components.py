"""What operations are described with: parameters, answers, refusals with their codes."""

from collections.abc import Sequence
from typing import Any

from apikeys.api.errors import CODES, WORDS
from apikeys.api.openapi import shapes
from apikeys.api.openapi.shapes import EXAMPLE_TAG, Schema
from apikeys.api.paging import DEFAULT_PAGE_SIZE, MAX_FILTER
from apikeys.iam.payloads import MAX_PAGE_SIZE
from apikeys.services import delivery

KEYS, SERVICE_IDS, TOKENS, OTHERS = "API keys", "Service IDs", "Access tokens", "Everything else"
TAGS = {
    KEYS: "Your own API keys, those of your service IDs and, for administrators, all keys of the account.",
    SERVICE_IDS: "Identities for programs, each with its own API keys. The person who created one manages it.",
    TOKENS: "Exchange a key's value or a password for an access token, which is valid for an hour at most.",
    OTHERS: "Reports of leaks, collections that clients read when they start, and this description.",
}

BEARER: list[Schema] = [{"bearer": []}]
NOBODY: list[Schema] = []
JSON = "application/json"
FORBIDDEN = "BXNIM0513E"

# When each code is the answer, and its status. Every code of /v1 but 405's, which a described method never gets.
REFUSALS: dict[str, tuple[int, str]] = {
    "bad_request": (400, "A parameter, a header or the body does not have the form described here."),
    "BXNIM0113E": (
        400,
        "A property is not accepted: the name, the owner, the date, a value that is already in use, or what breaks "
        "a rule of this console.",
    ),
    "unauthorized": (401, "The access token is missing, malformed or expired, or its key or owner was deleted."),
    FORBIDDEN: (403, "You are not authorized to do this, or the key or token that you show lacks the scope for it."),
    "BXNIM0102E": (404, "The object does not exist or belongs to someone else."),
    "conflict": (409, "The object is locked or has another entity tag, or this Idempotency-Key was already used."),
    "rotation_under_way": (409, "The previous value still works. Send end_previous to end it with this rotation."),
    "BXNIM0105E": (409, "An API key of the service ID is locked."),
    "BXNIM0151E": (422, "The owner has reached the limit of API keys."),
    "too_many_requests": (429, "Too many values that are no key's. Retry-After gives the number of seconds to wait."),
}
TOKEN_REFUSALS: dict[str, tuple[int, str]] = {
    "BXNIM0109E": (400, "A property is missing or empty; errorDetails names it."),
    "BXNIM0106E": (400, "A property is not accepted, such as an unknown grant_type."),
    "BXNIM0415E": (400, "No usable API key has this value. The key is unknown, disabled, expired or deleted."),
    "BXNIM0407E": (400, "The refresh token is not valid or was already used."),
    "BXNIM0408E": (400, "The refresh token has expired."),
    "BXNIM0605E": (
        400,
        "The one-time passcode is not right, was used, is older than two minutes, or its session has ended.",
    ),
    "bad_request": (400, "The body is not a form."),
    "BXNIM0308E": (401, "The grant requires the Basic header of the client `bx`, or the header names another client."),
    "BXNIM0602E": (401, "The user ID or the password is not correct."),
    "BXNIM0400E": (401, "A password is not enough for this user, who has a second factor or must have one."),
    "unauthorized": (401, "The caller did not send its own access token or API key."),
    "too_many_requests": (429, "Too many attempts. Retry-After gives the number of seconds to wait."),
}
SHARED_REFUSALS = {
    "TooLarge": (413, "The body is larger than the server accepts."),
    "Packed": (415, "The body is compressed or has another content encoding. Send it without one."),
    "ServerFailed": (500, "The server could not finish the request. Try again shortly."),
    "Unavailable": (
        503,
        "The key store or the database did not answer, or a search or filters of a long list take too long.",
    ),
    "DiskFull": (507, "The disk is full. API keys still work and can still be deleted and disabled."),
}
ALWAYS = {"500": "ServerFailed", "503": "Unavailable", "507": "DiskFull"}
# Of answers with this status: the header, and which of the headers described it is.
HEADERS = {
    401: {"WWW-Authenticate": "WWW-Authenticate"},
    403: {"WWW-Authenticate": "Scope-Needed"},
    429: {"Retry-After": "Retry-After"},
}
EXAMPLE_CONTEXT = {
    "requestId": "0" * 32,
    "requestType": "incoming.Token",
    "userAgent": "curl",
    "url": "https://console.example/identity/token",
    "startTime": "31.01.2030 18:00:00:000000 UTC",
    "endTime": "31.01.2030 18:00:00:004000 UTC",
    "elapsedTime": "4",
    "locale": "en",
}
YES_OR_NO: Schema = {"type": "boolean", "default": False}
PRINTABLE = shapes.text(pattern=shapes.PRINTABLE)


def parameter(name: str, location: str, schema: Schema, description: str, *, required: bool = False) -> Schema:
    needed = {"required": True} if required or location == "path" else {}
    return {"name": name, "in": location, **needed, "description": description, "schema": schema}


# The parameters that several operations have, and what an operation refers to each with.
PARAMETERS: dict[str, Schema] = {
    "ApiKeyId": parameter("id", "path", shapes.id_of("ApiKey"), "The key's id."),
    "ServiceIdId": parameter("id", "path", shapes.id_of("ServiceId"), "The service ID's id."),
    "AccountId": parameter("account_id", "query", PRINTABLE, "The token's account; no other is accepted."),
    "PageSize": parameter(
        "pagesize",
        "query",
        shapes.number(minimum=1, maximum=MAX_PAGE_SIZE, default=DEFAULT_PAGE_SIZE),
        "The maximum number of items to return.",
    ),
    "PageToken": parameter(
        "pagetoken", "query", PRINTABLE, "The token in the `next` or `previous` URL of another page."
    ),
    "Order": parameter("order", "query", {"enum": ["asc", "desc"], "default": "asc"}, "The sort order."),
    "Filter": parameter(
        "filter",
        "query",
        shapes.text(pattern=shapes.FILTER, maxLength=MAX_FILTER, examples=['name co "terra"']),
        "`name`, `description` or `id`, then `co` (contains), `eq` (equals), `sw` (starts with), then "
        "a text in double quotes. Join several conditions with `and`. Case is ignored.",
    ),
    "IncludeHistory": parameter(
        "include_history", "query", YES_OR_NO, "Whether to return the history of changes as well."
    ),
    "IncludeActivity": parameter(
        "include_activity", "query", YES_OR_NO, "Whether to return when it was last used and how often as well."
    ),
    "EntityLock": parameter("Entity-Lock", "header", YES_OR_NO, "Whether to create it locked."),
    "IdempotencyKey": parameter(
        "Idempotency-Key",
        "header",
        shapes.text(pattern=shapes.IDEMPOTENCY_KEY),
        f"Random, new for each request to create something; fewer than {delivery.MIN_VARIETY} different characters "
        "are refused. Sending the same request again creates nothing more, and returns the same value "
        "within 300 seconds.",
    ),
    "IfMatch": parameter(
        "If-Match",
        "header",
        shapes.text(pattern=shapes.VISIBLE_ASCII, examples=["*", EXAMPLE_TAG]),
        "The entity tag of the version to change, quoted or not, or `*` for any version.",
        required=True,
    ),
}


def headers_of(*names: str, **described: str) -> Schema:
    """Return the headers of an answer: those that are described under their name, and `described` under another."""
    found = {name: name for name in ("Transaction-Id", *names)} | described
    return {name: {"$ref": f"#/components/headers/{component}"} for name, component in found.items()}


def answer(
    description: str,
    schema: str | Schema = "",
    example: Any = None,
    *,
    status: int = 200,
    tagged: bool = False,
    warned: bool = False,
    links: Schema | None = None,
) -> Schema:
    """Return a success under its status: with a schema, which may be the name of one, or without a body.

    `tagged` with an Etag header, `warned` with a Warning header where there is something to say.
    """
    headers = headers_of(*["Etag"] * tagged, *["Warning"] * warned)
    found: Schema = {"description": description, "headers": headers}
    if schema:
        content = {"schema": shapes.ref(schema) if isinstance(schema, str) else schema}
        found["content"] = {JSON: content | ({} if example is None else {"example": example})}
    return {str(status): found | ({"links": links} if links else {})}


def refused(status: int, codes: Sequence[str], reasons: dict[str, tuple[int, str]], *, token: bool = False) -> Schema:
    """Return the answer of one error status in the shape of its path; only these codes can be in it."""
    word: Schema = {"enum": [*codes]}
    if token:
        narrowed: Schema = {"properties": {"errorCode": word}}
    else:
        item = {"properties": {"message_code": word}}
        narrowed = {"properties": {"status_code": {"const": status}, "errors": {"items": item}}}
    examples = {
        code: {"summary": reasons[code][1], "value": error_example(status, code, reasons[code][1], token=token)}
        for code in codes
    }
    schema = {"allOf": [shapes.ref("TokenError" if token else "Errors"), narrowed]}
    return {
        "description": " ".join(reasons[code][1] for code in codes),
        "headers": headers_of(**HEADERS.get(status, {})),
        "content": {JSON: {"schema": schema, "examples": examples}},
    }


def error_example(status: int, code: str, message: str, *, token: bool) -> Schema:
    if token:
        return {"errorCode": code, "errorMessage": message, "context": EXAMPLE_CONTEXT}
    error = {"code": WORDS.get(code, code), "message_code": code, "message": message}
    return {"errors": [error], "status_code": status, "trace": "0" * 32}


def refusals(codes: Sequence[str], *, token: bool = False) -> Schema:
    """Return the error answers with these codes, by status."""
    reasons = TOKEN_REFUSALS if token else REFUSALS
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(reasons[code][0], []).append(code)
    return {str(status): refused(status, found, reasons, token=token) for status, found in sorted(by_status.items())}


def shared_responses() -> Schema:
    """Return the answers that any operation may give, in both shapes."""
    return {
        f"{prefix}{name}": refused(status, (code,), {code: (status, why)}, token=bool(prefix))
        for prefix in ("", "Token")
        for name, (status, why) in SHARED_REFUSALS.items()
        for code in [CODES.get(status, "internal_error")]
    }


def operation(
    tag: str,
    operation_id: str,
    summary: str,
    success: Schema,
    codes: Sequence[str] = (),
    *,
    description: str = "",
    parameters: Sequence[str | Schema] = (),
    body: Schema | None = None,
    security: list[Schema] = BEARER,
    token: bool = False,
    posts: bool = False,
) -> Schema:
    """Return one operation; a text among the parameters names one of PARAMETERS.

    `posts` where it takes a body that nothing reads; `token` for the shape of /identity. Every operation of /v1 that
    takes an access token refuses one whose scope is too narrow.
    """
    if security == BEARER and not token:
        codes = [*dict.fromkeys([*codes, FORBIDDEN])]
    needed = [{"$ref": f"#/components/parameters/{name}"} if isinstance(name, str) else name for name in parameters]
    prefix = "Token" if token else ""
    shared = dict(ALWAYS) | ({"413": "TooLarge", "415": "Packed"} if body or posts else {})
    responses = success | refusals(codes, token=token)
    responses |= {status: {"$ref": f"#/components/responses/{prefix}{name}"} for status, name in shared.items()}
    return {
        "operationId": operation_id,
        "tags": [tag],
        "summary": summary,
        **({"description": description} if description else {}),
        **({"parameters": needed} if needed else {}),
        **({"requestBody": body} if body else {}),
        "security": security,
        "responses": dict(sorted(responses.items())),
    }


def body(name: str, example: Any, *, media_type: str = JSON) -> Schema:
    return {"required": True, "content": {media_type: {"schema": shapes.ref(name), "example": example}}}
