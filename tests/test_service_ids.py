"""Service IDs: who makes them, whose they are, when they are refused, and a creation that is sent again."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from apikeys import audit
from apikeys.audit import lines
from apikeys.domain import ApiKeyDraft, Caller, Origin, ServiceIdDraft, ServiceIdQuery
from apikeys.exceptions import (
    InvalidApiKey,
    MadeByPeopleOnly,
    NotAuthorized,
    ServiceIdHeld,
    ServiceIdLocked,
    ServiceIdNotFound,
    ValueNotFound,
)
from apikeys.identity import tokens, users
from apikeys.models import AuditEvent, Handover, HistoryRecord, ServiceIdRecord
from apikeys.services import activity, creation, deletion, keys, refusals, service_ids
from tests.conftest import caller_for, delivery_for, make_person

RANDOM = {"Idempotency-Key": "3f2a91c07be84d5596d1a7f0e2c84b13"}
ADDRESS = "/v1/serviceids"


@pytest.fixture
def create(alices, site_alice):
    """Send Alice's creation of a service ID with her Idempotency-Key; return status and body."""

    def send(headers=RANDOM, **fields):
        answer = alices.post(
            ADDRESS, json={"account_id": site_alice.account_id, "name": "robot"} | fields, headers=headers
        )
        return answer.status_code, answer.json()

    return send


def names(program) -> list[str]:
    return [service["name"] for service in program.get(ADDRESS).json()["serviceids"]]


def test_a_creation_that_is_sent_again_makes_no_second_service_id(create, alices):
    first = create()
    second = create()

    assert first == second
    assert first[0] == 201
    assert names(alices) == ["robot"]


def test_a_creation_that_is_sent_again_returns_its_first_key_with_its_value(create, alices, site):
    first = create(apikey={"name": "first key"})
    second = create(apikey={"name": "first key"})

    assert first == second
    assert first[0] == 201
    service = first[1]
    assert len(alices.listed(iam_id=service["iam_id"])) == 1
    assert site.exchange(second[1]["apikey"]["apikey"]).status_code == 200


@pytest.mark.parametrize(
    "other",
    [
        {"name": "android"},
        {"description": "Dreams"},
        {"unique_instance_crns": ["crn:v1:a"]},
        {"apikey": {"name": "another key"}},
        {"apikey": None},
        {"headers": RANDOM | {"Entity-Lock": "true"}},
        {"headers": RANDOM | {"Entity-Disable": "true"}},
    ],
    ids=str,
)
def test_another_creation_with_the_same_idempotency_key_is_refused(create, alices, other):
    made = create(apikey={"name": "first key"})

    status, body = create(**{"apikey": {"name": "first key"}} | other)

    assert (status, body["errors"][0]["code"]) == (409, "conflict")
    assert names(alices) == ["robot"]
    assert len(alices.listed(iam_id=made[1]["iam_id"])) == 1


def test_a_first_key_that_only_the_second_request_asks_for_is_refused(create, alices):
    made = create()

    status, _body = create(apikey={"name": "first key"})

    assert status == 409
    assert alices.listed(iam_id=made[1]["iam_id"]) == []


def test_an_idempotency_key_counts_for_its_address_and_its_owner(create, alices, bobs, site_bob):
    create()

    key = alices.create_key("robot", headers=RANDOM)
    bobs_service = bobs.post(ADDRESS, json={"account_id": site_bob.account_id, "name": "robot"}, headers=RANDOM)

    assert key["name"] == "robot"
    assert bobs_service.status_code == 201
    assert names(bobs) == names(alices) == ["robot"]


def test_a_key_that_was_made_active_is_not_the_one_that_was_to_be_disabled(alices):
    body = {"name": "robot", "iam_id": alices.iam_id}
    alices.create_key(headers=RANDOM)

    disabled = alices.post("/v1/apikeys", json=body, headers=RANDOM | {"Entity-Disable": "true"})
    locked = alices.post("/v1/apikeys", json=body, headers=RANDOM | {"Entity-Lock": "true"})
    same = alices.post("/v1/apikeys", json=body, headers=RANDOM | {"Entity-Disable": "false"})

    assert (disabled.status_code, locked.status_code, same.status_code) == (409, 409, 201)
    assert [(key["disabled"], key["locked"]) for key in alices.listed()] == [(False, False)]


@pytest.mark.django_db(transaction=True)
def test_service_ids_that_were_there_before_are_found_by_their_names(alice):
    before, after = [("apikeys", "0005_signing_key_signs_from")], [("apikeys", "0006_service_ids")]
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes()
    old = executor.migrate(before).apps
    record = old.get_model("apikeys", "ServiceIdRecord").objects.create(
        id="ServiceId-00000000-0000-4000-8000-000000000000",
        iam_id="iam-ServiceId-00000000-0000-4000-8000-000000000000",
        account_id=alice.account_id,
        created_by=alice.iam_id,
        entity_tag="1-" + "0" * 32,
        name="\u00c4nderer",
        description="Of the BUILD",
    )

    executor = MigrationExecutor(connection)
    executor.migrate(after)
    MigrationExecutor(connection).migrate(latest)

    found = ServiceIdRecord.objects.get(name_folded__contains="\u00e4nd", description_folded__contains="build")
    assert (found.id, found.unique_instance_crns, found.past_use_count) == (record.id, [], 0)


@pytest.mark.django_db
def test_what_is_done_with_its_key_is_audited_as_that_of_a_service_ids_key_and_is_told_alike(alice):
    caller = caller_for(alice)
    service, _first = service_ids.create_service_id(caller, ServiceIdDraft("robot"))
    made = creation.create_api_key(caller, ApiKeyDraft("nightly", iam_id=service.iam_id))

    keys.disable_api_key(caller, made.key.id, disabled=True)
    creation.create_api_key(caller, ApiKeyDraft("hers", iam_id=alice.iam_id))

    told = AuditEvent.objects.filter(target_name__in=["nightly", "hers"]).order_by("event_time")
    assert [event.action for event in told] == [
        "iam-identity.serviceid-apikey.create",
        "iam-identity.serviceid-apikey.update",
        "iam-identity.user-apikey.create",
    ]
    assert lines.cadf(told[0])["message"] == "IAM Identity Service: create serviceid-apikey nightly"
    assert activity.words(told[0].action, "success") == activity.words(told[2].action, "success") == "API key created"
    assert [event.severity for event in told] == ["critical", "warning", "critical"]


@pytest.mark.django_db
def test_the_end_of_each_key_of_a_deleted_service_id_is_audited_and_its_sealed_value_wiped(alice):
    caller = caller_for(alice)
    robot, first_key = ServiceIdDraft("robot"), ApiKeyDraft("first key")
    service, first = service_ids.create_service_id(caller, robot, key=first_key, delivery=delivery_for(alice))
    second = creation.create_api_key(caller, ApiKeyDraft("second key", iam_id=service.iam_id))

    service_ids.delete_service_id(caller, service.id)

    ends = AuditEvent.objects.filter(action="iam-identity.serviceid-apikey.delete")
    assert {event.target_id for event in ends} == {first.key.crn, second.key.crn}
    assert {event.request_data["cause"] for event in ends} == {"service ID deleted"}
    assert AuditEvent.objects.get(action=audit.SERVICE_ID_DELETE).target_id == service.crn
    assert not Handover.objects.filter(sealed__isnull=False).exists()
    assert not HistoryRecord.objects.exists()


@pytest.fixture
def robot(alice):
    """Alice's service ID, and a key of its own."""
    return service_ids.create_service_id(caller_for(alice), ServiceIdDraft("robot"), key=ApiKeyDraft("first key"))


def robots_of(person) -> list[str]:
    return [found.name for found in service_ids.list_service_ids(caller_for(person), ServiceIdQuery()).service_ids]


@pytest.mark.django_db
def test_a_service_id_makes_no_service_id_and_that_is_audited(alice, robot):
    _service, issued = robot
    caller = Caller(tokens.authenticate(issued.value, Origin()).identity)

    with pytest.raises(MadeByPeopleOnly):
        service_ids.create_service_id(caller, ServiceIdDraft("android"))

    assert robots_of(alice) == ["robot"]
    assert AuditEvent.objects.get(reason="MadeByPeopleOnly").initiator_id == caller.identity.iam_id


@pytest.mark.django_db
def test_what_an_administrator_disabled_and_locked_its_manager_does_not_undo(alice, dora, robot):
    service, issued = robot
    alices, doras = caller_for(alice), caller_for(dora)
    service_ids.disable_service_id(doras, service.id, disabled=True)
    service_ids.lock_service_id(doras, service.id, locked=True)

    with pytest.raises(ServiceIdLocked):
        service_ids.disable_service_id(alices, service.id, disabled=False)
    with pytest.raises(ServiceIdHeld):
        service_ids.lock_service_id(alices, service.id, locked=False)
    service_ids.lock_service_id(doras, service.id, locked=False)
    with pytest.raises(ServiceIdHeld):
        service_ids.disable_service_id(alices, service.id, disabled=False)

    with pytest.raises(ValueNotFound):
        tokens.authenticate(issued.value, Origin())
    service_ids.disable_service_id(doras, service.id, disabled=False)
    assert tokens.authenticate(issued.value, Origin())


@pytest.mark.django_db
def test_a_manager_who_was_first_does_not_undo_what_an_administrator_does_too(alice, dora, robot):
    service, _issued = robot
    alices, doras = caller_for(alice), caller_for(dora)
    for caller in (alices, doras, alices):
        disabled = service_ids.disable_service_id(caller, service.id, disabled=True)
    for caller in (alices, doras, alices):
        locked = service_ids.lock_service_id(caller, service.id, locked=True)

    assert (disabled.disabled_by, locked.locked_by) == (dora.iam_id, dora.iam_id)
    with pytest.raises(ServiceIdHeld):
        service_ids.lock_service_id(alices, service.id, locked=False)
    service_ids.lock_service_id(doras, service.id, locked=False)
    with pytest.raises(ServiceIdHeld):
        service_ids.disable_service_id(alices, service.id, disabled=False)


@pytest.mark.django_db
def test_what_a_manager_disabled_and_locked_the_manager_undoes(alice, robot):
    service, issued = robot
    alices = caller_for(alice)

    service_ids.disable_service_id(alices, service.id, disabled=True)
    service_ids.lock_service_id(alices, service.id, locked=True)
    service_ids.lock_service_id(alices, service.id, locked=False)
    enabled = service_ids.disable_service_id(alices, service.id, disabled=False)

    assert (enabled.disabled, enabled.disabled_by, enabled.locked_by) == (False, "", "")
    assert tokens.authenticate(issued.value, Origin())
    assert [entry.action for entry in service_ids.get_history(alices, service.id)] == [
        "create", "disable", "lock", "unlock", "enable",
    ]  # fmt: skip


@pytest.mark.django_db
def test_why_names_the_owner_of_a_key_whose_service_id_is_disabled(alice, robot):
    service, issued = robot

    service_ids.disable_service_id(caller_for(alice), service.id, disabled=True)

    assert refusals.why(caller_for(alice), issued.key.id).cause.reason == "owner_inactive"


@pytest.mark.django_db
def test_the_service_ids_of_who_goes_are_handed_to_an_administrator_disabled_and_say_so(alice, dora, robot):
    service, issued = robot
    service_ids.lock_service_id(caller_for(alice), service.id, locked=True)

    given = service_ids.hand_over(caller_for(dora), users.identity_of(alice), dora.iam_id)

    assert [(found.id, found.managed_by, found.disabled) for found in given] == [(service.id, dora.iam_id, True)]
    assert (given[0].handed_over_from, given[0].handed_over_at is None) == ("Alice Liddell", False)
    assert robots_of(alice) == []
    with pytest.raises(ServiceIdNotFound):
        service_ids.get_service_id(caller_for(alice), service.id)
    with pytest.raises(InvalidApiKey):
        creation.create_api_key(caller_for(alice), ApiKeyDraft("back door", iam_id=service.iam_id))
    with pytest.raises(ValueNotFound):
        tokens.authenticate(issued.value, Origin())
    [event] = AuditEvent.objects.filter(request_data__managed_by=dora.iam_id)
    assert (event.action, event.target_id, event.initiator_id) == (audit.SERVICE_ID_UPDATE, service.crn, dora.iam_id)

    deletion.delete_identity(users.identity_of(alice))  # as a person's deletion does next
    alice.delete()
    service_ids.lock_service_id(caller_for(dora), service.id, locked=False)
    service_ids.disable_service_id(caller_for(dora), service.id, disabled=False)
    assert tokens.authenticate(issued.value, Origin()).identity.iam_id == service.iam_id


@pytest.mark.django_db
@pytest.mark.parametrize("to", ["alice", "bob", "inactive", "nobody"])
def test_service_ids_are_handed_to_an_active_administrator_only(alice, bob, dora, robot, to):
    inactive = make_person("inga", is_superuser=True, is_active=False)
    people = {"alice": alice.iam_id, "bob": bob.iam_id, "inactive": inactive.iam_id, "nobody": ""}

    with pytest.raises(InvalidApiKey):
        service_ids.hand_over(caller_for(dora), users.identity_of(alice), people[to])

    assert robots_of(alice) == ["robot"]


@pytest.mark.django_db
def test_only_an_administrator_hands_over_and_takes_over(alice, bob, dora, robot):
    service, _issued = robot

    with pytest.raises(NotAuthorized):
        service_ids.hand_over(caller_for(bob), users.identity_of(alice), dora.iam_id)
    with pytest.raises(NotAuthorized):
        service_ids.take_over_service_id(caller_for(alice), service.id)
    taken = service_ids.take_over_service_id(caller_for(dora), service.id)

    assert (taken.managed_by, taken.disabled) == (dora.iam_id, False)
    assert robots_of(alice) == []


@pytest.mark.django_db
def test_a_creation_is_known_again_after_its_service_id_was_taken_over(alice, dora):
    draft, delivery = ServiceIdDraft("robot"), delivery_for(alice)
    service, _key = service_ids.create_service_id(caller_for(alice), draft, delivery=delivery)
    service_ids.take_over_service_id(caller_for(dora), service.id)

    again, _key = service_ids.create_service_id(caller_for(alice), draft, delivery=delivery)

    assert again.id == service.id
