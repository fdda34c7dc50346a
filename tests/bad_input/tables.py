"""What is wrong with requests under /v1, or with any at all: size, address, access token, body, parameter, header."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import jsonschema_rs

from tests.bad_input.good import (
    BAD_REQUEST,
    BX,
    CHANGES,
    CONFLICT,
    CREATIONS,
    DESCRIPTION,
    FORBIDDEN,
    FORM,
    GOOD,
    INVALID,
    JSON,
    NAMED,
    NEW_SERVICE,
    NOT_FOUND,
    OPERATIONS,
    PACKED,
    TOO_LARGE,
    UNAUTHORIZED,
    WITH_ID,
    WITH_JSON,
    WITH_TOKEN,
    WRONG_METHOD,
    Bad,
    headers,
    members,
    members_of_first_key,
    parameters,
    parameters_of,
    resolve,
    some,
)
from tests.forgery import BAD_TOKENS

LIMIT = 128 * 1024


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

NO_TOKENS = [
    None, "", "Bearer", "Bearer ", "Bearer    ", "<token>", "Token <token>", BX, "Bearer, <token>",
    "Bearer <token> <token>", b"Bearer \xff",
]  # fmt: skip
# Each operation with these; one operation, and introspection, with all of them.
TELLING_TOKENS = [
    "garbage", "alg none", "HS256 with the public key as secret", "unknown kid", "changed signature", "expired",
    "another issuer", "jti missing", "iam_id missing", "deleted key",
]  # fmt: skip


def wrong_tokens() -> Iterator[Bad]:
    yield from headers([*WITH_TOKEN, "introspect"], "Authorization", NO_TOKENS, UNAUTHORIZED, "")
    forged = {what: f"Bearer <bad token: {what}>" for what in BAD_TOKENS}
    telling = {what: forged[what] for what in TELLING_TOKENS}
    yield from headers([*WITH_TOKEN, "introspect"], "Authorization", telling, UNAUTHORIZED, "")
    rest = {what: forged[what] for what in BAD_TOKENS if what not in TELLING_TOKENS}
    yield from headers(["listApiKeys", "introspect"], "Authorization", rest, UNAUTHORIZED, "")


# Ids in the path

# One's own, somebody else's, nobody's, and the beginning of each.
KEY_IDS = ("<key>", "<bobs_key>", "ApiKey-00000000-0000-4000-8000-000000000000", "ApiKey-")
SERVICE_IDS = ("<service>", "<bobs_service>", "ServiceId-00000000-0000-4000-8000-000000000000", "ServiceId-")


def wrong_ids() -> Iterator[Bad]:
    for operation in WITH_ID:
        good = GOOD[operation].target
        (own, *others), other_kind = (KEY_IDS, "<service>") if "<key>" in good else (SERVICE_IDS, "<key>")
        for wrong in (
            *others, other_kind, "%00", f"{own}%00", f"{own}%0A", f"{own}%20", f"{own}%2F%2F", f"{own};x", "..",
            "%2e%2e", "..%2f..%2f..%2fetc%2fpasswd", "%2F", "*", "%25", "%", "%zz", "%FF%FE", "%ED%A0%80",
            "'%20OR%20'1'='1", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "%25s%25n%7B0%7D", "x" * 4000,
            f"{own}{'0' * 4000}",
        ):  # fmt: skip
            yield Bad(operation, f"id: {wrong[:40]}", NOT_FOUND, target=good.replace(own, wrong))
    for wrong in ("%00", "0" * 32, "..", "0" * 4000):
        for operation in ("getIdentityLimits", "getIdentityLimitsInBulk"):
            target = f"/v1/accounts/{wrong}/limits/identity"
            yield Bad(operation, f"account: {wrong[:40]}", BAD_REQUEST, "account_id", target=target)
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
NO_JSON = [
    None, "", FORM, "text/plain", "multipart/form-data; boundary=x", "application/merge-patch+json",
    "application/jsonx", "\u00e9",
]  # fmt: skip


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
    yield from headers(WITH_JSON, "Content-Type", NO_JSON)


# Members

OTHER_TYPES: tuple[Any, ...] = (0, 1, -1.5, 10**30, True, [], ["a"], {}, {"a": "b"}, "maybe")


def wrong_types() -> Iterator[Bad]:
    """Yield for each member that the description knows, each kind of JSON that it does not allow there."""
    for operation in WITH_JSON:
        schema = resolve(OPERATIONS[operation]["requestBody"]["content"][JSON]["schema"])
        for name, member in schema["properties"].items():
            yield from members([operation], name, not_allowed(member))
    first_key = DESCRIPTION["components"]["schemas"]["ServiceIdCreate"]["properties"]["apikey"]["anyOf"][0]
    for name, member in first_key["properties"].items():
        yield from members_of_first_key(name, not_allowed(member))


def not_allowed(member: dict[str, Any]) -> list[Any]:
    """Return what is of a type that the member does not have; a text is left to the table of values."""
    schema = jsonschema_rs.Draft202012Validator({**member, "components": DESCRIPTION["components"]})
    right = str if "string" in member.get("type", ()) else dict if "anyOf" in member else None
    return [wrong for wrong in OTHER_TYPES if not schema.is_valid(wrong) and type(wrong) is not right]


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
    "somebody else's that is in use": "<bobs_value>",
}
FOREIGN = {
    "somebody else": "<bobs_iam_id>",
    "somebody else's service ID": "iam-<bobs_service>",
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
OF_THIS_DATABASE = ("a NUL", "half a character")  # what no text of it can be


def wrong_members() -> Iterator[Bad]:
    yield from members(NAMED, "name", BAD_NAMES, INVALID)
    yield from members(NAMED, "description", BAD_DESCRIPTIONS, INVALID)
    yield from members(CREATIONS, "name", [None], INVALID)
    for operation in CREATIONS:
        without = {name: text for name, text in GOOD[operation].body.items() if name != "name"}
        yield Bad(operation, "no name", INVALID, "name", body=without)
    yield Bad("createApiKey", "nothing but a name", BAD_REQUEST, "iam_id", body={"name": "new"})
    yield from members(["createApiKey"], "iam_id", FOREIGN, INVALID)
    yield from members(["createApiKey"], "iam_id", ["", None])
    yield from members(["createApiKey"], "store_value", [True, "true"])  # a person's value is kept nowhere
    yield from members(CREATIONS, "account_id", NO_ACCOUNTS)
    yield from members(["createServiceId"], "account_id", ["", None])
    yield Bad("createServiceId", "no account_id", BAD_REQUEST, "account_id", body={"name": "a"})
    yield from members(["createServiceId", "updateServiceId"], "unique_instance_crns", BAD_CRNS, INVALID)
    no_crns = [[1], ["a", None], [["a"]], "crn:v1:a"]
    yield from members(["createServiceId", "updateServiceId"], "unique_instance_crns", no_crns)
    yield from members(["createServiceId"], "group_id", ["ServiceIdGroup-1", " "])


BAD_NETWORKS = {
    "a name": ["office"],
    "a port": ["192.0.2.7:80"],
    "bits beyond the prefix": ["192.0.2.0/24", "192.0.2.7/24"],
    "two in one": ["192.0.2.0/24 192.0.3.0/24"],
    "no more than a sign": ["!"],
    "nothing": [""],
    "a space": ["192.0.2.7", " "],
    "101": ["192.0.2.7"] * 101,
    "a NUL": ["192.0.2.7\0"],
    "half a character": ["192.0.2.7\ud800"],
}
BAD_SCOPES = {
    "one that nobody defined": ["apikeys:read", "billing:read"],
    "capitals": ["APIKEYS:READ"],
    "two in one": ["apikeys:read apikeys:write"],
    "everything": ["ibm openid"],
    "nothing": [""],
    "a space": ["apikeys:read", " "],
    "65 characters": ["x" * 65],
    "more than are kept": [f"{number:064}" for number in range(20)],
    "a NUL": ["apikeys:read\0"],
    "half a character": ["\ud800"],
}


def wrong_members_of_keys() -> Iterator[Bad]:
    for name, wrongs, refusal, is_changed_too in (
        ("scopes", BAD_SCOPES, INVALID, True),
        ("scopes", ["apikeys:read", [1], [None], [["apikeys:read"]], {"apikeys:read": True}], BAD_REQUEST, True),
        ("expires_at", BAD_DATES, INVALID, True),
        ("expires_at", ["2020-01-31T18:00+0000", "0001-01-01T00:00Z"], INVALID, False),  # the past
        ("action_when_leaked", ["destroy", "Delete", "delete ", "none\0", "\ud800"], BAD_REQUEST, True),
        ("support_sessions", ["yes", "True", "", "1"], BAD_REQUEST, True),
        ("store_value", ["TRUE", "", "1"], BAD_REQUEST, False),
        ("apikey", BAD_OWN_VALUES, INVALID, False),
        ("networks", BAD_NETWORKS, INVALID, True),
    ):
        yield from members(["createApiKey"], name, wrongs, refusal)
        yield from members_of_first_key(name, wrongs, refusal)
        for row in members(["updateApiKey"], name, wrongs, refusal) if is_changed_too else ():
            yield replace(row, body={name: row.body[name]})
    yield from members_of_first_key("name", BAD_NAMES, INVALID)
    nameless = {**NEW_SERVICE, "apikey": {}}
    yield Bad("createServiceId", "a first key without a name", INVALID, "name", body=nameless)


def wrong_members_of_limits() -> Iterator[Bad]:
    operation, name = "getIdentityLimitsInBulk", "apikeys_per_identity"
    for what, iam_id in FOREIGN.items():
        refusal, details = (BAD_REQUEST, name) if what in OF_THIS_DATABASE else (INVALID, "iam_id")
        for asked in ([iam_id], ["<iam_id>", iam_id], f"<iam_id>,{iam_id}"):
            yield Bad(operation, f"{name}: {what} in {asked!r:.40}", refusal, details, body={name: asked})
    yield from members([operation], name, {"101": ["<iam_id>"] * 101, "101 in a text": ",".join(["<iam_id>"] * 101)})


# Parameters and headers

KEY_LISTS = ["listApiKeys", "exportApiKeys"]
LISTS = [*KEY_LISTS, "listServiceIds"]
NO_ADDRESSES = ("", "office", "192.0.2.0/24", "192.0.2.7:80", "192.0.2.7, 192.0.2.8", "\u00e9", b"\xff\xfe")
BAD_FLAGS = ("", "1", "0", "yes", "on", "t", "null", "true false", "tru\u00e9")
BAD_DAYS = (
    "",
    "0",
    "-1",
    "36501",
    "9" * 9,
    "9" * 5000,
    "1.5",
    "1e1",
    "14d",
    "%2B5",
    "%205",
    "x",
    "%EF%BC%91",
    "%C2%B2",
    "%00",
)
BAD_FLAGS = ("", "1", "0", "yes", "tru", "%00", "true%20", "null")
BAD_DAYS_OF_A_YEAR = (
    "",
    "today",
    "20260131",
    "2026-W05-6",
    "2026-1-31",
    "2026-02-30",
    "2026-13-01",
    "0000-01-01",
    "10000-01-01",
    "-2026-01-31",
    "2026-01-31T00:00",
    "2026-01-31%00",
    "%202026-01-31",
    "2026-01-31%0A",
    "%D9%A2%D9%A0%D9%A2%D9%A6-01-31",
    "9" * 5000,
)
BAD_QUERIES = {
    "pagesize": (
        "",
        "0",
        "101",
        "-1",
        "1.5",
        "1e1",
        "%2B5",
        "%205",
        "x",
        "%EF%BC%91",
        "%C2%B2",
        "9" * 9,
        "9" * 5000,
        "%00",
    ),
    "sort": ("", "NAME", "name,id", "-name", "name%20desc", "id", "%00", "'", "x" * 4000),
    "order": ("", "up", "ASC", "asc,desc", "desc%00"),
    "scope": ("", "everything", "Account", "account%00"),
    "type": ("robot", "User", "user,serviceid", "%00"),
    "group_id": ("ServiceIdGroup-1", "%00", "%20"),
    "account_id": ("0" * 32, "x", "%00", "%FF", "*"),
    "status": ("", "Active", "active,leaked", "gone", "%00", "active%20"),
    "expires_within_days": BAD_DAYS,
    "unused_for_days": BAD_DAYS,
    "never_used": BAD_FLAGS,
    "created_since": BAD_DAYS_OF_A_YEAR,
    "leaked": BAD_FLAGS,
    "include_history": ("", "1", "yes", "tru", "%00"),
    "include_activity": ("", "1", "yes", "%00"),
}
BAD_FILTERS = [
    "name", "name co", "name co x", "name co 'x'", 'name co "x', 'name co x"', 'name ne "x"', 'owner co "x"',
    'name co "x" or name co "y"', 'name co "x" and', 'and name co "x"', 'name co "x" name co "y"',
    'name co "x" and and name co "y"', '(name co "x")', 'not name co "x"', 'name co "\\x"', 'name co "x\\"',
    'name  ſw "x"', "name%", "*", 'name co "x"; drop table', " ", "\t", 'name co "' + "x" * 5000 + '"',
    'name co "x" and ' * 1000, " and ".join(['name co "x"'] * 11),
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
BAD_TAGS = [
    "1-" + "0" * 32, "1", "**", "*, *", '"*"', 'W/"1"', '"<tag>', '""<tag>""', "'<tag>'", 'w/"<tag>"', '"<tag> "',
    '"1", "2", W/"3"', ",", "x" * 6000,
]  # fmt: skip
BAD_NONCES = [
    "", "x", "x" * 21, "x" * 129, "x" * 30 + "!", "x" * 30 + " y", "\u00e9" * 30, "x" * 6000,
    "a" * 22, "ab" * 30, "0123" * 10, "-" * 128,
]  # fmt: skip
OTHER_VALUES = {
    "unknown": "apk_" + "0" * 40,
    "somebody else's": "<bobs_value>",
    "longer": "<value>x",
    "an id": "<key>",
    "very long": "x" * 6000,
}


def wrong_queries() -> Iterator[Bad]:
    for operation in OPERATIONS:
        for name in parameters_of(operation, "query"):
            yield Bad(operation, f"{name} twice", BAD_REQUEST, name, query=f"{name}=true&{name}=true")
            yield from parameters([operation], name, BAD_QUERIES.get(name, ()))
    yield from parameters(KEY_LISTS, "sort", ["modified_at"])
    yield from parameters(["exportApiKeys"], "format", ["", "xml", "CSV", "csv%20"])
    yield from parameters(["listServiceIds"], "sort", ["created_by", "last_authn", "expires_at"])
    yield from parameters(["listServiceIds"], "name", ["a%00b"])
    yield from parameters(LISTS, "filter", {text[:40]: quote(text) for text in BAD_FILTERS})
    yield from parameters(LISTS, "filter", {"a NUL": "name%20co%20%22%00%22"})
    yield from parameters(LISTS, "pagetoken", BAD_PAGE_TOKENS)
    for query in ("scope=account", "scope=account&type=user", "scope=account&iam_id=<bobs_iam_id>", "owner=alice"):
        for operation in KEY_LISTS:
            yield Bad(operation, f"{query} of no administrator", FORBIDDEN, query=query)
    limits, name = "getIdentityLimits", "apikeys_per_identity"
    for what, iam_id in FOREIGN.items():
        if what == "half a character":
            continue
        text = quote(iam_id[:4000], safe="<>")
        refusal, details = (BAD_REQUEST, name) if what == "a NUL" else (INVALID, "iam_id")
        yield from parameters(KEY_LISTS, "iam_id", {what: text}, refusal)
        for owners in (text, f"<iam_id>,{text}"):
            yield Bad(limits, f"identities: {owners[:40]} ({what})", refusal, details, query=f"{name}={owners}")
    yield from parameters([limits], name, {"101": ",".join(["<iam_id>"] * 101)})


def wrong_headers() -> Iterator[Bad]:
    for operation in [*CREATIONS, "rotateApiKey"]:
        for name in parameters_of(operation, "header"):
            yield from headers([operation], name, BAD_NONCES if name == "Idempotency-Key" else BAD_FLAGS)
    yield from headers(["createServiceId"], "Entity-Disable", {"without a key": "true"})
    # The server hands on a header with other bytes than ASCII as an empty one.
    yield from headers(CHANGES, "If-Match", [None, "", "\u00e9"])
    yield from headers(CHANGES, "If-Match", BAD_TAGS, CONFLICT, "")
    yield from headers(["getApiKeyDetails"], "IAM-ApiKey", [None, "", b"\xff\xfe", "\u00e9" * 40])
    yield from headers(["getApiKeyDetails"], "IAM-ApiKey", OTHER_VALUES, NOT_FOUND, "")
    yield from headers(["getApiKeyDetails"], "IAM-Client-Address", NO_ADDRESSES)
