"""What is wrong with requests about tokens, and with reports of leaked keys."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

from tests.bad_input.good import (
    BAD_REQUEST,
    BX,
    FORM,
    FORM_OF_BX,
    JSON,
    NO_CLIENT,
    PASSCODE_REFUSED,
    PROPERTY_MISSING,
    PROPERTY_REFUSED,
    REFRESH_INVALID,
    REPORTS,
    UNAUTHORIZED,
    VALUE_UNKNOWN,
    WRONG_PASSWORD,
    Bad,
    Refusal,
    headers,
    some,
)
from tests.bad_input.tables import NO_OBJECTS, OTHER_TYPES
from tests.cast import PASSWORD
from tests.programs import API_KEY_GRANT

PASSCODE_GRANT = "urn:ibm:params:oauth:grant-type:passcode"


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
    "too many properties": (FORM, b"&".join(b"a%d=b" % number for number in range(200)), BAD_REQUEST),
}


def wrong_token_requests() -> Iterator[Bad]:
    for row in wrong_requests_of_getting_tokens():
        yield row
        yield replace(row, operation="getTokenAtOldAddress")
    for what, (content_type, body, refusal) in NO_FORMS.items():
        for operation, name in {"getToken": "grant_type", "getTokenAtOldAddress": "grant_type", "introspect": "token",
                                "revoke": "token"}.items():  # fmt: skip
            named = name if refusal == PROPERTY_MISSING else ""
            yield Bad(operation, f"form: {what}", refusal, named, headers={"Content-Type": content_type}, body=body)


BAD_SCOPES = {
    "one that nobody defined": "apikeys:read billing:read",
    "capitals": "APIKEYS:READ",
    "commas": "apikeys:read,apikeys:write",
    "more than are kept": " ".join(f"{number:03}" for number in range(300)),
    "very many": " ".join(f"{number:x}" for number in range(10_000)),
    "a NUL": "apikeys:read\0",
    "not ASCII": "é",
}


def wrong_requests_of_getting_tokens() -> Iterator[Bad]:
    def ask(what: str, refusal: Refusal, name: str = "", *, client: bool = False, body: bytes) -> Bad:
        return Bad("getToken", what, refusal, name, headers=FORM_OF_BX if client else {}, body=body)

    for grant in ("unknown", "password ", "PASSWORD", "client_credentials", "\0", "x" * 10_000,
                  "urn:ibm:params:oauth:grant-type:iam-authz"):  # fmt: skip
        body = form(grant_type=grant, apikey="<value>")
        yield ask(f"grant: {grant[:40]!r}", PROPERTY_REFUSED, "grant_type", body=body)
    for passcode in ("x", "0" * 16, "\0", "é", "x" * 10_000):
        body = form(grant_type=PASSCODE_GRANT, passcode=passcode)
        yield ask(f"passcode: {passcode[:20]!r}", PASSCODE_REFUSED, client=True, body=body)
    yield ask("passcode without a client", NO_CLIENT, body=form(grant_type=PASSCODE_GRANT, passcode="x"))
    yield ask("no passcode", PROPERTY_MISSING, "passcode", client=True, body=form(grant_type=PASSCODE_GRANT))
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
        for row in headers(["getToken"], "Authorization", BAD_CLIENTS, NO_CLIENT, ""):
            yield replace(row, what=f"{row.what}, {good['grant_type'][-13:]}", body=form(**good))
        if client:
            yield ask(f"{good['grant_type']} without a client", NO_CLIENT, body=form(**good))
        for what, scope in BAD_SCOPES.items():
            row = ask(f"scope: {what}", PROPERTY_REFUSED, "scope", client=client, body=form(**good, scope=scope))
            yield replace(row, what=f"{row.what}, {good['grant_type'][-13:]}")
        twice = form(**good) + b"&scope=apikeys:read&scope=apikeys:write"
        yield ask(f"{good['grant_type']}, scope twice", PROPERTY_REFUSED, "scope", client=client, body=twice)
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
        "somebody else's name": {"username": "<bobs_username>", "password": "wrong"},
        "an unknown name": {"username": "nobody"},
        "a name with a NUL": {"username": "<username>\0"},
        "a very long name": {"username": "x" * 100_000},
    }.items():
        yield ask(what, WRONG_PASSWORD, client=True, body=form(**{**PASSWORD_FORM, **wrong}))


def wrong_introspections() -> Iterator[Bad]:
    yield Bad("introspect", "an empty value", PROPERTY_MISSING, "token", body=b"apikey=")
    for shown in ("token=<token>", "apikey=<value>"):
        for address in ("office", "192.0.2.7%3A80", "192.0.2.7&client_address=192.0.2.7"):
            body = f"{shown}&client_address={address}".encode()
            yield Bad("introspect", f"{body.decode():.40}", PROPERTY_REFUSED, "client_address", body=body)
    yield Bad("introspect", "apikey twice", PROPERTY_REFUSED, "apikey", body=b"apikey=<value>&apikey=<value>")
    callers = {
        **BAD_CLIENTS,
        "the client of command lines": BX,
        "another user": basic(b"key:x"),
        "an unknown value": basic(b"apikey:apk_" + b"0" * 40),
        "no value": basic(b"apikey:"),
        "a person": basic(f"admin:{PASSWORD}".encode()),
    }
    yield from headers(["introspect"], "Authorization", callers, UNAUTHORIZED, "")


def wrong_revocations() -> Iterator[Bad]:
    asked = ["introspect", "revoke"]
    yield from some(asked, "an empty token", PROPERTY_MISSING, "token", body=b"token=")
    yield from some(asked, "token twice", PROPERTY_REFUSED, "token", body=b"token=<token>&token=<token>")
    yield from headers(["revoke"], "Authorization", BAD_CLIENTS, NO_CLIENT, "")


def wrong_reports() -> Iterator[Bad]:
    name, signature = "Github-Public-Key-Identifier", "Github-Public-Key-Signature"
    for what, wrong in {
        "no signature": {signature: None},
        "no identifier": {name: None},
        "an unknown identifier": {name: "unknown"},
        "an empty signature": {signature: ""},
        "a signature that is no base64": {signature: "!!!"},
        "a signature that is no DER": {signature: base64.b64encode(b"0" * 70).decode()},
        "the signature of another body": {signature: "<signature of another body>"},
        "a signature in Latin-1": {signature: b"\xff"},
    }.items():
        yield Bad("reportLeaks", what, UNAUTHORIZED, headers=wrong)
    for what, body in {**NO_OBJECTS, "an object": b"{}", "1001 reports": json.dumps(REPORTS * 1001).encode()}.items():
        if not what.startswith("an array"):
            yield Bad("reportLeaks", f"body: {what}", BAD_REQUEST, "body", body=body)
    for token in (*OTHER_TYPES[:-1], None):
        yield Bad("reportLeaks", f"token as {token!r}", BAD_REQUEST, "token", body=[{"token": token}])
    for report in (*OTHER_TYPES[:-3], None, "a", {}):
        yield Bad("reportLeaks", f"a report as {report!r}", BAD_REQUEST, "token", body=[*REPORTS, report])
