"""Whatever a program sends to the API: a refusal in IAM's shape with the right code, and nothing has changed.

Each operation has one good request, in GOOD. A bad request is that one with a single thing wrong, so that it is this
thing that is refused; what is wrong stands in tables, or is made from the OpenAPI description, for every operation.
All goes over a real socket, as it is written here.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import pytest

from apikeys.api import errors
from apikeys.api.errors import NO_STORE
from apikeys.api.openapi import document
from tests.databases import Look
from tests.forgery import BAD_TOKENS, Forge
from tests.programs import API_KEY_GRANT, CLIENT, PASSWORD, Program, Site
from tests.raw_http import Answer, send

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
LIMIT = 128 * 1024

# Refusals: HTTP status and code.
Refusal = tuple[int, str]
BAD_REQUEST: Refusal = (400, "bad_request")
INVALID: Refusal = (400, "BXNIM0113E")
UNAUTHORIZED: Refusal = (401, "unauthorized")
FORBIDDEN: Refusal = (403, "BXNIM0513E")
NOT_FOUND: Refusal = (404, "BXNIM0102E")
WRONG_METHOD: Refusal = (405, "BXNIM0060E")
CONFLICT: Refusal = (409, "conflict")
TOO_LARGE: Refusal = (413, "bad_request")
PACKED: Refusal = (415, "bad_request")
PROPERTY_MISSING: Refusal = (400, "BXNIM0109E")
PROPERTY_REFUSED: Refusal = (400, "BXNIM0106E")
VALUE_UNKNOWN: Refusal = (400, "BXNIM0415E")
REFRESH_INVALID: Refusal = (400, "BXNIM0407E")
NO_CLIENT: Refusal = (401, "BXNIM0308E")
WRONG_PASSWORD: Refusal = (401, "BXNIM0602E")


@dataclass(frozen=True)
class Request:
    """One request; `<name>` in it stands for what the world has under that name."""

    method: str
    target: str
    headers: dict[str, str | bytes | None] = field(default_factory=dict)
    body: Any = None  # bytes as they are, anything else as JSON


@dataclass(frozen=True)
class Bad:
    """One wrong thing in the good request of an operation, and how it is refused; `details` names what is wrong."""

    operation: str
    what: str
    refusal: Refusal
    details: str = ""
    query: str = ""
    target: str = ""
    headers: dict[str, str | bytes | None] = field(default_factory=dict)
    body: Any = None
    method: str = ""

    def __str__(self) -> str:
        return f"{self.operation}: {self.what}"

    def request(self) -> Request:
        good = GOOD[self.operation]
        target = self.target or good.target
        return Request(
            method=self.method or good.method,
            target=f"{target}?{self.query}" if self.query else target,
            headers=good.headers | self.headers,
            body=good.body if self.body is None else self.body,
        )


# The good requests

BEARER: dict[str, str | bytes | None] = {"Authorization": "Bearer <token>"}
JSON_BEARER = BEARER | {"Content-Type": JSON}
CHANGE = JSON_BEARER | {"If-Match": "*"}
KEY, SERVICE, LIMITS = "/v1/apikeys/<key>", "/v1/serviceids/<service>", "/v1/accounts/<account>/limits/identity"
NEW_KEY = {"name": "new", "iam_id": "<iam_id>"}
NEW_SERVICE = {"name": "new", "account_id": "<account>"}
REPORTS = [{"token": "nothing of this server's", "type": "api_key", "url": "", "source": "content"}]
BX = "Basic " + base64.b64encode(":".join(CLIENT).encode()).decode()
FORM_OF_BX: dict[str, str | bytes | None] = {"Content-Type": FORM, "Authorization": BX}

GOOD = {
    "listApiKeys": Request("GET", "/v1/apikeys", BEARER),
    "createApiKey": Request("POST", "/v1/apikeys", JSON_BEARER, NEW_KEY),
    "getApiKeyDetails": Request("GET", "/v1/apikeys/details", BEARER | {"IAM-ApiKey": "<value>"}),
    "getApiKey": Request("GET", KEY, BEARER),
    "updateApiKey": Request("PUT", KEY, CHANGE, {"name": "changed"}),
    "deleteApiKey": Request("DELETE", KEY, BEARER),
    "lockApiKey": Request("POST", f"{KEY}/lock", JSON_BEARER),
    "unlockApiKey": Request("DELETE", f"{KEY}/lock", BEARER),
    "disableApiKey": Request("POST", f"{KEY}/disable", JSON_BEARER),
    "enableApiKey": Request("DELETE", f"{KEY}/disable", BEARER),
    "getIdentityLimits": Request("GET", LIMITS, BEARER),
    "getIdentityLimitsInBulk": Request("POST", LIMITS, JSON_BEARER, {"apikeys_per_identity": ["<iam_id>"]}),
    "listServiceIds": Request("GET", "/v1/serviceids", BEARER),
    "createServiceId": Request("POST", "/v1/serviceids", JSON_BEARER, NEW_SERVICE),
    "getServiceId": Request("GET", SERVICE, BEARER),
    "updateServiceId": Request("PUT", SERVICE, CHANGE, {"name": "changed"}),
    "deleteServiceId": Request("DELETE", SERVICE, BEARER),
    "lockServiceId": Request("POST", f"{SERVICE}/lock", JSON_BEARER),
    "unlockServiceId": Request("DELETE", f"{SERVICE}/lock", BEARER),
    "getToken": Request(
        "POST", "/identity/token", {"Content-Type": FORM}, f"grant_type={quote(API_KEY_GRANT)}&apikey=<value>".encode()
    ),
    "introspect": Request("POST", "/identity/introspect", BEARER | {"Content-Type": FORM}, b"token=<token>"),
    "getTokenAtOldAddress": Request(
        "POST", "/oidc/token", {"Content-Type": FORM}, f"grant_type={quote(API_KEY_GRANT)}&apikey=<value>".encode()
    ),
    "getUserInfo": Request("GET", "/identity/userinfo", BEARER),
    "postUserInfo": Request("POST", "/identity/userinfo", BEARER),
    "revoke": Request("POST", "/identity/revoke", {"Content-Type": FORM}, b"token=<token>"),
    "getKeys": Request("GET", "/identity/keys"),
    "getDiscovery": Request("GET", "/identity/.well-known/openid-configuration"),
    "getServerMetadata": Request("GET", "/.well-known/oauth-authorization-server/identity"),
    "getServerMetadataOfHost": Request("GET", "/.well-known/oauth-authorization-server"),
    "getDiscoveryOfHost": Request("GET", "/.well-known/openid-configuration"),
    "reportLeaks": Request("POST", "/v1/leaks", {"Content-Type": JSON}, REPORTS),
    "listProfiles": Request("GET", "/v1/profiles", BEARER),
    "listProfileTemplates": Request("GET", "/v1/profile_templates", BEARER),
    "listAccountSettingsTemplates": Request("GET", "/v1/account_settings_templates", BEARER),
    "getDescription": Request("GET", "/v1/openapi.json"),
}

DESCRIPTION = document.description("https://console.example", with_password=True)
OPERATIONS: dict[str, dict[str, Any]] = {
    operation["operationId"]: operation for methods in DESCRIPTION["paths"].values() for operation in methods.values()
}


def resolve(found: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in found:
        return found
    target: Any = DESCRIPTION
    for step in found["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    return dict(target)


def parameters_of(operation: str, place: str) -> list[str]:
    parameters = [resolve(found) for found in OPERATIONS[operation].get("parameters", [])]
    return [found["name"] for found in parameters if found["in"] == place]


WITH_TOKEN = [name for name, operation in OPERATIONS.items() if operation["security"] == [{"bearer": []}]]
WITH_JSON = [name for name in WITH_TOKEN if JSON in OPERATIONS[name].get("requestBody", {}).get("content", {})]
WITH_ID = [name for name in OPERATIONS if "id" in parameters_of(name, "path")]
LIMITS_OF_IDENTITIES = [name for name in OPERATIONS if name.startswith("getIdentityLimits")]
LISTS_OF_SERVICES = ["listServiceIds"]
CREATIONS_OF_SERVICES = ["createServiceId"]
CHANGES = ["updateApiKey", "updateServiceId"]
CREATIONS = ["createApiKey", *CREATIONS_OF_SERVICES]
NAMED = [*CREATIONS, *CHANGES]  # whose body has a name


def some(operations: list[str], what: str, refusal: Refusal, details: str = "", **wrong: Any) -> Iterator[Bad]:
    """Yield the same wrong thing for several operations."""
    for operation in operations:
        yield Bad(operation, what, refusal, details, **wrong)


# For every operation


def wrong_anywhere() -> Iterator[Bad]:
    for operation, good in GOOD.items():
        yield Bad(operation, "a huge body", TOO_LARGE, body=b" " * (LIMIT + 1))
        yield Bad(
            operation, "a huge body that does not come", TOO_LARGE, headers={"Content-Length": "9" * 12}, body=b""
        )
        for coding in ("gzip", "br", "deflate", "gzip, identity", "x"):
            yield Bad(operation, f"a body in {coding}", PACKED, headers={"Content-Encoding": coding}, body=b"x")
        yield Bad(operation, "another host", BAD_REQUEST, headers={"Host": "evil.example"})
        yield Bad(operation, "an odd encoding", BAD_REQUEST, headers={"Content-Type": f"{FORM}; charset=utf-16"})
        yield Bad(operation, "an unknown encoding", BAD_REQUEST, headers={"Content-Type": f"{JSON}; charset=x"})
        for method in ("PATCH", "OPTIONS", "PROPFIND"):
            yield Bad(operation, f"the method {method}", WRONG_METHOD, method=method)
        yield Bad(operation, "two slashes at the end", NOT_FOUND, target=f"{good.target}//")


# Access tokens

NO_TOKENS: dict[str, str | bytes | None] = {
    "no token": None,
    "an empty header": "",
    "Bearer alone": "Bearer",
    "Bearer and a space": "Bearer ",
    "Bearer and spaces": "Bearer    ",
    "a token without Bearer": "<token>",
    "another scheme": "Token <token>",
    "the scheme Basic": BX,
    "Bearer and a comma": "Bearer, <token>",
    "two tokens": "Bearer <token> <token>",
    "a Latin-1 byte": b"Bearer \xff",
}
# Each operation with these; one operation, and introspection, with all of them.
TELLING_TOKENS = [
    "garbage",
    "alg none",
    "HS256 with the public key as secret",
    "unknown kid",
    "changed signature",
    "expired",
    "another issuer",
    "jti missing",
    "iam_id missing",
    "deleted key",
]


def wrong_tokens() -> Iterator[Bad]:
    for what, header in NO_TOKENS.items():
        yield from some([*WITH_TOKEN, "introspect"], what, UNAUTHORIZED, headers={"Authorization": header})
    for what in TELLING_TOKENS:
        yield from some(WITH_TOKEN, what, UNAUTHORIZED, headers={"Authorization": f"Bearer <bad token: {what}>"})
    for what in BAD_TOKENS:
        yield Bad("introspect", f"{what} of the caller", UNAUTHORIZED, headers=bad_token(what))
        if what not in TELLING_TOKENS:
            yield Bad("listApiKeys", what, UNAUTHORIZED, headers=bad_token(what))


def bad_token(what: str) -> dict[str, str | bytes | None]:
    return {"Authorization": f"Bearer <bad token: {what}>"}


# Ids in the path


# One's own, somebody else's, nobody's.
KEY_IDS = ("<key>", "<bens_key>", "ApiKey-00000000-0000-4000-8000-000000000000")
SERVICE_IDS = ("<service>", "<bens_service>", "ServiceId-00000000-0000-4000-8000-000000000000")


def wrong_ids() -> Iterator[Bad]:
    for operation in WITH_ID:
        good, is_key = GOOD[operation].target, "<key>" in GOOD[operation].target
        own, others, unknown = KEY_IDS if is_key else SERVICE_IDS
        for what, hostile in {
            "an unknown id": unknown,
            "somebody else's id": others,
            "an id of the other kind": "<service>" if is_key else "<key>",
            "a NUL": "%00",
            "an id and a NUL": f"{own}%00",
            "an id and a line feed": f"{own}%0A",
            "an id and a space": f"{own}%20",
            "an id and two slashes": f"{own}%2F%2F",
            "an id and a semicolon": f"{own};x",
            "the way up": "..",
            "the way up, encoded": "%2e%2e",
            "the way up and down": "..%2f..%2f..%2fetc%2fpasswd",
            "a slash": "%2F",
            "an id that is only a pattern": "*",
            "a percent sign": "%25",
            "half of an escape": "%",
            "no escape": "%zz",
            "no UTF-8": "%FF%FE",
            "half of a character": "%ED%A0%80",
            "a beginning of an id": "ApiKey-" if is_key else "ServiceId-",
            "SQL": "'%20OR%20'1'='1",
            "markup": "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
            "a format": "%25s%25n%7B0%7D",
            "a very long id": "x" * 4000,
            "a very long id with an id": f"{own}{'0' * 4000}",
        }.items():
            yield Bad(operation, f"id: {what}", NOT_FOUND, target=good.replace(own, hostile))
    for what, hostile in {"a NUL": "%00", "another": "0" * 32, "the way up": "..", "very long": "0" * 4000}.items():
        target = f"/v1/accounts/{hostile}/limits/identity"
        yield from some(LIMITS_OF_IDENTITIES, f"account: {what}", BAD_REQUEST, "account_id", target=target)
    yield Bad("getIdentityLimits", "account: a slash", NOT_FOUND, target="/v1/accounts/%2F/limits/identity")


# Bodies

NO_OBJECTS = {
    "nothing": b"",
    "a truncated object": b'{"name": "a"',
    "an array": b"[]",
    "an array with the object": b'[{"name": "a", "iam_id": "<iam_id>", "account_id": "<account>"}]',
    "a string": b'"name"',
    "a number": b"42",
    "null": b"null",
    "NaN": b'{"name": "a", "iam_id": "<iam_id>", "account_id": "<account>", "x": NaN}',
    "Infinity": b'{"name": "a", "iam_id": "<iam_id>", "account_id": "<account>", "x": -Infinity}',
    "a repeated member": b'{"name": "a", "iam_id": "<iam_id>", "account_id": "<account>", "name": "b"}',
    "a member repeated inside": b'{"name": "a", "iam_id": "<iam_id>", "account_id": "<account>", "x":{"a":1,"a":2}}',
    "deep nesting": b'{"name": "a", "x": ' + b"[" * 60_000 + b"]" * 60_000 + b"}",
    "deep nesting of objects": b'{"x":' * 20_000,
    "a number of 100,000 digits": b'{"name": "a", "x": ' + b"1" * 100_000 + b"}",
    "a byte order mark": b'\xef\xbb\xbf{"name": "a", "iam_id": "<iam_id>", "account_id": "<account>"}',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "Latin-1": b'{"name": "\xe9", "iam_id": "<iam_id>", "account_id": "<account>"}',
    "half a character in UTF-8": b'{"name": "\xed\xa0\x80", "iam_id": "<iam_id>", "account_id": "<account>"}',
    "two objects": b'{"name": "a"} {"name": "a"}',
    "single quotes": b"{'name': 'a'}",
    "a comment": b'{"name": "a"} // a',
    "a comma too many": b'{"name": "a",}',
    "a control character as it is": b'{"name": "a\nb"}',
    "a form": b"name=a&iam_id=<iam_id>",
    "NULs": b"\0" * 100,
}
NO_JSON = {
    "no content type": None,
    "an empty content type": "",
    "a form's content type": FORM,
    "plain text": "text/plain",
    "a multipart": "multipart/form-data; boundary=x",
    "a patch": "application/merge-patch+json",
    "a longer word": "application/jsonx",
    "no words": "\u00e9",
}


def chunks(*parts: bytes) -> bytes:
    """Return a body as Transfer-Encoding: chunked has it."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


def wrong_bodies() -> Iterator[Bad]:
    for what, body in NO_OBJECTS.items():
        yield from some(WITH_JSON, f"body: {what}", BAD_REQUEST, "body", body=body)
    in_chunks = {"Transfer-Encoding": "chunked"}
    yield from some(WITH_JSON, "a half body in chunks", BAD_REQUEST, "body", headers=in_chunks, body=chunks(b'{"a"'))
    yield from some(WITH_JSON, "no body in chunks", BAD_REQUEST, "body", headers=in_chunks, body=chunks())
    yield from some(WITH_JSON, "huge chunks", TOO_LARGE, headers=in_chunks, body=chunks(*[b" " * (LIMIT // 4)] * 5))
    packed = {"Transfer-Encoding": "gzip, chunked"}
    yield from some(WITH_JSON, "chunks in gzip", PACKED, headers=packed, body=chunks(b"{}"))
    for what, content_type in NO_JSON.items():
        yield from some(WITH_JSON, what, BAD_REQUEST, "Content-Type", headers={"Content-Type": content_type})


# Members

OTHER_TYPES: tuple[Any, ...] = (0, 1, -1.5, 10**30, True, [], ["a"], {}, {"a": "b"}, "maybe")


def wrong_types() -> Iterator[Bad]:
    """Yield for each member that the description knows, each kind of JSON that it does not allow there."""
    for operation in WITH_JSON:
        schema = resolve(OPERATIONS[operation]["requestBody"]["content"][JSON]["schema"])
        good = GOOD[operation].body
        for name, member in schema["properties"].items():
            for wrong in not_allowed(member):
                yield Bad(operation, f"{name} as {wrong!r}", BAD_REQUEST, name, body={**good, name: wrong})
    first_key = DESCRIPTION["components"]["schemas"]["ServiceIdCreate"]["properties"]["apikey"]["anyOf"][0]
    for name, member in first_key["properties"].items():
        for wrong in not_allowed(member):
            body = {**NEW_SERVICE, "apikey": {"name": "first", name: wrong}}
            yield from some(CREATIONS_OF_SERVICES, f"apikey.{name} as {wrong!r}", BAD_REQUEST, name, body=body)


def not_allowed(member: dict[str, Any]) -> Iterator[Any]:
    """Yield what is of a type that the member does not have; a text is left to the table of values."""
    schema = jsonschema_rs.Draft202012Validator({**member, "components": DESCRIPTION["components"]})
    right = str if "string" in member.get("type", ()) else dict if "anyOf" in member else None
    for wrong in OTHER_TYPES:
        if not schema.is_valid(wrong) and type(wrong) is not right:
            yield wrong


BAD_NAMES = {
    "empty": "",
    "spaces": "   ",
    "other spaces": "\t\u00a0\u3000",
    "256 characters": "x" * 256,
    "256 keys": "🔑" * 256,
    "very long": "x" * 100_000,
    "a NUL": "a\0b",
    "a line feed": "a\nb",
    "an escape": "a\x1b[31mb",
    "a DEL": "a\x7fb",
    "a C1 control": "a\x9bb",
    "half a character": "a\ud800b",
    "the other half": "a\udfffb",
    "a replacement": "a\ufffdb",
    "a zero-width space": "\u200b",
    "soft hyphens": "\u00ad\u00ad",
    "a filler": "\u3164",
    "fillers and a joiner": "\u115f\u200d\uffa0",
    "a mark without a letter": "\u0301",
    "a mark before a letter": "\u0301a",
    "an override": "a\u202eb",
    "an isolate": "a\u2066b\u2069",
    "a direction mark": "a\u200fb",
}
BAD_DESCRIPTIONS = {
    "1001 characters": "x" * 1001,
    "a NUL": "a\0b",
    "a line feed": "a\nb",
    "half a character": "a\ud800b",
    "an override": "a\u202eb",
}
BAD_DATES = [
    "tomorrow", "2090-01-31", "2090-01-31T18:00", "2090-01-31T18:00+0100", "2090-02-30T18:00+0000",
    "2090-13-01T18:00+0000", "2090-01-31T24:00+0000", "2090-01-31T18:60+0000", "2090-01-31T18:00:60+0000",
    "2090-01-31 18:00+0000", "2090-01-31T18:00+0000\n", " 2090-01-31T18:00+0000", "90-01-31T18:00+0000",
    "10000-01-01T00:00+0000", "0000-01-01T00:00+0000", "-2090-01-31T18:00+0000", "٢٠٩٠-01-31T18:00+0000",
    "2090-01-31t18:00z", "4102444800", "9" * 1000, "\0",
]  # fmt: skip
BAD_OWN_VALUES = {
    "31 characters": "x" * 31,
    "1001 characters": "x" * 1001,
    "very long": "x" * 100_000,
    "a control character": "x" * 40 + "\n",
    "a NUL": "x" * 40 + "\0",
    "half a character": "x" * 40 + "\ud800",
    "a word over and over": "password" * 4,
    "one character": "a" * 32,
    "blanks": " " * 32,
    "digits in turn": "0123456789" * 4,
    "the alphabet": "abcdefghijklmnopqrstuvwxyz0123456789",
    "the alphabet, backwards": "zyxwvutsrqponmlkjihgfedcba9876543210",
    "a password over and over, and more": "Password123" * 3 + "!",
    "a long one over and over": "a good password " * 60,
    "one's own that is in use": "<value>",
    "somebody else's that is in use": "<bens_value>",
}
FOREIGN = {
    "somebody else": "<bens_iam_id>",
    "somebody else's service ID": "iam-<bens_service>",
    "nobody": "IBMid-0000000000",
    "no service ID": f"iam-{SERVICE_IDS[2]}",
    "a NUL": "<iam_id>\0",
    "a space": "<iam_id> ",
    "half a character": "\ud800",
    "a pattern": "*",
    "very long": "x" * 10_000,
}
BAD_CRNS = {
    "an empty one": ["crn:v1:a", ""],
    "101": ["crn:v1:a"] * 101,
    "1001 characters": ["x" * 1001],
    "a NUL": ["crn\0"],
    "half a character": ["crn\ud800"],
}
NO_ACCOUNTS = {"another": "0" * 32, "its beginning": "0", "a NUL": "\0", "half a character": "\ud800"}


def wrong_members() -> Iterator[Bad]:
    for what, name in BAD_NAMES.items():
        for operation in NAMED:
            yield Bad(operation, f"name: {what}", INVALID, "name", body={**GOOD[operation].body, "name": name})
    for what, text in BAD_DESCRIPTIONS.items():
        for operation in NAMED:
            body = {**GOOD[operation].body, "description": text}
            yield Bad(operation, f"description: {what}", INVALID, "description", body=body)
    for operation in CREATIONS:
        for what, wrong in (("no name", {}), ("a null for a name", {"name": None})):
            without = {name: text for name, text in GOOD[operation].body.items() if name != "name"}
            yield Bad(operation, what, INVALID, "name", body=without | wrong)
    for name in ("iam_id", "name"):
        yield Bad("createApiKey", f"nothing but {name}", *missing(name), body={name: NEW_KEY[name]})
    for what, iam_id in FOREIGN.items():
        yield Bad("createApiKey", f"iam_id: {what}", INVALID, "iam_id", body={**NEW_KEY, "iam_id": iam_id})
    for iam_id in ("", None):
        yield Bad("createApiKey", f"iam_id: {iam_id!r}", BAD_REQUEST, "iam_id", body={**NEW_KEY, "iam_id": iam_id})
    for what, account in NO_ACCOUNTS.items():
        for operation in CREATIONS:
            body = {**GOOD[operation].body, "account_id": account}
            yield Bad(operation, f"account_id: {what}", BAD_REQUEST, "account_id", body=body)
    for account in ("", None):
        body = {**NEW_SERVICE, "account_id": account}
        yield from some(CREATIONS_OF_SERVICES, f"account_id: {account!r}", BAD_REQUEST, "account_id", body=body)
    yield from some(CREATIONS_OF_SERVICES, "no account_id", BAD_REQUEST, "account_id", body={"name": "a"})
    yield from wrong_members_of_keys()
    yield from wrong_members_of_services()
    name = "apikeys_per_identity"
    for what, iam_id in FOREIGN.items():
        refusal = BAD_REQUEST if what in ("a NUL", "half a character") else INVALID
        limited = name if refusal == BAD_REQUEST else "iam_id"
        for asked in ([iam_id], ["<iam_id>", iam_id], f"<iam_id>,{iam_id}"):
            body = {name: asked}
            yield Bad("getIdentityLimitsInBulk", f"identities: {what} in {type(asked)}", refusal, limited, body=body)
    for many in (["<iam_id>"] * 101, ",".join(["<iam_id>"] * 101)):
        yield Bad("getIdentityLimitsInBulk", f"101 in a {type(many)}", BAD_REQUEST, name, body={name: many})


def wrong_members_of_services() -> Iterator[Bad]:
    name = "unique_instance_crns"
    for operation in (*CREATIONS_OF_SERVICES, "updateServiceId"):
        for what, crns in BAD_CRNS.items():
            yield Bad(operation, f"CRNs: {what}", INVALID, name, body={**GOOD[operation].body, name: crns})
        for crns in ([1], ["a", None], [["a"]], "crn:v1:a"):
            yield Bad(operation, f"CRNs: {crns!r}", BAD_REQUEST, name, body={**GOOD[operation].body, name: crns})
    for group in ("ServiceIdGroup-1", " "):
        body = {**NEW_SERVICE, "group_id": group}
        yield from some(CREATIONS_OF_SERVICES, f"group_id: {group!r}", BAD_REQUEST, "group_id", body=body)


def missing(present: str) -> tuple[Refusal, str]:
    return (INVALID, "name") if present == "iam_id" else (BAD_REQUEST, "iam_id")


def wrong_members_of_keys() -> Iterator[Bad]:
    def everywhere(what: str, refusal: Refusal, name: str, wrong: Any, *, changes: bool) -> Iterator[Bad]:
        yield Bad("createApiKey", what, refusal, name, body={**NEW_KEY, name: wrong})
        first = {**NEW_SERVICE, "apikey": {"name": "first", name: wrong}}
        yield from some(CREATIONS_OF_SERVICES, f"first key, {what}", refusal, name, body=first)
        if changes:
            yield Bad("updateApiKey", what, refusal, name, body={name: wrong})

    for date in BAD_DATES:
        yield from everywhere(f"expires_at: {date[:30]!r}", INVALID, "expires_at", date, changes=True)
    for date in ("2020-01-31T18:00+0000", "0001-01-01T00:00Z"):
        yield from everywhere(f"expires_at in the past: {date}", INVALID, "expires_at", date, changes=False)
    for action in ("destroy", "Delete", "delete ", "none\0", "\ud800"):
        name = "action_when_leaked"
        yield from everywhere(f"{name}: {action!r}", BAD_REQUEST, name, action, changes=True)
    for word in ("yes", "True", "", "1"):
        name = "support_sessions"
        yield from everywhere(f"{name}: {word!r}", BAD_REQUEST, name, word, changes=True)
    for word in ("TRUE", "", "1"):
        yield from everywhere(f"store_value: {word!r}", BAD_REQUEST, "store_value", word, changes=False)
    for wanted in (True, "true"):
        body = {**NEW_KEY, "store_value": wanted}
        yield Bad("createApiKey", f"a person's value stored: {wanted!r}", BAD_REQUEST, "store_value", body=body)
    for what, value in BAD_OWN_VALUES.items():
        yield from everywhere(f"value: {what}", INVALID, "apikey", value, changes=False)
    for what, name in BAD_NAMES.items():
        first = {**NEW_SERVICE, "apikey": {"name": name}}
        yield from some(CREATIONS_OF_SERVICES, f"name of the first key: {what}", INVALID, "name", body=first)
    nameless = {**NEW_SERVICE, "apikey": {}}
    yield from some(CREATIONS_OF_SERVICES, "a first key without a name", INVALID, "name", body=nameless)


# Parameters and headers

GUESSED = ("a" * 22, "ab" * 30, "0123" * 10, "-" * 128)
BAD_FLAGS = ("", "1", "0", "yes", "on", "t", "null", "true false", "tru\u00e9")
BAD_QUERIES: dict[str, tuple[Refusal, tuple[str, ...]]] = {
    "pagesize": (
        BAD_REQUEST,
        ("", "0", "101", "-1", "1.5", "1e1", "%2B5", "%205", "x", "%EF%BC%91", "%C2%B2", "9" * 9, "9" * 5000, "%00"),
    ),
    "sort": (BAD_REQUEST, ("", "NAME", "name,id", "-name", "name%20desc", "id", "%00", "'", "x" * 4000)),
    "order": (BAD_REQUEST, ("", "up", "ASC", "asc,desc", "desc%00")),
    "scope": (BAD_REQUEST, ("", "everything", "Account", "account%00")),
    "type": (BAD_REQUEST, ("robot", "User", "user,serviceid", "%00")),
    "group_id": (BAD_REQUEST, ("ServiceIdGroup-1", "%00", "%20")),
    "account_id": (BAD_REQUEST, ("0" * 32, "x", "%00", "%FF", "*")),
    "include_history": (BAD_REQUEST, ("", "1", "yes", "tru", "%00")),
    "include_activity": (BAD_REQUEST, ("", "1", "yes", "%00")),
}
BAD_FILTERS = [
    "name", "name co", "name co x", "name co 'x'", 'name co "x', 'name co x"', 'name ne "x"', 'owner co "x"',
    'name co "x" or name co "y"', 'name co "x" and', 'and name co "x"', 'name co "x" name co "y"',
    'name co "x" and and name co "y"', '(name co "x")', 'not name co "x"', 'name co "\\x"', 'name co "x\\"',
    'name  ſw "x"', "name%", "*", 'name co "x"; drop table', " ", "\t", 'name co "' + "x" * 5000 + '"',
    'name co "x" and ' * 1000,
]  # fmt: skip
BAD_PAGE_TOKENS = {
    "garbage": "garbage",
    "no base64": "%21%21%21",
    "beyond ASCII": "%C3%A9",
    "a NUL": "%00",
    "an id": KEY_IDS[2],
    "an empty list": base64.urlsafe_b64encode(b"[]").decode(),
    "a longer list": base64.urlsafe_b64encode(b'["a","b",0,1]').decode(),
    "an object": base64.urlsafe_b64encode(b'{"a":"b","c":"d","e":"f"}').decode(),
    "numbers": base64.urlsafe_b64encode(b"[1,2,3]").decode(),
    "another direction": base64.urlsafe_b64encode(b'["a","b",2]').decode(),
    "a control character": base64.urlsafe_b64encode(b'["a\\u0000","b",0]').decode(),
    "half a character": base64.urlsafe_b64encode(b'["a","\\ud800",0]').decode(),
    "deep nesting": base64.urlsafe_b64encode(b"[" * 3000).decode(),
}


def wrong_queries() -> Iterator[Bad]:
    for operation in OPERATIONS:
        for name in parameters_of(operation, "query"):
            twice = f"{name}=true&{name}=true"
            yield Bad(operation, f"{name} twice", BAD_REQUEST, name, query=twice)
            refusal, wrongs = BAD_QUERIES.get(name, (BAD_REQUEST, ()))
            for wrong in wrongs:
                yield Bad(operation, f"{name}={wrong[:40]}", refusal, name, query=f"{name}={wrong}")
    yield Bad("listApiKeys", "sort=modified_at", BAD_REQUEST, "sort", query="sort=modified_at")
    yield from some(LISTS_OF_SERVICES, "sort=created_by", BAD_REQUEST, "sort", query="sort=created_by")
    for operation in ("listApiKeys", *LISTS_OF_SERVICES):
        for text in BAD_FILTERS:
            yield Bad(operation, f"filter={text[:40]!r}", BAD_REQUEST, "filter", query=f"filter={quote(text)}")
        yield Bad(operation, "filter with a NUL", BAD_REQUEST, "filter", query="filter=name%20co%20%22%00%22")
        for what, token in BAD_PAGE_TOKENS.items():
            yield Bad(operation, f"pagetoken: {what}", BAD_REQUEST, "pagetoken", query=f"pagetoken={token}")
        if operation != "listApiKeys":
            yield Bad(operation, "name with a NUL", BAD_REQUEST, "name", query="name=a%00b")
    for query in ("scope=account", "scope=account&type=user", "scope=account&iam_id=<bens_iam_id>"):
        yield Bad("listApiKeys", f"{query} of no administrator", FORBIDDEN, query=query)
    for what, iam_id in FOREIGN.items():
        if "\ud800" in iam_id:
            continue
        refusal = BAD_REQUEST if "\0" in iam_id else INVALID
        text = quote(iam_id[:4000], safe="<>")
        yield Bad("listApiKeys", f"iam_id: {what}", refusal, "iam_id", query=f"iam_id={text}")
        limited = "apikeys_per_identity" if refusal == BAD_REQUEST else "iam_id"
        for owners in (text, f"<iam_id>,{text}"):
            query = f"apikeys_per_identity={owners}"
            yield Bad("getIdentityLimits", f"identities: {owners[:40]} ({what})", refusal, limited, query=query)
    many = ",".join(["<iam_id>"] * 101)
    yield Bad(
        "getIdentityLimits", "101 identities", BAD_REQUEST, "apikeys_per_identity", query=f"apikeys_per_identity={many}"
    )


def wrong_headers() -> Iterator[Bad]:
    for flag in BAD_FLAGS:
        for operation in CREATIONS:
            for name in parameters_of(operation, "header"):
                if name != "Idempotency-Key":
                    yield Bad(operation, f"{name}: {flag!r}", BAD_REQUEST, name, headers={name: flag})
    for nonce in ("", "x", "x" * 21, "x" * 129, "x" * 30 + "!", "x" * 30 + " y", "\u00e9" * 30, "x" * 6000, *GUESSED):
        name = "Idempotency-Key"
        yield from some(CREATIONS, f"{name}: {nonce[:40]!r}", BAD_REQUEST, name, headers={name: nonce})
    name = "Entity-Disable"
    yield from some(CREATIONS_OF_SERVICES, f"{name} without a key", BAD_REQUEST, name, headers={name: "true"})
    # The server hands on a header with other bytes than ASCII as an empty one.
    for tag in (None, "", "\u00e9"):
        yield from some(CHANGES, f"If-Match: {tag!r}", BAD_REQUEST, "If-Match", headers={"If-Match": tag})
    for tag in (
        "1-" + "0" * 32,
        "1",
        "**",
        "*, *",
        '"*"',
        'W/"1"',
        '"<tag>',
        '""<tag>""',
        "'<tag>'",
        'w/"<tag>"',
        '"<tag> "',
        '"1", "2", W/"3"',
        ",",
        "x" * 6000,
    ):
        yield from some(CHANGES, f"If-Match: {tag[:40]!r}", CONFLICT, headers={"If-Match": tag})
    for value in (None, "", b"\xff\xfe", "\u00e9" * 40):
        refusal, name = BAD_REQUEST, "IAM-ApiKey"
        yield Bad("getApiKeyDetails", f"{name}: {value!r}", refusal, name, headers={name: value})
    for what, value in {
        "unknown": "apk_" + "0" * 40,
        "somebody else's": "<bens_value>",
        "longer": "<value>x",
        "an id": "<key>",
        "very long": "x" * 6000,
    }.items():
        yield Bad("getApiKeyDetails", f"value: {what}", NOT_FOUND, headers={"IAM-ApiKey": value})


# Access tokens: how they are asked for


def form(**fields: str) -> bytes:
    return "&".join(f"{name}={quote(text, safe='<>')}" for name, text in fields.items()).encode()


def basic(credentials: bytes) -> str:
    return "Basic " + base64.b64encode(credentials).decode()


BAD_CLIENTS: dict[str, str | bytes] = {
    "Basic alone": "Basic",
    "an empty Basic": "Basic ",
    "no base64": "Basic !!!",
    "half of base64": "Basic Yng6Y",
    "no colon": basic(b"bx"),
    "no password": basic(b"bx:"),
    "no user": basic(b":bx"),
    "another client": basic(b"evil:evil"),
    "another password": basic(b"bx:by"),
    "one colon more": basic(b"bx:bx:"),
    "capitals": basic(b"BX:BX"),
    "a NUL": basic(b"bx:bx\0"),
    "no UTF-8": basic(b"bx:\xff"),
    "half a character": basic(b"bx:\xed\xa0\x80"),
    "very long": basic(b"x" * 4000),
    "another scheme": "Digest username=bx",
}
PASSWORD_FORM = {"grant_type": "password", "username": "<username>", "password": PASSWORD}
REFRESH_FORM = {"grant_type": "refresh_token", "refresh_token": "<refresh_token>"}
KEY_FORM = {"grant_type": API_KEY_GRANT, "apikey": "<value>"}
UNKNOWN_VALUES = {
    "unknown": "apk_" + "0" * 40,
    "short": "x",
    "longer": "<value>x",
    "with a space inside": "<value> x",
    "with a NUL": "<value>\0",
    "very long": "x" * 100_000,
    "not ASCII": "鑰匙" * 30,
    "of a disabled key": "<disabled_value>",
    "of an expired key": "<expired_value>",
    "of a deleted key": "<deleted_value>",
    "a key's id": "<key>",
    "an access token": "<token>",
    "a refresh token": "<refresh_token>",
    "a pattern": "%",
}
NO_FORMS: dict[str, tuple[str | None, bytes, Refusal]] = {
    "nothing": (FORM, b"", PROPERTY_MISSING),
    "no content type": (None, form(**KEY_FORM), PROPERTY_MISSING),
    "JSON": (JSON, json.dumps(KEY_FORM).encode(), PROPERTY_MISSING),
    "plain text": ("text/plain", form(**KEY_FORM), PROPERTY_MISSING),
    "a multipart without boundary": ("multipart/form-data", b"x", BAD_REQUEST),
    "an empty multipart": ("multipart/form-data; boundary=x", b"x", PROPERTY_MISSING),
    "half of a multipart": (
        "multipart/form-data; boundary=x",
        b"--x\r\nContent-Disposition: form-data\r\n",
        PROPERTY_MISSING,
    ),
    "NULs": (FORM, b"\0" * 50, PROPERTY_MISSING),
    "only ampersands": (FORM, b"&" * 50, PROPERTY_MISSING),
    "too many properties": (FORM, b"&".join(b"a%d=b" % number for number in range(150)), BAD_REQUEST),
}


def wrong_token_requests() -> Iterator[Bad]:
    for row in wrong_requests_of_getting_tokens():
        yield row
        yield replace(row, operation="getTokenAtOldAddress")
    for what, (content_type, body, refusal) in NO_FORMS.items():
        details = {"introspect": "token", "revoke": "token"}
        for operation, name in details.items():
            named = name if refusal == PROPERTY_MISSING else ""
            yield Bad(operation, f"form: {what}", refusal, named, headers={"Content-Type": content_type}, body=body)


def wrong_requests_of_getting_tokens() -> Iterator[Bad]:
    def ask(what: str, refusal: Refusal, name: str = "", *, client: bool = False, body: bytes) -> Bad:
        return Bad("getToken", what, refusal, name, headers=FORM_OF_BX if client else {}, body=body)

    for what, (content_type, body, refusal) in NO_FORMS.items():
        named = "grant_type" if refusal == PROPERTY_MISSING else ""
        yield Bad("getToken", f"form: {what}", refusal, named, headers={"Content-Type": content_type}, body=body)
    for grant in ("unknown", "password ", "PASSWORD", "client_credentials", "\0", "x" * 10_000,
                  "urn:ibm:params:oauth:grant-type:passcode", "urn:ibm:params:oauth:grant-type:iam-authz"):  # fmt: skip
        yield ask(
            f"grant: {grant[:40]!r}", PROPERTY_REFUSED, "grant_type", body=form(grant_type=grant, apikey="<value>")
        )
    yield ask("an empty grant", PROPERTY_MISSING, "grant_type", body=form(grant_type="", apikey="<value>"))
    yield ask("no grant", PROPERTY_MISSING, "grant_type", body=form(apikey="<value>"))
    for good, client in ((KEY_FORM, False), (PASSWORD_FORM, True), (REFRESH_FORM, True)):
        for name in good:
            twice = form(**good) + b"&" + form(**{name: good[name]})
            yield ask(f"{good['grant_type']}, {name} twice", PROPERTY_REFUSED, name, client=client, body=twice)
            if name != "grant_type":
                for what, wrong in (("no", {}), ("an empty", {name: ""})):
                    rest = {other: text for other, text in good.items() if other != name}
                    body = form(**rest, **wrong)
                    yield ask(f"{good['grant_type']}, {what} {name}", PROPERTY_MISSING, name, client=client, body=body)
        for what, header in BAD_CLIENTS.items():
            headers = {"Authorization": header}
            what = f"{good['grant_type'][-13:]}, client: {what}"
            yield Bad("getToken", what, NO_CLIENT, headers=headers, body=form(**good))
        if client:
            yield ask(f"{good['grant_type']} without a client", NO_CLIENT, body=form(**good))
    for what, value in UNKNOWN_VALUES.items():
        yield ask(f"value {what}", VALUE_UNKNOWN, body=form(grant_type=API_KEY_GRANT, apikey=value))
    yield ask("value no UTF-8", VALUE_UNKNOWN, body=form(grant_type=API_KEY_GRANT) + b"&apikey=%FF%FE%ED%A0%80")
    for what, token in {
        "unknown": "x" * 64,
        "not_supported": "not_supported",
        "with a NUL": "<refresh_token>\0",
        "not ASCII": "é" * 30,
        "very long": "x" * 100_000,
        "an access token": "<token>",
        "a value": "<value>",
    }.items():
        body = form(grant_type="refresh_token", refresh_token=token)
        yield ask(f"refresh token: {what}", REFRESH_INVALID, client=True, body=body)
    for what, wrong in {
        "wrong password": {"password": "wrong"},
        "the right password and a space": {"password": f"{PASSWORD} "},
        "a password with a NUL": {"password": f"{PASSWORD}\0"},
        "a very long password": {"password": "x" * 100_000},
        "somebody else's name": {"username": "<bens_username>", "password": "wrong"},
        "an unknown name": {"username": "nobody"},
        "a name with a NUL": {"username": "<username>\0"},
        "a very long name": {"username": "x" * 100_000},
    }.items():
        yield ask(what, WRONG_PASSWORD, client=True, body=form(**{**PASSWORD_FORM, **wrong}))


def wrong_introspections() -> Iterator[Bad]:
    def ask(what: str, refusal: Refusal, name: str = "", **wrong: Any) -> Bad:
        return Bad("introspect", what, refusal, name, **wrong)

    yield ask("an empty token", PROPERTY_MISSING, "token", body=b"token=")
    yield ask("an empty value", PROPERTY_MISSING, "token", body=b"apikey=")
    yield ask("token twice", PROPERTY_REFUSED, "token", body=b"token=<token>&token=<token>")
    yield ask("apikey twice", PROPERTY_REFUSED, "apikey", body=b"apikey=<value>&apikey=<value>")
    for what, header in {
        **BAD_CLIENTS,
        "the client of command lines": BX,
        "another user": basic(b"key:x"),
        "an unknown value": basic(b"apikey:apk_" + b"0" * 40),
        "no value": basic(b"apikey:"),
        "a person": basic(f"admin:{PASSWORD}".encode()),
    }.items():
        yield ask(f"caller: {what}", UNAUTHORIZED, headers={"Authorization": header})


def wrong_revocations() -> Iterator[Bad]:
    yield Bad("revoke", "an empty token", PROPERTY_MISSING, "token", body=b"token=")
    yield Bad("revoke", "token twice", PROPERTY_REFUSED, "token", body=b"token=<token>&token=<token>")
    for what, header in BAD_CLIENTS.items():
        yield Bad("revoke", f"client: {what}", NO_CLIENT, headers={"Authorization": header})


def wrong_reports() -> Iterator[Bad]:
    name, signature = "Github-Public-Key-Identifier", "Github-Public-Key-Signature"
    for what, headers in {
        "no signature": {signature: None},
        "no identifier": {name: None},
        "an unknown identifier": {name: "unknown"},
        "an empty signature": {signature: ""},
        "a signature that is no base64": {signature: "!!!"},
        "a signature that is no DER": {signature: base64.b64encode(b"0" * 70).decode()},
        "the signature of another body": {signature: "<signature of another body>"},
        "a signature in Latin-1": {signature: b"\xff"},
    }.items():
        yield Bad("reportLeaks", what, UNAUTHORIZED, headers=headers)
    for what, body in {**NO_OBJECTS, "an object": b"{}", "1001 reports": json.dumps(REPORTS * 1001).encode()}.items():
        if what not in ("an array", "an array with the object"):
            yield Bad("reportLeaks", f"body: {what}", BAD_REQUEST, "body", body=body)
    for token in (*OTHER_TYPES[:-1], None):
        yield Bad("reportLeaks", f"token as {token!r}", BAD_REQUEST, "token", body=[{"token": token}])
    for report in (*OTHER_TYPES[:-3], None, "a", {}):
        yield Bad("reportLeaks", f"a report as {report!r}", BAD_REQUEST, "token", body=[*REPORTS, report])


TABLES = (
    wrong_anywhere, wrong_tokens, wrong_ids, wrong_bodies, wrong_types, wrong_members, wrong_queries, wrong_headers,
    wrong_token_requests, wrong_introspections, wrong_revocations, wrong_reports,
)  # fmt: skip
ROWS = [row for table in TABLES for row in table()]


# The world


@dataclass(repr=False)
class World:
    """Anna with a key and a service ID, Ben with the same, and the names under which requests speak of them."""

    site: Site
    program: Program
    forge: Forge
    names: dict[str, str]
    look: Look | None = None  # for those who ask what is stored
    version: object = None
    seen: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)

    def fill(self, text: str | bytes) -> bytes:
        """Return the bytes with what each `<name>` stands for."""
        found = text if isinstance(text, bytes) else text.encode("utf-8")
        for name, value in self.names.items():
            found = found.replace(f"<{name}>".encode(), value.encode())
        if found.startswith(b"Bearer <bad token: "):
            what = found.decode().removeprefix("Bearer <bad token: ").removesuffix(">")
            found = f"Bearer {BAD_TOKENS[what](self.forge)}".encode()
        return found

    def send(self, request: Request) -> Answer:
        body = request.body
        if body is not None:
            body = self.fill(body if isinstance(body, bytes) else json.dumps(body))
        headers = {name: self.fill(text) for name, text in request.headers.items() if text is not None}
        if request.target.strip("/") == "v1/leaks":
            signed = self.site.sign(body or b"")
            headers = {name: text.encode() for name, text in signed.items() if name not in request.headers} | headers
            if headers.get("Github-Public-Key-Signature") == b"<signature of another body>":
                headers |= {
                    "Github-Public-Key-Signature": self.site.sign(b"[]")["Github-Public-Key-Signature"].encode()
                }
        return send(self.site.url, request.method, self.fill(request.target).decode(), headers, body)

    def stored(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all that the database holds, save what a use of a key and the clock change by themselves."""
        assert self.look
        if (version := self.look.version()) != self.version:
            self.version, self.seen = version, {query: self.look.sql(query) for query in STORED}
        return self.seen


COLUMNS_OF_KEYS = (
    "id, iam_id, account_id, created_by, created_at, modified_at, revision, entity_tag, name, description, "
    "name_folded, description_folded, pepper, digest, hint, locked, disabled, leaked, expires_at, support_sessions, "
    "action_when_leaked"
)
STORED = (
    f"SELECT {COLUMNS_OF_KEYS} FROM apikeys_apikeyrecord ORDER BY id",  # noqa: S608
    "SELECT * FROM apikeys_historyrecord ORDER BY id",
    "SELECT * FROM apikeys_serviceidrecord ORDER BY id",
    "SELECT * FROM apikeys_refreshtoken ORDER BY digest",
    "SELECT * FROM apikeys_signingkey ORDER BY kid",
    "SELECT id, iam_id, key_id, received_at FROM apikeys_handover ORDER BY id",
    "SELECT * FROM console_user ORDER BY id",
)


def make_world(site: Site, *, dead: bool) -> World:
    """Return new people with new keys; `dead` with keys that do not work any more, too."""
    anna, ben = site.next_person("anna"), site.next_person("ben")
    program, bens = site.log_in(anna), site.log_in(ben)
    keys = {"": program.create_key("Anna's"), "bens_": bens.create_key("Ben's")}
    services = {
        prefix: someone.post("/v1/serviceids", json={"name": "robot", "account_id": anna.account_id}).json()["id"]
        for prefix, someone in (("", program), ("bens_", bens))
    }
    refresh = site.token_request(client=True, grant_type="password", username=anna.username, password=PASSWORD).json()
    names = {
        "token": program.token,
        "refresh_token": refresh["refresh_token"],
        "iam_id": anna.iam_id,
        "account": anna.account_id,
        "username": anna.username,
        "tag": keys[""]["entity_tag"],
        "bens_iam_id": ben.iam_id,
        "bens_username": ben.username,
        **{f"{prefix}service": service for prefix, service in services.items()},
        **{f"{prefix}key": key["id"] for prefix, key in keys.items()},
        **{f"{prefix}value": key["apikey"] for prefix, key in keys.items()},
    }
    forge = Forge.of(site, good=program.token, by_key=program.token)
    if dead:
        dying = {kind: program.create_key(kind) for kind in ("deleted", "disabled", "expired")}
        by_key = site.use(dying["deleted"]["apikey"]).token
        program.delete(f"/v1/apikeys/{dying['deleted']['id']}")
        program.post(f"/v1/apikeys/{dying['disabled']['id']}/disable")
        past = {"expires_at": "2020-01-31T18:00+0000"}
        program.put(f"/v1/apikeys/{dying['expired']['id']}", json=past, headers={"If-Match": "*"})
        names |= {f"{kind}_value": key["apikey"] for kind, key in dying.items()}
        dead_ids = {kind: key["id"] for kind, key in dying.items()} | {"somebody else's": keys["bens_"]["id"]}
        forge = Forge(forge.kid, forge.key, program.token, by_key, dead_ids, ben.iam_id)
    return World(site, program, forge, names)


@pytest.fixture(scope="module")
def world(site: Site) -> Iterator[World]:
    """One world for all bad requests: they change nothing in it."""
    world = make_world(site, dead=True)
    with closing(Look(site.server.database)) as world.look:
        yield world


# What every refusal is


def complaints(answer: Answer, request: Request, refusal: Refusal, details: str) -> list[str]:
    """Return what is wrong with a refusal, in sentences without anything that was sent."""
    status, code = refusal
    if answer.status != status:
        return [f"its status is {answer.status}, not {status}; its code {code_of(answer)}"]
    if answer.headers.get("Content-Type") != JSON:
        return [f"it is {answer.headers.get('Content-Type')}"]
    body = answer.json
    is_token = request.target.startswith(("/identity", "/oidc", "/.well-known"))
    trace = answer.headers.get("Transaction-Id")
    wrong = {
        "it may be kept": answer.headers.get("Cache-Control") != NO_STORE,
        "it may be kept by HTTP/1.0": is_token and answer.headers.get("Pragma") != "no-cache",
        "it sets a cookie": "Set-Cookie" in answer.headers,
        "its trace is not its Transaction-Id": not trace or trace != answer.headers.get("X-Correlation-Id"),
        "a 401 says how to authenticate, another does not": ("WWW-Authenticate" in answer.headers) != (status == 401),
        "a 405 says what is allowed, another does not": ("Allow" in answer.headers) != (status == 405),
    }
    if status == 401:
        by_client = is_token and not request.target.startswith("/identity/userinfo")
        scheme = 'Basic realm="IAM"' if by_client else 'Bearer error="invalid_token"'
        wrong["WWW-Authenticate"] = answer.headers["WWW-Authenticate"] != scheme
    if is_token:
        context = body.get("context", {})
        wrong |= {
            "its shape": not {"errorCode", "errorMessage", "context"} <= body.keys()
            or body.keys() > {"errorCode", "errorMessage", "errorDetails", "context"},
            f"its code is {body.get('errorCode')}": body.get("errorCode") != code,
            "its sentence": not body.get("errorMessage"),
            f"its details are {body.get('errorDetails')!r}": body.get("errorDetails", "") != details,
            "its context": not all(isinstance(text, str) for text in context.values()) or len(context) != 8,
            "its requestId": context.get("requestId") != trace,
        }
    else:
        [error] = body.get("errors", [{}])
        wrong |= {
            "its shape": body.keys() != {"errors", "status_code", "trace"}
            or not {"code", "message_code", "message"}
            <= error.keys()
            <= {"code", "message_code", "message", "details"},
            f"its code is {error.get('message_code')}": error.get("message_code") != code,
            "its word": error.get("code") != errors.WORDS.get(code, code),
            "its sentence": not error.get("message"),
            f"its details are {error.get('details')!r}": error.get("details", "") != details,
            "its status_code": body.get("status_code") != status,
            "its trace": body.get("trace") != trace,
        }
    return [sentence for sentence, is_wrong in wrong.items() if is_wrong]


def code_of(answer: Answer) -> str:
    try:
        body = answer.json
        return str(body["errors"][0]["message_code"] if "errors" in body else body["errorCode"])
    except (ValueError, KeyError, TypeError):
        return "none"


# The tables are whole


def test_every_operation_has_a_good_request_and_bad_ones():
    assert set(GOOD) == set(OPERATIONS)
    for operation, good in GOOD.items():
        [methods] = [at for at in DESCRIPTION["paths"].values() if OPERATIONS[operation] in at.values()]
        assert methods[good.method.lower()] is OPERATIONS[operation]
    counts = {name: sum(row.operation == name for row in ROWS) for name in OPERATIONS}
    assert min(counts.values()) >= 8, counts


def test_every_part_of_the_description_has_rows():
    """A parameter, a member or a code that is new, and that no row is about, fails here."""
    told = {(row.operation, row.details) for row in ROWS}
    codes = {(row.operation, row.refusal[1]) for row in ROWS}

    parameters = {(name, part) for name in OPERATIONS for part in parameters_of(name, "query")}
    headers = {(name, part) for name in WITH_TOKEN for part in parameters_of(name, "header")}
    members = {
        (name, member)
        for name in WITH_JSON
        for member in resolve(OPERATIONS[name]["requestBody"]["content"][JSON]["schema"])["properties"]
    }
    documented = {
        (name, code)
        for name, operation in OPERATIONS.items()
        for status, answer in operation["responses"].items()
        if status.startswith("4")
        for code in resolve(answer).get("content", {}).get(JSON, {}).get("examples", {})
    }

    assert parameters | headers | members <= told
    # Not a matter of bad input: a key that is locked, a limit that is reached, keys of a service ID, time.
    assert {code for _name, code in documented - codes} <= {
        "conflict", "BXNIM0151E", "BXNIM0105E", "BXNIM0408E", "too_many_requests", "BXNIM0513E",
    }  # fmt: skip


@pytest.mark.parametrize("operation", GOOD)
def test_the_request_that_bad_ones_are_made_from_is_good(site, operation):
    answer = make_world(site, dead=False).send(GOOD[operation])

    success = {int(status) for status in OPERATIONS[operation]["responses"] if status.startswith("2")}
    assert answer.status in success


@pytest.mark.parametrize("operation", GOOD)
@pytest.mark.parametrize("shape", ["{}/", "/{}", "///{}/"])
def test_a_slash_too_many_at_either_end_is_no_other_address(site, operation, shape):
    good = GOOD[operation]

    answer = make_world(site, dead=False).send(replace(good, target=shape.format(good.target)))

    success = {int(status) for status in OPERATIONS[operation]["responses"] if status.startswith("2")}
    assert answer.status in success


@pytest.mark.parametrize("operation", CHANGES)
@pytest.mark.parametrize("tag", ['"{}"', 'W/"{}"', '"1-a", "{}"', '{} , W/"2-b"', '"1,a", "{}"', " * ", '"{}"\t'])
def test_an_entity_tag_is_the_same_quoted_weak_and_in_a_list(site, operation, tag):
    world, good = make_world(site, dead=False), GOOD[operation]
    now = world.send(replace(GOOD[operation.replace("update", "get")])).headers["Etag"]

    answer = world.send(replace(good, headers=good.headers | {"If-Match": tag.format(now)}))

    assert answer.status == 200


@pytest.mark.parametrize("operation", [name for name, good in GOOD.items() if good.body is not None])
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_body_in_chunks_is_read_like_any_other(site, operation, size):
    world, good = make_world(site, dead=False), GOOD[operation]
    body = world.fill(good.body if isinstance(good.body, bytes) else json.dumps(good.body))
    parts = chunks(*[body[at : at + size] for at in range(0, len(body), size)])
    headers = good.headers | {"Transfer-Encoding": "chunked"}
    if operation == "reportLeaks":
        headers |= site.sign(body)

    answer = world.send(replace(good, headers=headers, body=parts))

    success = {int(status) for status in OPERATIONS[operation]["responses"] if status.startswith("2")}
    assert answer.status in success


# And each row of them is refused


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_bad_request_is_refused_and_changes_nothing(world, row):
    before = world.stored()
    request = row.request()

    answer = world.send(request)

    assert complaints(answer, request, row.refusal, row.details) == []
    unchanged = world.stored() == before
    assert unchanged
    assert not world.program.refused()


def test_a_forged_token_that_is_like_a_good_one_is_good(world):
    """So each bad one is refused for what is wrong with it."""
    issuer = world.forge.claims()["iss"]
    forged = [
        world.forge.with_claims(),
        world.forge.from_key(api_key_id=world.names["key"]),
        world.forge.with_claims(aud=issuer),  # as older servers made them
    ]

    assert [world.site.with_token(token).refused() for token in forged] == [False, False, False]


@pytest.mark.parametrize("what", BAD_TOKENS)
def test_a_bad_token_is_introspected_as_not_active_and_nothing_more(world, what):
    token = BAD_TOKENS[what](world.forge)

    answer = world.send(Request("POST", "/identity/introspect", GOOD["introspect"].headers, form(token=token)))

    is_inactive = answer.status == 200 and answer.json == {"active": False}
    assert is_inactive


@pytest.mark.parametrize("what", UNKNOWN_VALUES)
def test_a_bad_value_is_introspected_as_not_active_and_nothing_more(world, what):
    body = form(apikey=UNKNOWN_VALUES[what])

    answer = world.send(Request("POST", "/identity/introspect", GOOD["introspect"].headers, body))

    is_inactive = answer.status == 200 and answer.json == {"active": False}
    assert is_inactive
