"""All keys of a person, or of everybody, are ended at once, and only an administrator can undo it."""

import re

import pytest
from django.db import transaction

from apikeys import exceptions
from apikeys.backends import revoking as rows
from apikeys.domain import Hold, Owner, ServiceIdDraft
from apikeys.models import ApiKeyRecord, AuditEvent, DeletedKeyRecord, HistoryRecord
from apikeys.services import deletion, keys, revoking, service_ids
from tests.addresses import KEYS
from tests.cast import ADMIN, PASSWORD
from tests.conftest import NOON, caller_for, program_of
from tests.markup import fields, page
from tests.programs import Program
from tests.test_people_leave import consoles, exchange, log_in, use  # noqa: F401  (a fixture)

REVOKE = f"{KEYS}revoke/"
NUMBER = 10_000
WORKING = 20  # of them that somebody has the values of
MAKE_HOPPER = f"""
from console.models import User
User.objects.create_user("hopper", password={PASSWORD!r})
"""
MAKE_KEYS = f"""
from apikeys.models import ApiKeyRecord
from console.models import User
hopper = User.objects.get(username="hopper")
ApiKeyRecord.objects.bulk_create(
    (
        ApiKeyRecord(
            iam_id=hopper.iam_id, account_id=hopper.account_id, created_by=hopper.iam_id, name=f"crew {{n}}",
            name_folded=f"crew {{n}}", pepper=1, digest=f"hopper {{n}}", hint="", locked=n % 2 == 0,
        )
        for n in range({NUMBER - WORKING})
    ),
    batch_size=1000,
)
"""


def owner(person) -> Owner:
    return Owner(person.iam_id, "", person.username)


def states() -> dict[str, tuple[bool, str | None]]:
    return {row.name: (row.disabled, row.disabled_hold) for row in ApiKeyRecord.objects.all()}


@pytest.fixture
def five_keys(alice, bob, create_key):
    """Alice has four, of which one is locked, one disabled, and one that of a service ID; Bob has another."""
    service = service_ids.create_service_id(caller_for(alice), ServiceIdDraft("robot"))[0]
    return [
        create_key(alice, "works"),
        create_key(alice, "locked", locked=True),
        create_key(alice, "disabled", disabled=True),
        create_key(alice, "robot's", iam_id=service.iam_id),
        create_key(bob, "bob's"),
    ]


@pytest.mark.django_db
def test_all_of_a_person_are_ended_locked_ones_and_those_of_service_ids_too(alice, dora, five_keys):
    before = {row.id: row.entity_tag for row in ApiKeyRecord.objects.all()}

    assert revoking.revoke_all(caller_for(dora), owner(alice)) == 4

    ended = (True, Hold.ADMINISTRATOR)
    assert states() == {
        "works": ended, "locked": ended, "disabled": ended, "robot's": ended, "bob's": (False, ""),
    }  # fmt: skip
    for issued in five_keys[:4]:
        row = ApiKeyRecord.objects.get(id=issued.key.id)
        assert row.entity_tag.startswith(f"{row.revision}-")
        assert (row.revision, row.disabled_by) == (2, dora.iam_id)
        assert row.entity_tag != before[row.id]
        last = HistoryRecord.objects.filter(object_id=row.id).latest("timestamp", "id")
        assert (last.action, last.iam_id) == ("disable", dora.iam_id)
    event = AuditEvent.objects.get(action="iam-identity.user-apikey.revoke")
    assert (event.outcome, event.target_id, event.request_data) == ("success", alice.iam_id, {"keys": 4})
    for issued in (five_keys[0], five_keys[3]):
        with pytest.raises(exceptions.ApiKeyHeld):
            keys.disable_api_key(caller_for(alice), issued.key.id, disabled=False)
    assert revoking.revoke_all(caller_for(dora), owner(alice)) == 0


@pytest.mark.django_db
@pytest.mark.parametrize("of_everybody", [False, True])
def test_what_was_deleted_before_comes_back_disabled(alice, bob, dora, five_keys, of_everybody):
    works, bobs = five_keys[0].key.id, five_keys[4].key.id
    deletion.delete_api_key(caller_for(alice), works)
    deletion.delete_api_key(caller_for(bob), bobs)

    revoking.revoke_all(caller_for(dora), None if of_everybody else owner(alice))

    assert deletion.restore_api_key(caller_for(alice), works).key.disabled
    with pytest.raises(exceptions.ApiKeyHeld):
        keys.disable_api_key(caller_for(alice), works, disabled=False)
    assert deletion.restore_api_key(caller_for(bob), bobs).key.disabled is of_everybody
    assert AuditEvent.objects.get(request_data__deleted_keys=1 + of_everybody).initiator_id == dora.iam_id


@pytest.mark.django_db
def test_a_part_of_a_name_revokes_nothing(alice, dora, five_keys):
    def revoke(text: str):
        return program_of(dora).post("/v1/apikeys/revoke", {"owner": text}, content_type="application/json")

    for part in ("lidd", "alice l", "alic", "robo", "@example.com", "alice " * 10_000):
        assert (revoke(part).status_code, revoke(part).json()["errors"][0]["details"]) == (400, "owner")
    assert not ApiKeyRecord.objects.filter(disabled_hold=Hold.ADMINISTRATOR).exists()

    assert revoke("Robot").json() == {"revoked": 1}
    assert revoke("alice LIDDELL").json() == {"revoked": 3}


@pytest.mark.django_db
def test_everybodys_are_ended_in_pieces_with_an_event_each(alice, dora, five_keys, monkeypatch):
    monkeypatch.setattr(rows, "PIECE", 2)

    assert revoking.revoke_all(caller_for(dora), None) == 5

    assert set(states().values()) == {(True, Hold.ADMINISTRATOR)}
    events = AuditEvent.objects.filter(action="iam-identity.user-apikey.revoke", outcome="success")
    assert sum(event.request_data["keys"] for event in events) == 5
    assert len(events) == 3


@pytest.mark.django_db
def test_whoever_is_no_administrator_ends_nothing(alice, bob, alice_client, five_keys):
    with pytest.raises(exceptions.NotAuthorized):
        revoking.revoke_all(caller_for(alice), owner(bob))
    for answer in (
        alice_client.get(REVOKE),
        alice_client.post(f"{REVOKE}{bob.iam_id}/", {"typed": bob.username}),
        program_of(alice).post("/v1/apikeys/revoke", {"everybody": True}, content_type="application/json"),
    ):
        assert answer.status_code == 403

    assert states()["bob's"] == (False, "")
    assert AuditEvent.objects.filter(action="iam-identity.user-apikey.revoke", outcome="failure").count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("of_everybody", [True, False])
def test_the_page_asks_to_type_whose_and_does_nothing_for_anything_else(alice, dora_client, five_keys, of_everybody):
    address, phrase = (REVOKE, "revoke all") if of_everybody else (f"{REVOKE}{alice.iam_id}/", "alice")
    asked = page(dora_client.get(address)).find("dialog")
    assert f"{5 if of_everybody else 4} API keys" in asked.text
    form = asked.find("form")

    for typed in ("", "yes", phrase.upper()):
        answer = dora_client.post(form["action"], fields(form) | {"typed": typed})
        assert answer.status_code == 422
        assert f"Type {phrase} to confirm." in page(answer).find("dialog").text
    assert states()["works"] == (False, "")
    answer = dora_client.post(form["action"], fields(form) | {"typed": f" {phrase} "}, follow=True)

    assert f"{5 if of_everybody else 4} API keys were disabled." in answer.content.decode()
    assert states()["works"] == (True, Hold.ADMINISTRATOR)
    assert states()["bob's"][0] is of_everybody


@pytest.mark.django_db
def test_whoever_is_no_administrator_ends_their_own_and_can_undo_it(alice, bob, dora, alice_client, five_keys):
    keys.disable_api_key(caller_for(dora), five_keys[0].key.id, disabled=True)
    told = program_of(alice).post("/v1/apikeys/revoke", {"owner": alice.iam_id}, content_type="application/json")

    assert told.json() == {"revoked": 2}
    own = (True, Hold.OWNER)
    assert states() == {
        "works": (True, Hold.ADMINISTRATOR), "locked": own, "disabled": own, "robot's": own, "bob's": (False, ""),
    }  # fmt: skip
    keys.disable_api_key(caller_for(alice), five_keys[3].key.id, disabled=False)
    asked = page(alice_client.get(f"{REVOKE}{alice.iam_id}/")).find("dialog")
    assert "1 API key of" in asked.text
    assert "Only an administrator" not in asked.text


@pytest.mark.django_db
@pytest.mark.parametrize(("below", "phrase", "shown"), [("", "revoke all", 5), ("{iam_id}/", "alice", 3)])
def test_the_pages_of_users_lead_to_it_and_on_to_the_keys_that_it_is_about(
    alice, dora_client, five_keys, below, phrase, shown
):
    users = page(dora_client.get(f"/manage/users/{below.format(iam_id=alice.iam_id)}"))
    [address] = [link["href"] for link in users.find("main").find_all("a") if REVOKE in link.attributes.get("href", "")]
    form = page(dora_client.get(address)).find("dialog").find("form")

    answer = dora_client.post(form["action"], fields(form) | {"typed": phrase}, follow=True)

    assert len(page(answer).find("tbody").find_all("tr")) == shown


@pytest.mark.django_db
def test_nobody_is_not_everybody(dora, dora_client, five_keys):
    assert dora_client.post(f"{REVOKE}IBMid-NOBODY0000/", {"typed": "revoke all"}).status_code == 404
    for body in ({}, {"owner": ""}, {"owner": "nobody"}, {"owner": "alice", "everybody": True}, {"everybody": False}):
        answer = program_of(dora).post("/v1/apikeys/revoke", body, content_type="application/json")
        assert answer.status_code == 400

    assert states()["works"] == (False, "")


def test_ten_thousand_keys_are_refused_by_the_next_call_in_another_process(consoles):  # noqa: F811
    first, second = consoles
    first.server.run_python(MAKE_HOPPER)
    hopper = Program(first.url, log_in(first, "hopper", PASSWORD)["access_token"])
    values = [hopper.create_key(f"working {n}")["apikey"] for n in range(WORKING)]
    first.server.run_python(MAKE_KEYS)  # beyond the limit of one identity
    tokens = [exchange(second, value).json()["access_token"] for value in values]
    assert {use(second, token).status_code for token in tokens} == {200}
    admin = Program(first.url, log_in(first, *ADMIN)["access_token"])

    answer = admin.post("/v1/apikeys/revoke", json={"owner": "hopper"})

    assert answer.json() == {"revoked": NUMBER}
    assert {exchange(second, value).status_code for value in values} == {400}
    assert {use(second, token).status_code for token in tokens} == {401}


def test_each_key_that_is_ended_by_sets_is_a_revision_with_its_line(at, alice, dora, five_keys):
    administrator = caller_for(dora).identity
    works, locked, disabled, robots, _bobs = (issued.key.id for issued in five_keys)
    ApiKeyRecord.objects.filter(id=disabled).update(disabled_hold=Hold.OWNER)
    before = {row.id: row for row in ApiKeyRecord.objects.all()}

    with transaction.atomic():
        number = rows.disable([works, locked, disabled], administrator, Hold.ADMINISTRATOR)
        assert rows.disable([works, locked], administrator, Hold.ADMINISTRATOR) == 0
        assert rows.disable([robots], administrator, Hold.OWNER) == 1

    assert number == 3
    for key_id in (works, locked, disabled):
        row, line = ApiKeyRecord.objects.get(id=key_id), HistoryRecord.objects.filter(object_id=key_id).latest("id")
        assert (row.disabled, row.disabled_by, row.disabled_hold) == (True, dora.iam_id, Hold.ADMINISTRATOR)
        assert (row.revision, row.modified_at) == (before[key_id].revision + 1, NOON)
        assert re.fullmatch(rf"{row.revision}-[0-9a-f]{{32}}", row.entity_tag)
        assert (line.iam_id, line.account_id, line.action, line.params, line.message, line.timestamp) == (
            dora.iam_id, dora.account_id, "disable", [], "API key: disable", NOON,
        )  # fmt: skip


def test_what_was_deleted_comes_back_as_whoever_ended_all_wants_it(alice, bob, dora, five_keys):
    for person, issued in ((alice, five_keys[0]), (alice, five_keys[2]), (bob, five_keys[4])):
        deletion.delete_api_key(caller_for(person), issued.key.id)

    assert rows.disable_deleted([alice.iam_id], caller_for(dora).identity, Hold.ADMINISTRATOR) == 2

    held = dict(DeletedKeyRecord.objects.values_list("name", "disabled_by"))
    assert held == {"works": dora.iam_id, "disabled": dora.iam_id, "bob's": ""}
    assert rows.disable_deleted(None, caller_for(dora).identity, Hold.OWNER) == 1


def test_keys_are_ended_piece_by_piece_whoever_has_them(alice, dora, five_keys, monkeypatch):
    monkeypatch.setattr(rows, "PIECE", 2)
    everybodys = {issued.key.id for issued in five_keys}

    for owners, wanted in ((None, everybodys), ([alice.iam_id], {issued.key.id for issued in five_keys[:3]})):
        found = list(rows.pieces(Hold.ADMINISTRATOR, alice.account_id, owners))
        assert {key_id for piece in found for key_id in piece} == wanted
        assert max(map(len, found)) == 2
