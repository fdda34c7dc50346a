"""The one door: every change is audited with it or does not happen, refusals are audited too."""

import pytest
from django.db import IntegrityError

from apikeys import audit
from apikeys.backends import backend_for
from apikeys.domain import ApiKeyChanges, ApiKeyDraft, ApiKeyQuery, Caller, ServiceIdChanges, api_key_crn
from apikeys.exceptions import (
    AlreadyReceived,
    ApiKeyConflict,
    ApiKeyLimitReached,
    ApiKeyLocked,
    ApiKeyNotFound,
)
from apikeys.models import ApiKeyRecord, AuditEvent, Handover
from apikeys.services import creation, deletion, keys
from apikeys.web.forms import new_nonce
from tests.addresses import UNKNOWN_ID
from tests.conftest import caller_for, delivery_for
from tests.stores import refuse_rows_of, tables_with

CREATE, UPDATE, DELETE = (f"iam-identity.user-apikey.{action}" for action in ("create", "update", "delete"))
CHANGES = {
    UPDATE: lambda caller, key: keys.update_api_key(
        caller, key.id, ApiKeyChanges(name="tofu", description=""), entity_tag=key.entity_tag
    ),
    DELETE: lambda caller, key: deletion.delete_api_key(caller, key.id),
}


def events() -> list[AuditEvent]:
    return list(AuditEvent.objects.order_by("event_time"))


# Audit: what happened


def test_a_creation_is_audited_with_who_what_and_from_where(alice, alices_key):
    [event] = events()

    assert (event.action, event.outcome, event.severity, event.reason) == (CREATE, "success", "critical", "")
    assert (event.initiator_id, event.initiator_name) == (alice.iam_id, "Alice Liddell")
    assert (event.address, event.agent, event.correlation_id) == ("192.0.2.7", "pytest", "0" * 32)
    assert (event.target_id, event.target_name) == (alices_key.key.crn, "terraform")


def test_an_edit_is_audited_with_both_names(alice, alices_key):
    CHANGES[UPDATE](caller_for(alice), alices_key.key)

    event = events()[-1]
    assert (event.action, event.outcome, event.severity) == (UPDATE, "success", "warning")
    assert (event.target_id, event.target_name) == (alices_key.key.crn, "tofu")
    assert event.request_data == {"instance_name": "tofu", "prev_instance_name": "terraform"}


def test_a_deletion_is_audited(alice, alices_key):
    deletion.delete_api_key(caller_for(alice), alices_key.key.id)

    event = events()[-1]
    assert (event.action, event.outcome, event.severity) == (DELETE, "success", "critical")
    assert (event.target_id, event.target_name) == (alices_key.key.crn, "terraform")


def test_a_form_sent_twice_is_one_creation_in_the_audit_log(alice):
    nonce = new_nonce()

    for _ in range(2):
        creation.create_api_key(caller_for(alice), ApiKeyDraft("terraform", ""), delivery_for(alice, nonce))

    assert [(event.action, event.outcome) for event in events()] == [(CREATE, "success")]


def test_looking_is_not_audited(alice, alices_key):
    before = events()

    keys.overview(caller_for(alice))
    keys.list_api_keys(caller_for(alice), ApiKeyQuery())
    keys.get_api_key(caller_for(alice), alices_key.key.id)

    assert events() == before


def test_the_value_and_the_nonce_are_in_no_event(alice):
    nonce = new_nonce()
    issued = creation.create_api_key(caller_for(alice), ApiKeyDraft("terraform", ""), delivery_for(alice, nonce))

    creation.confirm_receipt(caller_for(alice), nonce)
    deletion.delete_api_key(caller_for(alice), issued.key.id)

    found = tables_with(issued.value) + tables_with(nonce)
    assert "apikeys_auditevent" in tables_with("terraform")
    assert found == []


def test_an_agent_of_absurd_length_is_cut(alice):
    caller = Caller(caller_for(alice).identity, agent="curl/8 " * 1_000)

    creation.create_api_key(caller, ApiKeyDraft("terraform", ""))

    assert events()[-1].agent == ("curl/8 " * 1_000)[:255]


# Audit: in the same transaction


@pytest.mark.parametrize("refusing", ["apikeys_auditevent", "apikeys_handover"])
def test_a_creation_that_cannot_be_audited_or_handed_over_does_not_happen(alice, refusing):
    refuse_rows_of(refusing)

    with pytest.raises(IntegrityError, match="the disk is full"):
        creation.create_api_key(caller_for(alice), ApiKeyDraft("terraform", ""), delivery_for(alice))

    assert [model.objects.count() for model in (ApiKeyRecord, Handover, AuditEvent)] == [0, 0, 0]


@pytest.mark.parametrize("action", [UPDATE, DELETE])
def test_a_change_that_cannot_be_audited_does_not_happen(alice, alices_key, action):
    refuse_rows_of("apikeys_auditevent")

    with pytest.raises(IntegrityError, match="the disk is full"):
        CHANGES[action](caller_for(alice), alices_key.key)

    assert keys.get_api_key(caller_for(alice), alices_key.key.id) == alices_key.key
    assert Handover.objects.get().sealed is not None


def test_a_change_that_forgets_its_event_is_rolled_back(alice, alices_key):
    without_event = pytest.raises(RuntimeError, match=f"{DELETE} ended without its audit event")

    with without_event, audit.change(caller_for(alice), DELETE, alices_key.key.id):
        backend_for(caller_for(alice)).delete_api_key(alices_key.key.id)

    assert keys.get_api_key(caller_for(alice), alices_key.key.id) == alices_key.key


# Audit: refusals


@pytest.mark.django_db(transaction=True)
def test_a_refusal_is_audited_although_the_change_was_rolled_back(alice, alices_key):
    key = alices_key.key
    ApiKeyRecord.objects.update(locked=True)

    with pytest.raises(ApiKeyLocked):
        deletion.delete_api_key(caller_for(alice), key.id)

    event = events()[-1]
    assert (event.action, event.outcome, event.reason) == (DELETE, "failure", "ApiKeyLocked")
    assert (event.severity, event.target_id) == ("warning", key.crn)
    assert (event.initiator_id, event.address) == (alice.iam_id, "192.0.2.7")
    assert ApiKeyRecord.objects.count() == 1


@pytest.mark.parametrize(
    ("refusal", "action"), [(ApiKeyConflict, UPDATE), (ApiKeyNotFound, DELETE), (ApiKeyLimitReached, CREATE)]
)
def test_every_kind_of_refusal_is_audited_by_its_name(alice, alices_key, settings, refusal, action):
    settings.APIKEYS_PER_IDENTITY = 1
    caller, key_id = caller_for(alice), alices_key.key.id
    acts = {
        UPDATE: lambda: keys.update_api_key(caller, key_id, ApiKeyChanges(name="n", description=""), entity_tag="1-0"),
        DELETE: lambda: deletion.delete_api_key(caller, UNKNOWN_ID),
        CREATE: lambda: creation.create_api_key(caller, ApiKeyDraft("n", ""), delivery_for(alice)),
    }

    with pytest.raises(refusal):
        acts[action]()

    event = events()[-1]
    assert (event.action, event.outcome, event.reason) == (action, "failure", refusal.__name__)


def test_a_form_sent_again_after_the_receipt_is_audited_as_refused(alice):
    nonce = new_nonce()
    creation.create_api_key(caller_for(alice), ApiKeyDraft("terraform", ""), delivery_for(alice, nonce))
    creation.confirm_receipt(caller_for(alice), nonce)

    with pytest.raises(AlreadyReceived):
        creation.create_api_key(caller_for(alice), ApiKeyDraft("terraform", ""), delivery_for(alice, nonce))

    assert [(event.outcome, event.reason) for event in events()] == [("success", ""), ("failure", "AlreadyReceived")]


def test_bobs_attempt_on_alices_key_is_bobs_event_and_does_not_name_her_key(bob, alices_key):
    with pytest.raises(ApiKeyNotFound):
        deletion.delete_api_key(caller_for(bob), alices_key.key.id)

    event = events()[-1]
    assert (event.initiator_id, event.outcome, event.reason) == (bob.iam_id, "failure", "ApiKeyNotFound")
    assert (event.target_id, event.target_name) == (api_key_crn(bob.account_id, alices_key.key.id), "")


# What an edit may change


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (ApiKeyChanges, "locked"),
        (ApiKeyChanges, "iam_id"),
        (ApiKeyChanges, "nmae"),
        (ServiceIdChanges, "locked"),
        (ServiceIdChanges, "expires_at"),
    ],
)
def test_what_nobody_may_change_by_an_edit_cannot_even_be_said(kind, field):
    with pytest.raises(TypeError, match=field):
        kind(**{field: True})


def test_no_expiration_is_a_change_and_an_unset_one_is_none():
    assert ApiKeyChanges(name="tofu").given() == {"name": "tofu"}
    assert ApiKeyChanges(expires_at=None, support_sessions=False).given() == {
        "expires_at": None,
        "support_sessions": False,
    }


# People who are gone


def test_deleting_alice_deletes_her_keys_and_audits_each(alice, bob, create_key):
    hers = [create_key(alice, name).key for name in ("one", "two")]
    ApiKeyRecord.objects.filter(id=hers[0].id).update(locked=True)
    his = create_key(bob, "bob's").key
    iam_id = alice.iam_id

    alice.delete()

    assert [record.id for record in ApiKeyRecord.objects.all()] == [his.id]
    deletions = [event for event in events() if event.action == DELETE]
    assert {event.target_id for event in deletions} == {key.crn for key in hers}
    assert {(event.initiator_id, event.outcome) for event in deletions} == {(iam_id, "success")}
    assert {event.request_data["cause"] for event in deletions} == {"identity deleted"}


# Overview


def test_the_overview_counts_and_shows_the_newest_three(alice, bob, create_key):
    made = [create_key(alice, f"key {index}").key for index in range(5)]
    create_key(bob, "bob's")

    overview = keys.overview(caller_for(alice))

    assert overview.count == 5
    assert overview.newest == tuple(reversed(made[-3:]))


def test_the_overview_tells_the_last_five_things_alice_did_refusals_included(alice, bob, create_key):
    made = [create_key(alice, f"key {index}").key for index in range(4)]
    create_key(bob, "bob's")
    deletion.delete_api_key(caller_for(alice), made[0].id)
    with pytest.raises(ApiKeyNotFound):
        deletion.delete_api_key(caller_for(alice), made[0].id)

    activity = keys.overview(caller_for(alice)).activity

    assert [(done.action, done.key_name, done.outcome) for done in activity] == [
        (DELETE, "", "failure"),
        (DELETE, "key 0", "success"),
        (CREATE, "key 3", "success"),
        (CREATE, "key 2", "success"),
        (CREATE, "key 1", "success"),
    ]
    assert {done.address for done in activity} == {"192.0.2.7"}
