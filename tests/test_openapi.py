"""The OpenAPI description against its standard, against the addresses and errors of the code, and against answers."""

import base64
import hashlib
import json
import re
from typing import Any

import jsonschema_rs
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client
from django.utils import timezone
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from apikeys.api import bad_values
from apikeys.api.openapi import document
from apikeys.api.urls import urlpatterns
from apikeys.iam.oauth import GRANT_PASSCODE
from apikeys.models import AuditEvent, RefreshToken, ScopeRecord
from apikeys.services.refusals import write_uses
from apikeys.values import mask
from tests.api_errors import known_codes
from tests.cast import PASSWORD
from tests.programs import API_KEY_GRANT, REPORTER, public_pem, signed

BX = "Basic " + base64.b64encode(b"bx:bx").decode()
FORM = "application/x-www-form-urlencoded"
RANDOM = "b1946ac92492d2347c6235b4d2611184"
NO_ID = "00000000-0000-0000-0000-000000000000"
# What no request brings about: the server broke, or its store did.
BROKEN = {"500", "503", "507"}


@pytest.fixture
def description() -> dict[str, Any]:
    return document.current()


def operations(description: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return every operation by method and path."""
    return {
        (method.upper(), path): operation
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }


def resolve(description: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference refers to, or what was found itself."""
    if "$ref" not in found:
        return found
    _hash, *steps = found["$ref"].split("/")
    target = description
    for step in steps:
        target = target[step]
    return target


def validator(description: dict[str, Any], schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        {**schema, "components": description["components"]}, validate_formats=True, offline=True
    )


def everything(found: Any) -> list[Any]:
    """Return all objects inside, the outer one first."""
    if isinstance(found, dict):
        return [found, *(inner for value in found.values() for inner in everything(value))]
    if isinstance(found, list):
        return [inner for value in found for inner in everything(value)]
    return []


def codes_of(description: dict[str, Any], answer: dict[str, Any]) -> set[str]:
    content = resolve(description, answer).get("content", {}).get("application/json", {})
    return set(content.get("examples", {}))


# The description itself


def test_it_is_valid_openapi_3_1(description):
    assert [str(error) for error in OPENAPI_31_VALIDATOR.iter_errors(description)] == []
    for schema in [
        *description["components"]["schemas"].values(),
        *(found["schema"] for found in everything(description["paths"]) if "schema" in found),
    ]:
        assert jsonschema_rs.meta.is_valid(schema), schema


def test_every_reference_leads_somewhere_and_every_component_is_used(description):
    references = {found["$ref"] for found in everything(description) if "$ref" in found}
    schemes = {name for found in everything(description) for need in found.get("security", []) for name in need}

    for reference in references:
        assert resolve(description, {"$ref": reference})

    named = {
        f"#/components/{kind}/{name}"
        for kind, components in description["components"].items()
        for name in components
        if kind != "securitySchemes"
    }
    assert named == references
    assert set(description["components"]["securitySchemes"]) == schemes


def test_every_address_and_method_is_described_and_nothing_else(description):
    described = {(method, re.sub(r"{\w+}", "{}", path)) for method, path in operations(description)}

    served = {
        (method, "/" + re.sub(r"<str:\w+>", "{}", str(pattern.pattern)))
        for pattern in urlpatterns
        for method in pattern.callback.methods
    }

    assert described == served


def test_operations_have_names_of_their_own_and_describe_the_parts_of_their_path(description):
    found = operations(description)
    names = [operation["operationId"] for operation in found.values()]

    assert len(set(names)) == len(names)
    for (_method, path), operation in found.items():
        parameters = [resolve(description, parameter) for parameter in operation.get("parameters", [])]
        assert {p["name"] for p in parameters if p["in"] == "path"} == set(re.findall(r"{(\w+)}", path))
        assert operation["tags"][0] in {tag["name"] for tag in description["tags"]}


def test_every_documented_code_is_one_of_the_codes_errors_with_its_status(description):
    known = known_codes()
    documented = {
        (code, int(status))
        for operation in operations(description).values()
        for status, answer in operation["responses"].items()
        for code in codes_of(description, answer)
    }

    assert documented <= known
    # A described method is never refused as such; the introduction tells of it.
    assert {code for code, _status in known - documented} == {"BXNIM0060E"}
    assert "BXNIM0060E" in description["info"]["description"]


def test_every_example_is_what_its_schema_allows(description):
    examples = [
        (found["schema"], example)
        for found in everything(description)
        if "schema" in found
        for example in [
            *([found["example"]] if "example" in found else []),
            *(named["value"] for named in found.get("examples", {}).values()),
        ]
    ]
    examples += [
        ({name: part for name, part in found.items() if name != "examples"}, example)
        for found in everything(description)
        if isinstance(found.get("examples"), list)
        for example in found["examples"]
    ]

    assert len(examples) > 100
    for schema, example in examples:
        problems = [error.message for error in validator(description, schema).iter_errors(example)]
        assert problems == [], example


def test_nothing_in_it_looks_like_a_value_or_a_token(description):
    text = json.dumps(description, ensure_ascii=False)

    assert mask(text) == text
    assert "apk_" not in text


def test_the_password_grant_is_described_only_where_it_is_on():
    def grants(with_password: bool) -> list[str]:
        found = document.description("https://console.example", with_password=with_password)
        return [
            grant["properties"]["grant_type"]["const"]
            for grant in found["components"]["schemas"]["TokenRequest"]["oneOf"]
        ]

    assert grants(with_password=True) == [API_KEY_GRANT, "password", GRANT_PASSCODE, "refresh_token"]
    assert grants(with_password=False) == [API_KEY_GRANT, GRANT_PASSCODE, "refresh_token"]


@pytest.mark.django_db
def test_anybody_may_have_it(client, description, settings):
    answer = client.get("/v1/openapi.json")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-cache, no-store, must-revalidate"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer
    assert answer.json() == json.loads(json.dumps(description))
    assert answer.json()["servers"] == [{"url": settings.PUBLIC_URL}]


@pytest.mark.django_db
def test_each_address_answers_head_like_get_and_refuses_other_methods_by_naming_its_own(client, description):
    for path, methods in description["paths"].items():
        allowed = sorted({method.upper() for method in methods} | ({"HEAD"} if "get" in methods else set()))
        address = re.sub(r"{\w+}", "x", path)

        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}:
            answer = client.generic(method, address)
            assert (answer.status_code == 405) == (method not in allowed), (method, path)
            if answer.status_code == 405:
                assert answer["Allow"] == ", ".join(allowed)
                assert answer["Content-Type"] == "application/json"
                assert method == "HEAD" or b"BXNIM0060E" in answer.content
        if "get" in methods:
            assert client.head(address).status_code == client.get(address).status_code
            assert client.head(address).content == b""


# Answers


class Program:
    """Calls the API and holds each answer to the description; `seen` are the answers that were had."""

    def __init__(self, description: dict[str, Any]) -> None:
        self.description = description
        self.seen: set[tuple[str, str, str, str]] = set()
        self.token = ""
        self.client = Client()

    def call(self, expected: int | str, method: str, path: str, body: Any = None, /, **headers: str) -> Any:
        """Return the JSON of the answer, None where there is none; `expected` is its status or its error code."""
        content_type = "application/json"
        if isinstance(body, dict) and path.startswith(("/identity", "/oidc")):
            content_type, data = FORM, "&".join(f"{name}={value}" for name, value in body.items())
        else:
            data = body if isinstance(body, str | bytes) else "" if body is None else json.dumps(body)
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        answer = self.client.generic(method, path, data, content_type=content_type, headers=headers)
        found = json.loads(answer.content) if answer.content else None
        code = self._code(found) if answer.status_code >= 400 else ""
        assert expected in (answer.status_code, code), (method, path, answer.status_code, code)
        self._compare(method, path.partition("?")[0], answer, found, code)
        return found

    @staticmethod
    def _code(found: Any) -> str:
        return str(found["errors"][0]["message_code"] if "errors" in found else found["errorCode"])

    def _compare(self, method: str, path: str, answer: Any, found: Any, code: str) -> None:
        templates = [
            template
            for template in self.description["paths"]
            if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path) and method.lower() in self._methods(template)
        ]
        template = path if path in templates else templates[0]
        status = str(answer.status_code)
        responses = self._methods(template)[method.lower()]["responses"]
        assert status in responses, (method, template, status)
        documented = resolve(self.description, responses[status])
        for name, reference in documented["headers"].items():
            header = resolve(self.description, reference)
            if not header["required"] and name not in answer.headers:
                continue
            schema, text = header["schema"], answer.headers[name]
            sent = int(text) if schema.get("type") == "integer" else text
            assert validator(self.description, schema).is_valid(sent), (method, template, name)
        if "content" not in documented:
            assert found is None
        else:
            assert answer["Content-Type"] == "application/json"
            schema = documented["content"]["application/json"]["schema"]
            problems = [error.message for error in validator(self.description, schema).iter_errors(found)]
            assert problems == [], (method, template, status)
        if found is not None and "Etag" in documented["headers"]:
            assert answer["ETag"] == found["entity_tag"]
        assert answer["Cache-Control"] == "no-cache, no-store, must-revalidate"
        self.seen.add((method, template, status, code))

    def _methods(self, template: str) -> dict[str, Any]:
        methods: dict[str, Any] = self.description["paths"][template]
        return methods

    def log_in(self, username: str, password: str = PASSWORD, **more: str) -> Any:
        form = {"grant_type": "password", "username": username, "password": password.replace(" ", "+"), **more}
        self.token = ""
        tokens = self.call(200, "POST", "/identity/token", form, Authorization=BX)
        self.token = tokens["access_token"]
        return tokens


@pytest.fixture
def alices(description, alice) -> Program:
    program = Program(description)
    program.log_in(alice.username)
    return program


@pytest.fixture
def reporter(settings) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    settings.LEAK_REPORT_KEYS = {REPORTER: public_pem(key)}
    return key


def walk_through_keys(program: Program, iam_id: str, account_id: str) -> None:
    call = program.call
    new = {"name": "terraform", "iam_id": iam_id, "expires_at": "2090-01-31T18:00+0000"}
    created = call(201, "POST", "/v1/apikeys", new, **{"Entity-Lock": "true", "Idempotency-Key": RANDOM})
    again = call(201, "POST", "/v1/apikeys", new, **{"Entity-Lock": "true", "Idempotency-Key": RANDOM})
    call("conflict", "POST", "/v1/apikeys", new, **{"Entity-Lock": "false", "Idempotency-Key": RANDOM})
    assert again["id"] == created["id"]
    assert again["apikey"] == created["apikey"]
    call("conflict", "POST", "/v1/apikeys", {**new, "name": "another"}, **{"Idempotency-Key": RANDOM})
    key = f"/v1/apikeys/{created['id']}"

    call("conflict", "PUT", key, {"name": "a"}, **{"If-Match": "*"})
    call("conflict", "DELETE", key)
    call("conflict", "POST", f"{key}/disable")
    call("conflict", "DELETE", f"{key}/disable")
    call(204, "DELETE", f"{key}/lock")
    call(204, "POST", f"{key}/lock")
    call(204, "DELETE", f"{key}/lock")
    call(204, "POST", f"{key}/disable")
    exchange = {"grant_type": API_KEY_GRANT, "apikey": created["apikey"]}
    call("BXNIM0415E", "POST", "/identity/token", exchange, Authorization="")
    call(204, "DELETE", f"{key}/disable")
    call(200, "POST", "/identity/token", exchange, Authorization=BX)
    assert "activity" in call(200, "GET", f"{key}?include_history=true&include_activity=true")
    call(200, "GET", "/v1/apikeys/details?include_history=true", **{"IAM-ApiKey": created["apikey"]})
    walk_through_life(program, key, created["apikey"])
    call(200, "PUT", key, {"name": "b", "expires_at": ""}, **{"If-Match": "*"})
    call("conflict", "PUT", key, {"name": "c"}, **{"If-Match": created["entity_tag"]})
    for name in ("two", "three"):
        call(201, "POST", "/v1/apikeys", {"name": name, "iam_id": iam_id})
    page = call(200, "GET", "/v1/apikeys?pagesize=1&include_history=true&sort=name")
    page = call(200, "GET", page["next"].removeprefix("http://testserver"))
    assert {"previous", "next"} <= page.keys()
    filters = "status=active&expires_within_days=36500&unused_for_days=1&created_since=2020-01-31&leaked=false"
    page = call(200, "GET", f"/v1/apikeys?{filters}&never_used=false&sort=last_authn")
    narrowed = ["created_since", "expires_within_days", "leaked", "never_used", "status", "unused_for_days"]
    assert page["applied"] == sorted([*narrowed, "sort"])
    call(200, "GET", f"/v1/accounts/{account_id}/limits/identity")

    for method, path in (("GET", "/v1/apikeys?pagesize=0"), ("GET", f"{key}?include_history=1")):
        call("bad_request", method, path)
    for lists in ("/v1/apikeys", "/v1/apikeys/export"):
        call("BXNIM0113E", "GET", f"{lists}?iam_id=IBMid-SOMEBODY00")
        call("BXNIM0513E", "GET", f"{lists}?scope=account")
    call(200, "POST", "/v1/apikeys/bulk", {"action": "unlock", "ids": [created["id"], "ApiKey-unknown"]})
    call("bad_request", "POST", "/v1/apikeys/bulk", {"action": "unlock", "ids": []})
    call("bad_request", "POST", "/v1/apikeys/revoke", {"everybody": False})
    call("BXNIM0513E", "POST", "/v1/apikeys/revoke", {"everybody": True})
    call(200, "GET", "/v1/apikeys/export?pagesize=1&format=csv&status=active")
    call("bad_request", "GET", "/v1/apikeys/export?format=xml")
    call("bad_request", "POST", "/v1/apikeys", "no JSON")
    call("BXNIM0113E", "POST", "/v1/apikeys", {"iam_id": iam_id, "name": " "})
    call("bad_request", "GET", "/v1/apikeys/details")
    call("BXNIM0102E", "GET", "/v1/apikeys/details", **{"IAM-ApiKey": "unknown"})
    call("bad_request", "PUT", key, {"name": "a"})
    call("BXNIM0113E", "PUT", key, {"name": ""}, **{"If-Match": "*"})
    limits = f"/v1/accounts/{account_id}/limits/identity"
    call(200, "POST", limits, {"apikeys_per_identity": [iam_id]})
    for method, body in (("GET", None), ("POST", {})):
        call("bad_request", method, "/v1/accounts/another/limits/identity", body)
    call("BXNIM0113E", "GET", f"{limits}?apikeys_per_identity=IBMid-SOMEBODY00")
    call("BXNIM0113E", "POST", limits, {"apikeys_per_identity": "IBMid-SOMEBODY00"})
    call(204, "DELETE", key)
    call("conflict", "POST", "/v1/apikeys", new, **{"Idempotency-Key": RANDOM})


def walk_through_life(program: Program, key: str, value: str) -> None:
    call = program.call
    unused = {"Idempotency-Key": RANDOM[::-1]}
    rotated = call(201, "POST", f"{key}/rotate", {"overlap_seconds": 60}, **unused)
    assert call(201, "POST", f"{key}/rotate", {"overlap_seconds": 60}, **unused)["apikey"] == rotated["apikey"] != value
    call("rotation_under_way", "POST", f"{key}/rotate", {})
    call(201, "POST", f"{key}/rotate", {"end_previous": True, "until_ended": True, "ask_at_end": False})
    call("bad_request", "POST", f"{key}/rotate", {"overlap_seconds": -1})
    assert "ends_at" not in call(200, "GET", f"{key}/usage")["rotation"]
    call(204, "DELETE", f"{key}/previous")
    call("BXNIM0102E", "DELETE", f"{key}/previous")
    assert "paused_until" in call(200, "POST", f"{key}/pause", {"seconds": 60})
    call("bad_request", "POST", f"{key}/pause", {"seconds": 0})
    exchange = {"grant_type": API_KEY_GRANT, "apikey": value}
    call("BXNIM0415E", "POST", "/identity/token", exchange, Authorization="")
    write_uses()
    found = call(200, "GET", f"{key}/refusals")
    assert (found["cause"]["reason"], found["refusals"][0]["reason"]) == ("paused", "replaced")
    call(200, "GET", f"/v1/apikeys/refusals/{found['refusals'][0]['request_id']}")
    call("BXNIM0102E", "GET", "/v1/apikeys/refusals/unknown")
    assert call(200, "GET", f"{key}/usage")["places"][0]["reason"] == "replaced"
    call(204, "DELETE", f"{key}/pause")
    call(204, "POST", f"{key}/lock")
    for method, path, body in (
        ("POST", "rotate", {}),
        ("DELETE", "previous", None),
        ("POST", "pause", {}),
        ("DELETE", "pause", None),
    ):
        call("conflict", method, f"{key}/{path}", body)
    call(204, "DELETE", f"{key}/lock")
    call(204, "DELETE", key)
    assert call(200, "GET", "/v1/apikeys/deleted")["apikeys"][0]["restorable"]
    assert call(200, "GET", f"{key}/refusals")["cause"]["reason"] == "deleted"
    call(200, "POST", f"{key}/restore")
    call(200, "POST", f"{key}/restore")


def walk_through_service_ids(program: Program, collection: str, account_id: str) -> None:
    call = program.call
    new = {"account_id": account_id, "name": "build server"}
    nonce = {"Idempotency-Key": f"{RANDOM}{len(collection)}"}
    call(201, "POST", collection, new, **nonce)
    call("conflict", "POST", collection, {**new, "name": "another"}, **nonce)
    first_key = {"name": "first", "expires_at": "2090-01-31T18:00+0000"}
    created = call(201, "POST", collection, {**new, "apikey": first_key}, **{"Entity-Lock": "true"})
    assert created["apikey"]["iam_id"] == created["iam_id"]
    assert created["apikey"]["expires_at"] == first_key["expires_at"]
    service = f"/v1/serviceids/{created['id']}"

    call("conflict", "PUT", service, {"name": "a"}, **{"If-Match": "*"})
    call("conflict", "DELETE", service)
    for method in ("POST", "DELETE"):
        call("conflict", method, f"{service}/disable")
    call(204, "DELETE", f"{service}/lock")
    call(204, "POST", f"{service}/lock")
    call(204, "DELETE", f"{service}/lock")
    call(204, "POST", f"{service}/disable")
    assert call(200, "GET", service)["disabled"]
    call(204, "DELETE", f"{service}/disable")
    assert "activity" in call(200, "GET", f"{service}?include_history=true&include_activity=true")
    changed = call(200, "PUT", service, {"name": "b", "unique_instance_crns": ["crn:v1:a"]}, **{"If-Match": "*"})
    assert changed["unique_instance_crns"] == ["crn:v1:a"]
    key = f"/v1/apikeys/{created['apikey']['id']}"
    call(204, "POST", f"{key}/lock")
    call("BXNIM0105E", "DELETE", service)
    call(204, "DELETE", f"{key}/lock")
    page = call(200, "GET", f"{collection}?pagesize=1&sort=name&order=desc&include_history=true")
    page = call(200, "GET", page["next"].removeprefix("http://testserver"))
    assert (page["offset"], "previous" in page) == (1, True)
    call("bad_request", "GET", f"{collection}?pagesize=x")
    call("bad_request", "POST", collection, {"name": "no account"})
    call("BXNIM0113E", "POST", collection, {"account_id": account_id, "name": ""})
    call("bad_request", "GET", f"{service}?include_history=maybe")
    call("bad_request", "PUT", service, {"name": "a"})
    call("BXNIM0113E", "PUT", service, {"name": ""}, **{"If-Match": "*"})
    call(204, "DELETE", service)
    call("BXNIM0102E", "GET", key)


def be_refused_what_is_not_ones_own_to_do(program: Program, dora: Any, alice: Any) -> None:
    """A service ID makes no service ID, and its manager undoes nothing that an administrator did to it."""
    call, new = program.call, {"account_id": alice.account_id, "name": "robot"}
    program.log_in(alice.username)
    made = call(201, "POST", "/v1/serviceids", new | {"apikey": {"name": "first"}})
    form = {"grant_type": API_KEY_GRANT, "apikey": made["apikey"]["apikey"]}
    robots = call(200, "POST", "/identity/token", form, Authorization=BX)["access_token"]
    call("BXNIM0513E", "POST", "/v1/serviceids", new, Authorization=f"Bearer {robots}")
    program.log_in(dora.username)
    for what in ("disable", "lock"):
        call(204, "POST", f"/v1/serviceids/{made['id']}/{what}")
    program.log_in(alice.username)
    call("BXNIM0513E", "DELETE", f"/v1/serviceids/{made['id']}/lock")
    program.log_in(dora.username)
    call(204, "DELETE", f"/v1/serviceids/{made['id']}/lock")
    program.log_in(alice.username)
    call("BXNIM0513E", "DELETE", f"/v1/serviceids/{made['id']}/disable")


def be_refused_what_an_administrator_contained(program: Program, dora: Any, alice: Any) -> None:
    """The owner of a key does nothing with it that an administrator's lock forbids, and does not unlock it."""
    program.log_in(alice.username)
    path = f"/v1/apikeys/{program.call(201, 'POST', '/v1/apikeys', {'name': 'a', 'iam_id': alice.iam_id})['id']}"
    program.log_in(dora.username)
    program.call(204, "POST", f"{path}/lock")
    program.log_in(alice.username)
    refused = ("DELETE", "lock"), ("POST", "disable"), ("DELETE", "disable"), ("POST", "pause"), ("DELETE", "pause")
    for method, what in refused:
        program.call("BXNIM0513E", method, f"{path}/{what}", *([{}] if what == "pause" and method == "POST" else []))
    program.call("BXNIM0513E", "DELETE", path)


def break_the_rules(program: Program, key: str, deleted: str, settings: Any) -> None:
    program.call(204, "POST", f"/v1/apikeys/{key}/disable")
    settings.APIKEYS_MUST_EXPIRE = True
    program.call("BXNIM0113E", "DELETE", f"/v1/apikeys/{key}/disable")
    program.call("BXNIM0113E", "POST", f"/v1/apikeys/{key}/rotate", {})
    program.call("BXNIM0113E", "POST", f"/v1/apikeys/{deleted}/restore")
    settings.APIKEYS_MUST_EXPIRE = False
    program.call(204, "DELETE", f"/v1/apikeys/{key}/disable")


def walk_through_tokens(program: Program, username: str, settings: Any) -> None:
    call = program.call
    tokens = program.log_in(username)
    call(200, "POST", "/identity/introspect", {"token": tokens["access_token"]})
    call(200, "POST", "/identity/introspect", {"token": "unknown"})
    call(200, "POST", "/identity/introspect", {"apikey": "unknown"})
    claims = call(200, "POST", "/identity/introspect", {"token": program.token})
    for expires in ({}, {"expires_at": "2090-01-31T18:00+0000"}):
        key = call(201, "POST", "/v1/apikeys", {"name": "k", "iam_id": claims["iam_id"], **expires})
        call(200, "POST", "/identity/introspect", {"apikey": key["apikey"]})
    call("BXNIM0109E", "POST", "/identity/introspect", {"token": ""})
    call("BXNIM0106E", "POST", "/identity/introspect", "token=a&token=b", **{"Content-Type": FORM})
    call("unauthorized", "POST", "/identity/introspect", {"token": "a"}, Authorization="")
    call(200, "POST", "/identity/revoke", {"token": "unknown"}, Authorization="")
    call("BXNIM0109E", "POST", "/identity/revoke", {"token": ""}, Authorization=BX)
    call("BXNIM0106E", "POST", "/identity/revoke", "token=a&token=b", **{"Content-Type": FORM, "Authorization": BX})
    call("BXNIM0308E", "POST", "/identity/revoke", {"token": "unknown"}, Authorization="Basic eDp5")
    call("bad_request", "POST", "/identity/revoke", "a=b", **{"Content-Type": f"{FORM}; charset=utf-16"})
    call(200, "GET", "/identity/keys")
    for method in ("GET", "POST"):
        assert call(200, method, "/identity/userinfo")["iam_id"] == claims["iam_id"]
        call("unauthorized", method, "/identity/userinfo", Authorization="Bearer a.b.c")
    told = call(200, "GET", "/identity/.well-known/openid-configuration")
    for place in ("oauth-authorization-server/identity", "oauth-authorization-server", "openid-configuration"):
        assert call(200, "GET", f"/.well-known/{place}") == told
    for address in ("/identity/token", "/oidc/token"):
        ask_for_tokens(program, address, username, settings)


def ask_for_tokens(program: Program, address: str, username: str, settings: Any) -> None:
    call = program.call
    tokens = program.log_in(username)

    def refused(code: str, form: Any, authorization: str = BX, **headers: str) -> None:
        call(code, "POST", address, form, Authorization=authorization, **headers)

    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    call(200, "POST", address, refresh, Authorization=BX)
    refused("BXNIM0415E", {"grant_type": API_KEY_GRANT, "apikey": "unknown"})
    refused("BXNIM0407E", refresh)
    expired = program.log_in(username)["refresh_token"]
    expire_refresh_token(expired)
    refused("BXNIM0408E", {**refresh, "refresh_token": expired})
    refused("BXNIM0109E", {"grant_type": ""})
    refused("BXNIM0106E", {"grant_type": "unknown"})
    refused("BXNIM0308E", {**refresh}, "")
    utf_16 = {"Content-Type": f"{FORM}; charset=utf-16"}
    refused("bad_request", "a=b", **utf_16)
    call("bad_request", "POST", "/identity/introspect", "a=b", **utf_16)
    refused("BXNIM0602E", {"grant_type": "password", "username": username, "password": "wrong"})
    refused("BXNIM0605E", {"grant_type": GRANT_PASSCODE, "passcode": "unknown"})
    settings.SECOND_FACTOR = "everybody"
    refused("BXNIM0400E", {"grant_type": "password", "username": username, "password": PASSWORD})
    settings.SECOND_FACTOR = "optional"
    limit, settings.LOGIN_ATTEMPTS_PER_ADDRESS = settings.LOGIN_ATTEMPTS_PER_ADDRESS, 1
    refused("too_many_requests", {"grant_type": "password", "username": username, "password": "wrong"})
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = limit
    limit, settings.BAD_VALUES_PER_MINUTE = settings.BAD_VALUES_PER_MINUTE, 1
    bad_values.forget()
    call(200, "POST", "/identity/introspect", {"apikey": "unknown"})
    call("too_many_requests", "POST", "/identity/introspect", {"apikey": "unknown"})
    call("too_many_requests", "GET", "/v1/apikeys/details", **{"IAM-ApiKey": "unknown"})
    settings.BAD_VALUES_PER_MINUTE = limit
    bad_values.forget()


def expire_refresh_token(token: str) -> None:
    digest = hashlib.sha256(token.encode()).hexdigest()
    RefreshToken.objects.filter(digest=digest).update(expires_at=timezone.now())


def walk_through_the_rest(program: Program, reporter: ec.EllipticCurvePrivateKey, iam_id: str) -> None:
    call = program.call
    key = call(201, "POST", "/v1/apikeys", {"name": "leaked", "iam_id": iam_id})
    reports = json.dumps([{"token": key["apikey"], "type": "api_key", "url": None}, {"token": "unknown"}]).encode()
    verdicts = call(200, "POST", "/v1/leaks", reports, **signed(reporter, reports))
    assert [verdict["label"] for verdict in verdicts] == ["true_positive", "false_positive"]
    call("bad_request", "POST", "/v1/leaks", b"{}", **signed(reporter, b"{}"))
    call("unauthorized", "POST", "/v1/leaks", b"{}", **signed(reporter, b"[]"))
    assert call(200, "GET", f"/v1/apikeys/{key['id']}?include_history=true")["leaked"]
    call(204, "DELETE", f"/v1/apikeys/{key['id']}")
    call("conflict", "POST", f"/v1/apikeys/{key['id']}/restore")
    for name in ("profiles", "profile_templates", "account_settings_templates"):
        assert call(200, "GET", f"/v1/{name}") == {name: []}
        call("bad_request", "GET", f"/v1/{name}?account_id=another")
    call(200, "GET", "/v1/openapi.json")


def meet_every_shared_refusal(program: Program, username: str) -> None:
    """Without a token, with one that may do nothing here, with an id of nothing, and with too large a body."""
    too_large = "x" * 200_000
    ScopeRecord.objects.create(name="billing:read", sentence="Read invoices", created_by="")
    whole = program.token
    elsewhere = program.log_in(username, scope="billing:read")["access_token"]
    program.token = whole
    for (method, template), operation in operations(program.description).items():
        path = (
            template.replace("{account_id}", "0" * 32)
            .replace("{request_id}", "0" * 32)
            .replace("{id}", f"{'ApiKey' if 'apikeys' in template else 'ServiceId'}-{NO_ID}")
        )
        if operation["security"] == [{"bearer": []}]:
            program.call("unauthorized", method, path, **{"Authorization": "Bearer a.b.c", "If-Match": "*"})
            if "403" in operation["responses"]:
                program.call("BXNIM0513E", method, path, **{"Authorization": f"Bearer {elsewhere}", "If-Match": "*"})
        if "{id}" in template:
            program.call("BXNIM0102E", method, path, {} if method in ("PUT", "POST") else None, **{"If-Match": "*"})
        if "413" in operation["responses"]:
            program.call(413, method, path, too_large)
            program.call(415, method, path, "x", **{"Content-Encoding": "gzip"})


@pytest.mark.django_db
def test_a_walk_through_the_whole_api_meets_every_documented_answer_and_no_other(
    alices, description, alice, dora, reporter, settings
):
    program = alices
    walk_through_keys(program, alice.iam_id, alice.account_id)
    walk_through_service_ids(program, "/v1/serviceids", alice.account_id)
    walk_through_the_rest(program, reporter, alice.iam_id)
    meet_every_shared_refusal(program, alice.username)
    hers = program.call(201, "POST", "/v1/apikeys", {"name": "a", "iam_id": alice.iam_id})["id"]
    settings.APIKEYS_PER_IDENTITY = 1
    program.call("BXNIM0151E", "POST", "/v1/apikeys", {"name": "a", "iam_id": alice.iam_id})
    deleted = [key for key in program.call(200, "GET", "/v1/apikeys/deleted")["apikeys"] if key["restorable"]]
    program.call("BXNIM0151E", "POST", f"/v1/apikeys/{deleted[0]['id']}/restore")
    settings.APIKEYS_PER_IDENTITY = 0
    break_the_rules(program, hers, deleted[0]["id"], settings)
    program.log_in(dora.username)
    program.call(200, "GET", "/v1/apikeys?scope=account&type=user")
    program.call(200, "POST", "/v1/apikeys/revoke", {"owner": "dora"})
    program.call(200, "GET", f"/v1/apikeys/export?owner={alice.username}")
    program.call("BXNIM0513E", "PUT", f"/v1/apikeys/{hers}", {"name": "hers"}, **{"If-Match": "*"})
    program.call("BXNIM0513E", "POST", f"/v1/apikeys/{hers}/rotate", {})
    program.call("BXNIM0513E", "DELETE", f"/v1/apikeys/{hers}/previous")
    be_refused_what_is_not_ones_own_to_do(program, dora, alice)
    be_refused_what_an_administrator_contained(program, dora, alice)
    walk_through_tokens(program, alice.username, settings)

    documented = {
        (method, path, status, code)
        for (method, path), operation in operations(description).items()
        for status, answer in operation["responses"].items()
        if status not in BROKEN
        for code in codes_of(description, answer) or {""}
    }
    assert program.seen == documented


# Links


def links(description: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return every link: the operation and the status whose answer has it, and the link itself."""
    return [
        (operation["operationId"], status, link)
        for operation in operations(description).values()
        for status, answer in operation["responses"].items()
        for link in answer.get("links", {}).values()
    ]


def evaluated(expression: Any, body: Any, object_id: str) -> Any:
    """Return what a link's expression stands for, given the answer's body and the id in the path of its request."""
    if isinstance(expression, dict):
        return {name: evaluated(inner, body, object_id) for name, inner in expression.items()}
    if expression == "$request.path.id":
        return object_id
    return body[expression.removeprefix("$response.body#/")] if expression.startswith("$") else expression


def follow(program: Program, link: dict[str, Any], body: Any, object_id: str, *, expected: int | str) -> None:
    """Send the request that a link describes, with nothing that it does not say."""
    for (method, path), operation in operations(program.description).items():
        if operation["operationId"] != link["operationId"]:
            continue
        places = {
            parameter["name"]: parameter["in"]
            for parameter in (resolve(program.description, found) for found in operation.get("parameters", []))
        }
        query, headers = [], {}
        for name, text in evaluated(link.get("parameters", {}), body, object_id).items():
            if places[name] == "path":
                path = path.replace(f"{{{name}}}", text)
            elif places[name] == "query":
                query.append(f"{name}={text}")
            else:
                headers[name] = text
        if {} in operation["security"]:
            headers["Authorization"] = ""
        sent = evaluated(link["requestBody"], body, object_id) if "requestBody" in link else {}
        program.call(expected, method, "?".join([path, *(["&".join(query)] if query else [])]), sent, **headers)
        return
    raise AssertionError(link["operationId"])


@pytest.mark.django_db
def test_every_link_leads_from_an_answer_to_a_request_that_succeeds(alices, description, alice):
    """Only a change and a deletion of what was just locked are refused."""

    def source(operation_id: str) -> tuple[Any, str]:
        """Perform an operation on something new; return the answer's body and the id in the request's path."""
        if operation_id in ("getToken", "getTokenAtOldAddress"):
            return alices.log_in(alice.username), ""
        [(method, path)] = [at for at, found in operations(description).items() if found["operationId"] == operation_id]
        kind = "serviceids" if "serviceids" in path else "apikeys"
        new = {"name": "new", "iam_id": alice.iam_id, "account_id": alice.account_id}
        created = alices.call(201, "POST", path if method == "POST" and "{id}" not in path else f"/v1/{kind}", new)
        if operation_id in ("createApiKey", "createServiceId"):
            return created, ""
        headers = {"If-Match": "*", **({"IAM-ApiKey": created["apikey"]} if "apikey" in created else {})}
        path = path.replace("{id}", created["id"])
        return alices.call(success_of(operation_id), method, path, {}, **headers), created["id"]

    def success_of(operation_id: str) -> int:
        target = next(at for at in operations(description).values() if at["operationId"] == operation_id)
        return next(int(status) for status in target["responses"] if status.startswith("2"))

    found = links(description)
    for operation_id, _status, link in found:
        body, object_id = source(operation_id)
        refused = operation_id in ("lockApiKey", "lockServiceId") and link["operationId"].startswith(
            ("update", "delete")
        )
        expected = "conflict" if refused else success_of(link["operationId"])
        follow(alices, link, body, object_id, expected=expected)

    assert len(found) >= 69


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/apikeys//",
        "/identity",
        "/identity/nothing",
        "/oidc",
        "/oidc/keys",
        "/.well-known/openid-configuration/x",
    ],
)
def test_an_unknown_address_is_answered_in_the_shape_of_its_neighbours(client, description, path):
    answer = client.get(path)

    assert answer.status_code == 404
    name = "Errors" if "v1" in path else "TokenError"
    assert validator(description, description["components"]["schemas"][name]).is_valid(answer.json())


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/v1/apikeys", "/identity/token", "/identity/keys"])
def test_a_host_that_is_not_served_is_a_bad_request_in_json(client, description, path):
    client.raise_request_exception = False

    answer = client.get(path, headers={"Host": "evil.example"})

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/json"
    assert b"evil.example" not in answer.content


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/identity/token", "/identity/introspect"])
@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=x", f"{FORM}; charset=x"]
)
def test_a_form_that_is_none_is_refused_without_a_traceback_in_the_log(alices, caplog, path, content_type):
    authorization = BX if path == "/identity/token" else f"Bearer {alices.token}"

    alices.call(400, "POST", path, "no form", **{"Content-Type": content_type, "Authorization": authorization})

    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.django_db
def test_an_id_with_a_nul_is_unknown_and_its_refusal_can_be_stored_anywhere(alices):
    alices.call("BXNIM0102E", "DELETE", "/v1/apikeys/ApiKey%00")

    assert AuditEvent.objects.get(reason="ApiKeyNotFound").target_id == "(not an id)"


@pytest.mark.django_db
def test_an_administrator_who_asks_for_the_limits_of_a_nul_is_refused(description, dora):
    program = Program(description)
    program.log_in(dora.username)
    limits = f"/v1/accounts/{dora.account_id}/limits/identity?apikeys_per_identity="

    program.call("bad_request", "GET", f"{limits}%00")
    program.call("bad_request", "GET", limits + "a," * 100 + "a")
    assert program.call(200, "GET", f"{limits}unknown")["apikeys_per_identity"]["identities"][0]["count"] == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("pagesize=1&pagesize=1", "pagesize"),
        ("sort=name&sort=name", "sort"),
        ("filter=name+%C5%BFw+%22x%22", "filter"),
        ("filter=name+co+%22x%22" + "+and+name+co+%22x%22" * 400, "filter"),
        ("include_history=maybe", "include_history"),
        ("leaked=true&leaked=true", "leaked"),
        ("unused_for_days=0", "unused_for_days"),
        ("created_since=2026-02-30", "created_since"),
    ],
)
def test_a_list_says_which_of_its_parameters_it_does_not_take(alices, query, field):
    refusal = alices.call("bad_request", "GET", f"/v1/apikeys?{query}")

    assert refusal["errors"][0]["details"] == field


@pytest.mark.django_db
def test_a_first_key_of_a_service_id_expires_when_it_should(alices, alice):
    new = {"account_id": alice.account_id, "name": "build server"}

    alices.call(
        "BXNIM0113E", "POST", "/v1/serviceids", {**new, "apikey": {"name": "k", "expires_at": "1999-01-01T00:00Z"}}
    )

    assert alices.call(200, "GET", "/v1/serviceids")["serviceids"] == []


@pytest.mark.django_db
def test_a_value_of_ones_own_is_found_whatever_its_characters(alices, alice):
    value = "Schlüssel, 鑰匙, clé, chiave, κλειδί, ключ"
    made = alices.call(201, "POST", "/v1/apikeys", {"name": "own", "iam_id": alice.iam_id, "apikey": value})

    sent = value.encode().decode("latin-1")  # as WSGI hands over the bytes of a header
    found = alices.call(200, "GET", "/v1/apikeys/details", **{"IAM-ApiKey": sent})

    assert found["id"] == made["id"]
