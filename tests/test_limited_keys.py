"""Keys that may do less than their owner, or be used from some networks only, and tokens that ask for less."""

from dataclasses import replace
from datetime import timedelta

import jwt
import pytest
from django.test import Client

from apikeys import scopes
from apikeys.domain import ApiKeyDraft, Overlap, Reason, ServiceIdDraft
from apikeys.exceptions import WiderThanItsMaker
from apikeys.models import ApiKeyRecord, RulesRecord, ScopeRecord
from apikeys.services import deletion, keys, refusals, service_ids
from apikeys.services import rotation as rotations
from tests.conftest import caller_for
from tests.programs import API_KEY_GRANT

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_counted")]

HERE, ELSEWHERE = "127.0.0.1", "192.0.2.7"
CLIENT = {"Authorization": "Basic Yng6Yng="}  # bx:bx


@pytest.fixture
def billing():
    return ScopeRecord.objects.create(name="billing:read", sentence="Read invoices", created_by="IBMid-1")


def ask(value: str, *, address: str = HERE, headers=None, **more: str):
    form = {"grant_type": API_KEY_GRANT, "apikey": value} | more
    return Client(REMOTE_ADDR=address).post("/identity/token", form, headers=headers or {})


def program(token: str, address: str = HERE) -> Client:
    return Client(REMOTE_ADDR=address, headers={"Authorization": f"Bearer {token}"})


def program_of_key(issued, **more: str) -> Client:
    return program(ask(issued.value, **more).json()["access_token"])


def claims(answer) -> dict:
    return jwt.decode(answer.json()["access_token"], options={"verify_signature": False})


def new_key(client: Client, owner, **body):
    return client.post("/v1/apikeys", {"name": "made", "iam_id": owner.iam_id} | body, content_type="application/json")


# What it may do


def test_a_key_without_a_scope_has_tokens_as_ibms_have_them(alices_key):
    answer = ask(alices_key.value)

    assert answer.json()["scope"] == claims(answer)["scope"] == "ibm openid"


TOKEN = ("access_token", "refresh_token", "token_type", "expires_in", "expiration", "scope")
CLAIMS = (
    "iam_id", "id", "realmid", "jti", "identifier", "given_name", "family_name", "name", "email", "sub", "account",
    "iat", "exp", "iss", "grant_type", "scope", "client_id", "acr", "amr", "api_key_id", "session_id",
)  # fmt: skip
KEY = (
    "id", "entity_tag", "crn", "locked", "disabled", "created_at", "created_by", "modified_at", "support_sessions",
    "action_when_leaked", "name", "description", "iam_id", "account_id", "leaked",
)  # fmt: skip


@pytest.mark.parametrize("asked", [{}, {"scope": ""}, {"scope": "ibm openid"}], ids=["nothing", "empty", "IBM's own"])
def test_without_a_choice_each_answer_has_the_members_that_ibms_clients_know_in_their_order(alice, alices_key, asked):
    token = ask(alices_key.value, headers=CLIENT, **asked)
    renewed = Client().post(
        "/identity/token",
        {"grant_type": "refresh_token", "refresh_token": token.json()["refresh_token"], **asked},
        headers=CLIENT,
    )
    maker = program(token.json()["access_token"])
    value = maker.post("/identity/introspect", {"apikey": alices_key.value})
    introspected = maker.post("/identity/introspect", {"token": token.json()["access_token"]})
    made = new_key(maker, alice)
    shown = maker.get(f"/v1/apikeys/{made.json()['id']}")
    listed = maker.get("/v1/apikeys")

    assert (tuple(token.json()), tuple(claims(token))) == (TOKEN, CLAIMS)
    assert (tuple(renewed.json()), tuple(claims(renewed))) == (TOKEN, CLAIMS)
    assert token.json()["scope"] == claims(token)["scope"] == renewed.json()["scope"] == "ibm openid"
    assert tuple(value.json()) == ("active", "iam_id", "account", "apikey_id", "apikey_name")
    assert tuple(introspected.json()) == ("active", "token_type", *CLAIMS)
    assert tuple(made.json()) == (*KEY[:-1], "apikey", KEY[-1])
    assert tuple(shown.json()) == KEY
    assert {tuple(key) for key in listed.json()["apikeys"]} == {KEY}


def test_tokens_name_their_audience_where_there_is_one(alices_key, settings):
    old = ask(alices_key.value, headers=CLIENT).json()
    settings.TOKEN_AUDIENCE = "https://services.example.com"

    answer = ask(alices_key.value, headers=CLIENT)
    renewed = Client().post(
        "/identity/token", {"grant_type": "refresh_token", "refresh_token": old["refresh_token"]}, headers=CLIENT
    )

    maker = program(answer.json()["access_token"])
    told = maker.post("/identity/introspect", {"token": renewed.json()["access_token"]}).json()
    assert {claims(answer)["aud"], claims(renewed)["aud"], told["aud"]} == {"https://services.example.com"}
    assert program(old["access_token"]).get("/v1/apikeys").status_code == 200, "a token from before the setting goes on"


def test_a_key_with_a_scope_has_tokens_with_the_same(alice, create_key, billing):
    issued = create_key(alice, scope=f"{scopes.READ} billing:read")

    answer = ask(issued.value)

    assert answer.json()["scope"] == claims(answer)["scope"] == f"{scopes.READ} billing:read"
    asker = program_of_key(create_key(alice))
    told = asker.post("/identity/introspect", {"apikey": issued.value}).json()
    assert told["scope"] == f"{scopes.READ} billing:read"
    token = asker.post("/identity/introspect", {"token": answer.json()["access_token"]}).json()
    assert token["scope"] == f"{scopes.READ} billing:read"


def test_a_read_only_key_looks_and_changes_nothing(alice, create_key):
    reader = program_of_key(create_key(alice, scope=scopes.READ))

    refused = new_key(reader, alice)

    assert reader.get("/v1/apikeys").status_code == 200
    assert refused.status_code == 403
    assert "apikeys:write" in refused.json()["errors"][0]["message"]
    assert refused.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="apikeys:write"'
    assert ApiKeyRecord.objects.count() == 1


def test_a_token_can_have_less_than_its_key_and_never_more(alice, create_key, billing):
    issued = create_key(alice, scope=f"{scopes.READ} billing:read")

    assert ask(issued.value, scope="billing:read").json()["scope"] == "billing:read"
    assert ask(issued.value, scope="ibm openid").json()["scope"] == f"{scopes.READ} billing:read"
    for scope in (scopes.WRITE, f"{scopes.WRITE} billing:read", "nobody:knows", "\0", "é"):
        refused = ask(issued.value, scope=scope)
        assert (refused.status_code, refused.json()["errorDetails"]) == (400, "scope"), scope


def test_a_token_loses_what_its_key_loses(alice, create_key, billing):
    issued = create_key(alice)
    token = ask(issued.value).json()["access_token"]
    only_billing = ask(issued.value, scope="billing:read").json()["access_token"]

    ApiKeyRecord.objects.update(scope=scopes.READ)

    assert program(token).get("/v1/apikeys").status_code == 200
    assert new_key(program(token), alice).status_code == 403
    assert program(only_billing).get("/v1/apikeys").status_code == 401  # nothing is left of it


def test_a_refresh_token_gives_what_its_log_in_asked_for(alice, create_key):
    issued = create_key(alice)
    refresh = {"grant_type": "refresh_token"}
    first = ask(issued.value, headers=CLIENT, scope=scopes.WRITE).json()

    narrower = (
        Client()
        .post(
            "/identity/token", refresh | {"refresh_token": first["refresh_token"], "scope": scopes.READ}, headers=CLIENT
        )
        .json()
    )
    again = Client().post("/identity/token", refresh | {"refresh_token": narrower["refresh_token"]}, headers=CLIENT)
    wider = Client().post(
        "/identity/token",
        refresh | {"refresh_token": again.json()["refresh_token"], "scope": "openid billing:read"},
        headers=CLIENT,
    )

    assert (narrower["scope"], again.json()["scope"]) == (scopes.READ, scopes.WRITE)
    assert wider.status_code == 400


def test_a_key_makes_and_changes_no_key_that_is_wider(alice, create_key, billing):
    whole, narrow = create_key(alice, "whole"), create_key(alice, "narrow", scope=scopes.WRITE)
    maker = program_of_key(narrow)
    at = f"/v1/apikeys/{whole.key.id}"
    etag = {"If-Match": "*"}

    made = new_key(maker, alice)
    refused = [
        new_key(maker, alice, scopes=["billing:read"]),
        maker.put(at, {"description": "x"}, content_type="application/json", headers=etag),
        maker.post(f"{at}/rotate", {}, content_type="application/json"),
        maker.put(f"/v1/apikeys/{narrow.key.id}", {"scopes": []}, content_type="application/json", headers=etag),
        maker.delete(f"{at}/disable"),
    ]

    assert (made.status_code, made.json()["scopes"]) == (201, [scopes.WRITE])
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert keys.get_api_key(caller_for(alice), whole.key.id).entity_tag == whole.key.entity_tag


@pytest.mark.parametrize("limit", [{"scope": scopes.WRITE}, {"networks": "127.0.0.0/8"}], ids=["scope", "networks"])
def test_a_limited_key_has_no_wider_key_work_again(alice, create_key, limit):
    """Whatever stopped it: nor does it get the value of a rotation, or of a service ID's key."""
    maker = program_of_key(create_key(alice, "narrow", **limit))
    whole, disabled, paused, deleted = (create_key(alice, name) for name in ("whole", "off", "paused", "deleted"))
    caller, once = caller_for(alice), {"Idempotency-Key": "b1946ac92492d2347c6235b4d2611184"}
    keys.disable_api_key(caller, disabled.key.id, disabled=True)
    deletion.pause_api_key(caller, paused.key.id, timedelta(minutes=5))
    deletion.delete_api_key(caller, deleted.key.id)
    service, _key = service_ids.create_service_id(caller, ServiceIdDraft("robot", ""), key=ApiKeyDraft("first", ""))
    service_ids.disable_service_id(caller, service.id, disabled=True)
    rotation = {"path": f"/v1/apikeys/{whole.key.id}/rotate", "data": {}, "content_type": "application/json"}
    rotated = program_of_key(create_key(alice)).post(**rotation, headers=once)

    refused = [
        maker.post(**rotation, headers=once),
        maker.delete(f"/v1/apikeys/{disabled.key.id}/disable"),
        maker.delete(f"/v1/apikeys/{paused.key.id}/pause"),
        maker.post(f"/v1/apikeys/{paused.key.id}/pause", {"seconds": 1}, content_type="application/json"),
        maker.post(f"/v1/apikeys/{deleted.key.id}/restore"),
        maker.delete(f"/v1/serviceids/{service.id}/disable"),
    ]
    many = {"action": "enable", "ids": [disabled.key.id]}
    of_many = maker.post("/v1/apikeys/bulk", many, content_type="application/json").json()

    assert (of_many["done"], [failure["code"] for failure in of_many["failed"]]) == (0, ["BXNIM0513E"])
    assert rotated.status_code == 201
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert keys.get_api_key(caller, disabled.key.id).disabled
    assert keys.get_api_key(caller, paused.key.id).is_paused
    longer = maker.post(f"/v1/apikeys/{paused.key.id}/pause", {"seconds": 900}, content_type="application/json")
    assert longer.status_code == 200
    with pytest.raises(WiderThanItsMaker):
        rotations.extend_previous_value(replace(caller, **limit), whole.key.id, Overlap(None))
    assert [each.key.id for each in deletion.deleted_keys(caller)] == [deleted.key.id]
    assert service_ids.get_service_id(caller, service.id).disabled
    # What a limited key stops, it may.
    assert maker.post(f"/v1/apikeys/{whole.key.id}/disable").status_code == 204


def test_a_limited_key_makes_a_service_id_whose_first_key_is_limited_alike(alice, create_key, billing):
    maker = program_of_key(create_key(alice, scope=f"{scopes.WRITE} billing:read"))
    new = {"account_id": alice.account_id, "name": "robot"}

    def make(**first):
        body = new | {"apikey": {"name": "first", **first}}
        return maker.post("/v1/serviceids", body, content_type="application/json")

    assert make().json()["apikey"]["scopes"] == [scopes.WRITE, "billing:read"]
    assert make(scopes=["billing:read"]).json()["apikey"]["scopes"] == ["billing:read"]
    assert make(scopes=["logs:write"]).status_code == 400
    ScopeRecord.objects.create(name="logs:write", sentence="Write logs", created_by="")
    assert make(scopes=["logs:write"]).status_code == 403


def test_a_scope_that_nobody_defined_is_refused(alice, alices_key, billing):
    maker = program_of_key(alices_key)

    refused = new_key(maker, alice, scopes=["billing:read", "billing:write"])

    assert refused.status_code == 400
    assert "billing:write" in refused.json()["errors"][0]["message"]
    assert new_key(maker, alice, scopes=["billing:read"]).json()["scopes"] == ["billing:read"]


# Where it may be used from


def test_a_key_is_exchanged_where_its_networks_admit_it(alice, create_key):
    issued = create_key(alice, networks="192.0.2.0/24 !192.0.2.9")

    assert ask(issued.value, address=ELSEWHERE).status_code == 200
    for address in (HERE, "192.0.2.9", "2001:db8::1"):
        assert ask(issued.value, address=address).json()["errorCode"] == "BXNIM0415E"


def test_its_owner_is_told_that_it_was_used_from_elsewhere(alice, create_key):
    issued = create_key(alice, networks="192.0.2.0/24")
    answer = ask(issued.value)
    refusals.write_uses(everything=True)

    [explained] = refusals.by_request(caller_for(alice), answer.headers["Transaction-Id"])

    assert (explained.refusal.reason, explained.refusal.address) == (Reason.NETWORK, HERE)


def test_a_forged_header_of_a_stranger_changes_nothing(alice, create_key):
    issued = create_key(alice, networks="192.0.2.0/24")

    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "IAM-Client-Address"):
        assert ask(issued.value, headers={name: ELSEWHERE}).status_code == 400, name
    assert ask(issued.value, client_address=ELSEWHERE).status_code == 400


def test_its_tokens_are_refused_elsewhere_and_refreshed_only_there(alice, create_key):
    issued = create_key(alice, networks="192.0.2.0/24")
    given = ask(issued.value, address=ELSEWHERE, headers=CLIENT).json()
    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}

    assert program(given["access_token"], ELSEWHERE).get("/v1/apikeys").status_code == 200
    assert program(given["access_token"]).get("/v1/apikeys").status_code == 401
    assert Client().post("/identity/token", form, headers=CLIENT).status_code == 400
    assert Client(REMOTE_ADDR=ELSEWHERE).post("/identity/token", form, headers=CLIENT).status_code == 200


def test_a_service_that_asks_passes_on_the_address_of_its_caller(alice, bob, create_key):
    issued = create_key(alice, networks="192.0.2.0/24")
    token = ask(issued.value, address=ELSEWHERE).json()["access_token"]
    service = program_of_key(create_key(bob))

    def is_active(**form: str) -> bool:
        return service.post("/identity/introspect", form).json()["active"]

    for shown in ({"apikey": issued.value}, {"token": token}):
        assert is_active(**shown, client_address=ELSEWHERE)
        assert is_active(**shown, client_address=f"::ffff:{ELSEWHERE}")
        assert not is_active(**shown, client_address=HERE)
        assert not is_active(**shown)  # whoever asks without it does not know whom it serves
    refused = service.post("/identity/introspect", {"token": token, "client_address": "office"})
    assert (refused.status_code, refused.json()["errorDetails"]) == (400, "client_address")


def test_the_details_of_a_value_are_told_for_an_address_that_is_admitted(alice, create_key):
    issued = create_key(alice, networks="192.0.2.0/24")
    service = program_of_key(create_key(alice))

    def details(**headers: str):
        return service.get("/v1/apikeys/details", headers={"IAM-ApiKey": issued.value} | headers)

    assert details().json()["networks"] == ["192.0.2.0/24"]
    assert details(**{"IAM-Client-Address": ELSEWHERE}).status_code == 200
    assert details(**{"IAM-Client-Address": HERE}).status_code == 404
    assert details(**{"IAM-Client-Address": "office"}).status_code == 400


def test_the_networks_of_the_rules_limit_every_key(alice, create_key):
    free, limited = create_key(alice), create_key(alice, networks="127.0.0.0/8 192.0.2.0/24")
    RulesRecord.objects.create(networks="192.0.2.0/24", modified_by="IBMid-1")

    for issued in (free, limited):
        assert ask(issued.value).status_code == 400
        assert ask(issued.value, address=ELSEWHERE).status_code == 200


def test_a_key_makes_no_key_that_is_used_from_more_networks(alice, create_key):
    maker = program_of_key(create_key(alice, networks="127.0.0.0/8"))

    made = new_key(maker, alice)

    assert made.json()["networks"] == ["127.0.0.0/8"]
    assert new_key(maker, alice, networks=["127.0.0.0/16"]).status_code == 201
    assert new_key(maker, alice, networks=["0.0.0.0/0"]).status_code == 403
    assert new_key(maker, alice, networks=["127.0.0.0/8", "::1"]).status_code == 403
