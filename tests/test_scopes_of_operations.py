"""Every operation of the API against every kind of scope, and tokens against the keys that they were made with."""

import json
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apikeys import exceptions, scopes
from apikeys.domain import Origin, Overlap, ServiceIdDraft
from apikeys.identity import tokens
from apikeys.models import ApiKeyRecord, AuditEvent, HistoryRecord, ScopeRecord, ServiceIdRecord
from apikeys.services import keys, refusals, rotation, service_ids
from apikeys.usage import counting
from tests.bad_input.good import GOOD, OPERATIONS, Request
from tests.conftest import caller_for, delivery_for
from tests.programs import API_KEY_GRANT, REPORTER, public_pem, signed

pytestmark = pytest.mark.django_db

READ, WRITE, BILLING = scopes.READ, scopes.WRITE, "billing:read"

# What each operation needs of a limited scope. One that is new, and not here, fails below.
NOTHING, LOOK, CHANGE = "nothing", "look", "change"
NEEDED = {
    NOTHING: (
        "getToken", "getTokenAtOldAddress", "introspect", "getUserInfo", "postUserInfo", "revoke", "getKeys",
        "getDiscovery", "getServerMetadata", "getServerMetadataOfHost", "getDiscoveryOfHost", "reportLeaks",
        "getDescription",
    ),
    LOOK: (
        "listApiKeys", "getApiKeyDetails", "getApiKey", "listDeletedApiKeys", "getApiKeyUsage", "getApiKeyRefusals",
        "explainRefusal", "getIdentityLimits", "listServiceIds", "getServiceId", "listProfiles", "listProfileTemplates",
        "listAccountSettingsTemplates", "exportApiKeys",
    ),
    CHANGE: (
        "createApiKey", "updateApiKey", "deleteApiKey", "lockApiKey", "unlockApiKey", "disableApiKey", "enableApiKey",
        "rotateApiKey", "endPreviousValue", "pauseApiKey", "resumeApiKey", "restoreApiKey", "getIdentityLimitsInBulk",
        "changeApiKeys", "revokeApiKeys",
        "createServiceId", "updateServiceId", "deleteServiceId", "lockServiceId", "unlockServiceId", "disableServiceId",
        "enableServiceId",
    ),
}  # fmt: skip
# What each scope is enough for.
ALLOWED = {
    "": {NOTHING, LOOK, CHANGE},
    READ: {NOTHING, LOOK},
    WRITE: {NOTHING, LOOK, CHANGE},
    f"{READ} {WRITE}": {NOTHING, LOOK, CHANGE},
    f"{READ} {BILLING}": {NOTHING, LOOK},
    f"{WRITE} {BILLING}": {NOTHING, LOOK, CHANGE},
    BILLING: {NOTHING},
}


HERE = Origin("127.0.0.1")


@pytest.fixture
def names(alice, create_key, monkeypatch) -> dict[str, str]:
    """What the good requests speak of, save a token and a key of its scope."""
    monkeypatch.setattr(counting, "_counters", {})
    ScopeRecord.objects.create(name=BILLING, sentence="Read invoices", created_by=alice.iam_id)
    disabled = create_key(alice, "disabled")
    keys.disable_api_key(caller_for(alice), disabled.key.id, disabled=True)
    form = {"grant_type": API_KEY_GRANT, "apikey": disabled.value}
    refused = Client().post("/identity/token", form).headers["Transaction-Id"]
    refusals.write_uses(everything=True)
    service, _key = service_ids.create_service_id(caller_for(alice), ServiceIdDraft("robot", ""))
    told = {"iam_id": alice.iam_id, "account": alice.account_id, "service": service.id, "request": refused}
    return told | {"username": alice.username}


@pytest.fixture
def with_scope(alice, create_key, names):
    """Return what the good requests speak of, with a token of a key of this scope, and another key of the same."""

    def make(scope: str) -> dict[str, str]:
        maker, key = create_key(alice, "maker", scope=scope), create_key(alice, "key", scope=scope)
        overlap = Overlap(timedelta(days=1))
        rotated = rotation.rotate_api_key(caller_for(alice), key.key.id, overlap, delivery_for(alice))
        token = tokens.issue(tokens.authenticate(maker.value, HERE), client_id="", with_refresh=False).access_token
        return names | {"token": token, "key": key.key.id, "value": rotated.value}

    return make


@pytest.fixture
def reporter(settings) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    settings.LEAK_REPORT_KEYS = {REPORTER: public_pem(key)}
    return key


def send(request: Request, names: dict[str, str], reporter: ec.EllipticCurvePrivateKey) -> Any:
    def filled(text: str) -> str:
        for name, value in names.items():
            text = text.replace(f"<{name}>", value)
        return text

    body = request.body.decode() if isinstance(request.body, bytes) else json.dumps(request.body)
    data = filled(body) if request.body is not None else ""
    headers = {name: filled(str(text)) for name, text in request.headers.items()}
    content_type = headers.pop("Content-Type", "application/octet-stream")
    if request.target == "/v1/leaks":
        headers |= signed(reporter, data.encode())
    return Client().generic(request.method, filled(request.target), data, content_type=content_type, headers=headers)


@contextmanager
def undone():
    """Take back what is done inside, so that each operation finds the same."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def stored() -> list[Any]:
    tables = (ApiKeyRecord, ServiceIdRecord, HistoryRecord)
    return [list(table.objects.order_by("pk").values()) for table in tables]


def test_the_table_has_every_operation_once():
    listed = [operation for operations in NEEDED.values() for operation in operations]

    assert sorted(listed) == sorted(OPERATIONS)


@pytest.mark.parametrize("scope", ALLOWED)
def test_each_operation_wants_what_the_table_says(scope, with_scope, reporter):
    names = with_scope(scope)
    before = stored()

    for kind, operations in NEEDED.items():
        for operation in operations:
            with undone():
                answer = send(GOOD[operation], names, reporter)
                if kind in ALLOWED[scope]:
                    assert answer.status_code < 300, (operation, answer.content)
                    continue
                lacking = WRITE if kind == CHANGE else READ
                told = f'Bearer error="insufficient_scope", scope="{lacking}"'
                assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (403, told), operation
                assert stored() == before, operation
                assert not AuditEvent.objects.filter(initiator_id=names["iam_id"], outcome="failure").exists()


# Tokens

NAMES = st.lists(st.sampled_from([READ, WRITE, BILLING, "logs"]), max_size=3)
SCOPES = NAMES.map(scopes.clean)
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")


def can(scope: str | None) -> set[str]:
    """Return all that a scope is enough for, here and behind the console, one by one; None for no scope at all."""
    if scope is None:
        return set()
    names = {READ, WRITE, BILLING, "logs"} if scope == "" else {*scope.split()}
    here = {*METHODS} if WRITE in names else {"GET", "HEAD"} if READ in names else set()
    return here | names - {READ, WRITE}


@settings(deadline=None, database=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=SCOPES, asked=SCOPES, asked_again=SCOPES, later=SCOPES)
def test_a_token_is_never_wider_than_its_key_was_or_is(names, alices_key, first, asked, asked_again, later):
    """However its scope was asked for, when it was refreshed, and whatever the key has become since."""
    ScopeRecord.objects.get_or_create(name="logs", defaults={"sentence": "Write logs", "created_by": ""})
    key = ApiKeyRecord.objects.filter(id=alices_key.key.id)

    key.update(scope=first)
    subject = tokens.authenticate(alices_key.value, HERE)
    issued = None
    try:
        subject = tokens.narrowed(subject, asked)
        issued = tokens.issue(subject, client_id="bx", with_refresh=True)
    except exceptions.PropertyRefused:
        assert not can(asked) <= can(first)
    key.update(scope=later)

    if issued is not None:
        limit = can(first) & can(later) & can(asked)
        assert now(issued.access_token) <= limit
        try:
            issued = tokens.refresh(issued.refresh_token, client_id="bx", origin=HERE, scope=asked_again)
        except exceptions.TokenRefused:
            return
        assert can(scopes.of_claim(issued.scope)) <= limit & can(asked_again)
        assert now(issued.access_token) <= limit & can(asked_again)


def now(access_token: str) -> set[str]:
    """Return what a token is enough for now."""
    try:
        return can(tokens.identify(access_token, HERE).scope)
    except exceptions.Unauthenticated:
        return set()
