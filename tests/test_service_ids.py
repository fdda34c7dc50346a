"""Service IDs whose creation is sent again, and those that were made before there was all that they have now."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from apikeys.domain import ApiKeyDraft, ServiceIdDraft
from apikeys.models import AuditEvent, Handover, HistoryRecord, ServiceIdRecord
from apikeys.services import audit, creation, service_ids
from tests.conftest import caller_for, delivery_for

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
def test_the_end_of_each_key_of_a_deleted_service_id_is_audited_and_its_sealed_value_wiped(alice):
    caller = caller_for(alice)
    robot, first_key = ServiceIdDraft("robot"), ApiKeyDraft("first key")
    service, first = service_ids.create_service_id(caller, robot, key=first_key, delivery=delivery_for(alice))
    second = creation.create_api_key(caller, ApiKeyDraft("second key", iam_id=service.iam_id))

    service_ids.delete_service_id(caller, service.id)

    ends = AuditEvent.objects.filter(action=audit.DELETE)
    assert {event.target_id for event in ends} == {first.key.crn, second.key.crn}
    assert {event.request_data["cause"] for event in ends} == {"service ID deleted"}
    assert AuditEvent.objects.get(action=audit.SERVICE_ID_DELETE).target_id == service.crn
    assert not Handover.objects.filter(sealed__isnull=False).exists()
    assert not HistoryRecord.objects.exists()
