"""Somebody found keys in public and tells this server: signed reports, what they do to keys, what they answer."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from django.test import Client
from django.utils import timezone

from apikeys.domain import LeakedAction
from apikeys.models import ApiKeyRecord, AuditEvent, DeletedKeyRecord, Handover, HistoryRecord
from apikeys.services import deletion, keys
from tests.conftest import caller_for
from tests.programs import API_KEY_GRANT, public_pem
from tests.rows import record_of

pytestmark = pytest.mark.django_db

ADDRESS = "/v1/leaks"
WHERE = {"type": "apikeys_console_key", "url": "https://example.com/alice/terraform/blob/main/key", "source": "content"}
UNKNOWN = "apk_" + "x" * 40
IDENTIFIER, SIGNATURE = "Github-Public-Key-Identifier", "Github-Public-Key-Signature"


class Reporter:
    """A service that searches public places, and signs what it reports."""

    def __init__(self, identifier: str, key) -> None:
        self.identifier, self.key = identifier, key

    def sign(self, body: bytes) -> dict[str, str]:
        return signed_by(self.identifier, self.key.sign(body, ECDSA(SHA256())))

    def report(self, *found: str, **changes: object):
        body = json.dumps([WHERE | {"token": token} | changes for token in found]).encode()
        return post(body, self.sign(body))


def signed_by(identifier: str, signature: bytes) -> dict[str, str]:
    return {IDENTIFIER: identifier, SIGNATURE: base64.b64encode(signature).decode()}


def post(body: bytes, headers: dict[str, str]):
    client = Client(raise_request_exception=False)
    return client.post(ADDRESS, body, content_type="application/json", headers=headers)


@pytest.fixture
def octocat(settings) -> Reporter:
    reporter = Reporter("octocat-1", ec.generate_private_key(ec.SECP256R1()))
    settings.LEAK_REPORT_KEYS = {reporter.identifier: public_pem(reporter.key)}
    return reporter


@pytest.fixture
def leaked_key(alice, create_key):
    """Make a key of Alice's with a leaked action."""

    def make(action: str = "none", **fields):
        return create_key(alice, "terraform", action_when_leaked=LeakedAction(action), **fields)

    return make


def exchange(issued):
    return Client().post("/identity/token", {"grant_type": API_KEY_GRANT, "apikey": issued.value})


def works(issued) -> bool:
    status = exchange(issued).status_code
    assert status in (200, 400)
    return status == 200


def labels(answer) -> list[str]:
    assert answer.status_code == 200
    return [verdict["label"] for verdict in answer.json()]


# What is done to a key


@pytest.mark.parametrize(
    ("fields", "disabled"),
    [
        ({"action": "none"}, False),
        ({"action": "none", "disabled": True}, True),
        ({"action": "disable"}, True),
        ({"action": "disable", "locked": True}, True),
    ],
)
def test_a_leaked_key_is_marked_and_disabled_where_it_says_so_or_was_before(octocat, leaked_key, fields, disabled):
    issued = leaked_key(**fields)
    assert works(issued) is not fields.get("disabled", False)

    assert labels(octocat.report(issued.value)) == ["true_positive"]

    record = record_of(issued)
    assert (record.leaked, record.disabled) == (True, disabled)
    assert record.entity_tag.startswith("2-")
    assert works(issued) is not disabled


@pytest.mark.parametrize("locked", [False, True])
def test_a_key_that_says_delete_is_gone_with_all_that_was_kept_of_it(octocat, leaked_key, locked):
    issued = leaked_key("delete", locked=locked)
    assert Handover.objects.filter(key_id=issued.key.id, sealed__isnull=False).exists()

    assert labels(octocat.report(issued.value)) == ["true_positive"]

    assert not ApiKeyRecord.objects.filter(id=issued.key.id).exists()
    DeletedKeyRecord.objects.update(gone_at=timezone.now())
    assert deletion.purge() == 1
    assert not HistoryRecord.objects.filter(object_id=issued.key.id).exists()
    assert not Handover.objects.filter(key_id=issued.key.id, sealed__isnull=False).exists()
    assert not works(issued)


def test_an_access_token_made_before_dies_with_the_leaked_key(octocat, leaked_key):
    issued = leaked_key("disable")
    token = exchange(issued).json()["access_token"]

    octocat.report(issued.value)

    assert Client().get("/v1/apikeys", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_the_installations_own_action_is_that_of_a_key_that_says_nothing(octocat, settings, alice, create_key):
    settings.APIKEYS_ACTION_WHEN_LEAKED = "disable"
    issued = create_key(alice)

    octocat.report(issued.value)

    assert record_of(issued).disabled


def test_a_value_of_ones_own_is_found_too(octocat, alice, create_key):
    own = "nothing here looks like a value made by this console"
    issued = create_key(alice, value=own)

    assert labels(octocat.report(own)) == ["true_positive"]

    assert record_of(issued).leaked


def test_only_the_reported_key_is_touched(octocat, leaked_key, bob, create_key):
    other = create_key(bob, action_when_leaked=LeakedAction.DELETE)

    octocat.report(leaked_key("delete").value)

    assert not record_of(other).leaked
    assert works(other)


# Who learns of it


def test_its_owner_sees_it_in_the_list_and_in_the_history(octocat, leaked_key, alice, alice_client):
    issued = leaked_key("none")

    octocat.report(issued.value)

    assert "Leaked" in alice_client.get("/manage/security/apikeys/").content.decode()
    assert [entry.action for entry in keys.get_history(caller_for(alice), issued.key.id)] == ["create", "leak"]


@pytest.mark.parametrize(("action", "event"), [("none", "update"), ("disable", "update"), ("delete", "delete")])
def test_it_is_audited_with_the_place_but_without_the_value(octocat, leaked_key, action, event):
    issued = leaked_key(action)

    octocat.report(issued.value)

    found = AuditEvent.objects.get(initiator_id="leak-report", action__contains="apikey")
    assert found.action == f"iam-identity.user-apikey.{event}"
    assert found.target_id == issued.key.crn
    assert found.request_data == {"leaked": True, "source": "content"}


# The answer


def test_the_answer_tells_keys_from_look_alikes_and_names_them_by_hash(octocat, leaked_key):
    issued = leaked_key("none")

    answer = octocat.report(UNKNOWN, issued.value, "")

    def verdict(token: str, label: str) -> dict[str, str]:
        digest = base64.b64encode(hashlib.sha256(token.encode()).digest()).decode()
        return {"token_hash": digest, "token_type": WHERE["type"], "label": label}

    assert answer.json() == [
        verdict(UNKNOWN, "false_positive"),
        verdict(issued.value, "true_positive"),
        verdict("", "false_positive"),
    ]
    assert issued.value not in answer.content.decode()


@pytest.mark.parametrize("action", ["none", "disable", "delete"])
def test_a_key_found_in_two_places_is_a_true_positive_in_both(octocat, leaked_key, action):
    issued = leaked_key(action)

    assert labels(octocat.report(issued.value, issued.value)) == ["true_positive", "true_positive"]


def test_an_empty_report_has_an_empty_answer(octocat):
    assert octocat.report().json() == []


@pytest.mark.parametrize(
    "token",
    ["\0", "\ud800", "🔑" * 100, "x" * 100_000, UNKNOWN + "\n", " " + UNKNOWN],
    ids=["NUL", "half a character", "emoji", "long", "line end", "space"],
)
def test_nonsense_is_a_false_positive(octocat, token):
    assert labels(octocat.report(token)) == ["false_positive"]


@pytest.mark.parametrize("text", [None, 7, ["x"], {"x": 1}, "\ud800", "\0", "x" * 20_000])
def test_what_is_said_of_the_place_never_stops_the_report(octocat, leaked_key, text):
    issued = leaked_key("disable")

    assert labels(octocat.report(issued.value, url=text, source=text, type=text)) == ["true_positive"]

    assert record_of(issued).disabled


# Signatures


def refused(answer, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/json"


@pytest.fixture
def unharmed(leaked_key):
    """A key that says delete; after the test it must still be there and unmarked."""
    issued = leaked_key("delete")
    yield issued
    assert not record_of(issued).leaked
    assert not AuditEvent.objects.filter(initiator_id="leak-report").exists()


def body_about(issued) -> bytes:
    return json.dumps([WHERE | {"token": issued.value}]).encode()


UNFIT = {
    "an unknown reporter's": lambda octocat, body: octocat.sign(body) | {IDENTIFIER: "octocat-2"},
    "nobody's": lambda octocat, body: {SIGNATURE: octocat.sign(body)[SIGNATURE]},
    "missing": lambda octocat, _body: {IDENTIFIER: octocat.identifier},
    "one of another body": lambda octocat, _body: octocat.sign(b"[]"),
    "made with another key": lambda octocat, body: Reporter(
        octocat.identifier, ec.generate_private_key(ec.SECP256R1())
    ).sign(body),
    "made with another hash": lambda octocat, body: signed_by(
        octocat.identifier, octocat.key.sign(body, ECDSA(SHA384()))
    ),
    **{
        f"malformed: {text[:20]!r}": lambda octocat, _body, text=text: {IDENTIFIER: octocat.identifier, SIGNATURE: text}
        for text in ("", "%%%", "AAAA", "MAYCAQACAQA=", "=" * 100, "A" * 10_000)
    },
}


@pytest.mark.parametrize("headers", UNFIT.values(), ids=UNFIT)
def test_a_report_is_refused_whose_signature_does_not_fit(octocat, unharmed, headers):
    body = body_about(unharmed)

    refused(post(body, headers(octocat, body)), 401, "unauthorized")


def test_without_configured_keys_nothing_is_accepted(octocat, unharmed, settings):
    settings.LEAK_REPORT_KEYS = {}
    body = body_about(unharmed)

    refused(post(body, octocat.sign(body)), 401, "unauthorized")
    refused(post(body, signed_by("", b"")), 401, "unauthorized")


@pytest.mark.parametrize("change", [b" ", b"\n"], ids=["space", "line end"])
@pytest.mark.parametrize("front", [True, False], ids=["before", "after"])
def test_a_body_that_was_tampered_with_is_refused_even_if_it_says_the_same(octocat, unharmed, change, front):
    body = body_about(unharmed)

    refused(post(change + body if front else body + change, octocat.sign(body)), 401, "unauthorized")


@pytest.mark.parametrize("curve", [ec.SECP384R1, ec.SECP521R1, ec.SECP256K1])
def test_a_key_on_another_curve_is_refused_even_if_it_is_configured(unharmed, settings, curve):
    other = Reporter("other-curve", ec.generate_private_key(curve()))
    settings.LEAK_REPORT_KEYS = {other.identifier: public_pem(other.key)}
    body = body_about(unharmed)

    refused(post(body, other.sign(body)), 401, "unauthorized")


def test_a_key_of_another_kind_is_refused_even_if_it_is_configured(unharmed, settings):
    key = rsa.generate_private_key(65537, 2048)
    settings.LEAK_REPORT_KEYS = {"rsa": public_pem(key)}
    body = body_about(unharmed)

    refused(post(body, signed_by("rsa", key.sign(body, PKCS1v15(), SHA256()))), 401, "unauthorized")


@pytest.mark.parametrize("pem", ["", "nonsense", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_configured_key_that_can_not_be_read_accepts_nothing(octocat, unharmed, settings, pem):
    settings.LEAK_REPORT_KEYS = {octocat.identifier: pem}
    body = body_about(unharmed)

    refused(post(body, octocat.sign(body)), 401, "unauthorized")


def test_an_access_token_is_no_signature(octocat, unharmed):
    token = exchange(unharmed).json()["access_token"]

    refused(post(body_about(unharmed), {"Authorization": f"Bearer {token}"}), 401, "unauthorized")


# The signature comes first


BAD_BODIES = {
    "no JSON": b"<html>",
    "half": b'[{"token":',
    "not UTF-8": b'["\xff"]',
    "an object": b"{}",
    "a string": b'"x"',
    "nothing": b"",
    "deep": b"[" * 50_000,
    "no objects": b'["x"]',
    "no token": b'[{"type": "x"}]',
    "token is a number": b'[{"token": 7}]',
    "a huge number": b"[" + b"9" * 10_000 + b"]",
    "too many": json.dumps([{"token": "x"}] * 1001).encode(),
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_bad_body_is_a_bad_request_and_under_a_bad_signature_not_even_read(octocat, body):
    refused(post(body, octocat.sign(body)), 400, "bad_request")
    refused(post(body, octocat.sign(body + b" ")), 401, "unauthorized")


def test_a_body_with_one_bad_report_does_nothing_at_all(octocat, unharmed):
    body = json.dumps([{"token": unharmed.value}, {"type": "no token"}]).encode()

    refused(post(body, octocat.sign(body)), 400, "bad_request")


# A running server


def test_a_running_server_acts_on_a_report_at_once(site, alices):
    kept = alices.create_key("kept")
    lost = alices.create_key("lost", action_when_leaked="delete")
    found = alices.create_key("found", action_when_leaked="disable")
    program = site.use(found["apikey"])
    body = json.dumps([WHERE | {"token": key["apikey"]} for key in (lost, found)]).encode()

    answer = site.with_token("").post(ADDRESS, data=body, headers=site.sign(body))

    assert [verdict["label"] for verdict in answer.json()] == ["true_positive", "true_positive"]
    states = {key["name"]: (key["leaked"], key["disabled"]) for key in alices.listed()}
    assert states == {"kept": (False, False), "found": (True, True)}
    assert program.refused()
    assert [site.exchange(key["apikey"]).status_code for key in (kept, lost, found)] == [200, 400, 400]
