"""The chain over audit events shows what was changed, removed or inserted, and survives what belongs to its life."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.utils import timezone

from apikeys import audit, values
from apikeys.audit import chain, recording
from apikeys.backends.embedded import EmbeddedBackend
from apikeys.domain import Caller, api_key_crn
from apikeys.exceptions import ApiKeyNotFound
from apikeys.identity.users import identity_of
from apikeys.models import AuditChain, AuditEvent
from apikeys.sealing import cipher, unseal
from apikeys.services import deletion
from apikeys.values import Peppers
from tests.conftest import NOON, caller_for

MOMENT, HOUR, DAY = timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def fresh_chain(db):
    """A chain of its own: another test may have left its key in the process."""
    AuditChain.objects.all().delete()
    chain.begin()
    yield
    chain._key.cache_clear()


@pytest.fixture
def events(alice) -> list[AuditEvent]:
    """Nine sealed events."""
    for number in range(9):
        audit.record(caller_for(alice), audit.UPDATE, target_name=f"key {number}", lock=True, keys=1e2, part=0.5)
    chain.seal_events()
    return list(AuditEvent.objects.order_by("place"))


def faults() -> list[str]:
    return [fault.partition(":")[0] for fault in chain.verify().faults]


def grow(event: AuditEvent, **fields: object) -> None:
    AuditEvent.objects.filter(pk=event.pk).update(**fields)


def test_events_get_their_places_in_the_order_of_their_times(events):
    assert [event.place for event in events] == list(range(1, 10))
    assert [event.target_name for event in events] == [f"key {number}" for number in range(9)]
    assert [event.previous for event in events[1:]] == [event.digest for event in events[:-1]]
    report = chain.verify()
    assert (report.sealed, report.waiting, report.faults) == (9, 0, [])


def test_codes_are_what_an_earlier_release_wrote():
    key = b"k" * 32
    event = AuditEvent(
        id=UUID(int=1),
        event_time=datetime(2026, 3, 1, 13, 0, 0, 5, tzinfo=timezone.get_fixed_timezone(60)),
        action="iam-identity.account-apikey.update",
        outcome="success",
        severity="normal",
        initiator_id="IBMid-ALICE",
        initiator_name="Älice",
        address="192.0.2.7",
        agent="curl/8",
        correlation_id="0" * 32,
        target_id="crn",
        target_name="terraform",
        request_data={"keys": 1e2, "part": 0.5, "lock": True, "names": ["b", "a", 7.0]},
    )
    event.code = chain._code(key, chain.canonical(event))
    head = AuditChain(
        begun_at=datetime(2026, 3, 1, 11, tzinfo=UTC),
        place=7,
        digest="cd" * 32,
        first_place=2,
        first_digest="ef" * 32,
    )

    assert chain.canonical(event) == (
        '{"action":"iam-identity.account-apikey.update","address":"192.0.2.7","agent":"curl/8","concerns":null,'
        '"correlation_id":"00000000000000000000000000000000","event_time":"2026-03-01T12:00:00.000005+00:00",'
        '"id":"00000000000000000000000000000001","initiator_id":"IBMid-ALICE","initiator_name":"\\u00c4lice",'
        '"outcome":"success","reason":"","request_data":{"keys":100,"lock":true,"names":["b","a",7],"part":0.5},'
        '"severity":"normal","target_id":"crn","target_name":"terraform"}'
    )
    assert event.code == "4f4aa43874bd6bf778b879e835c8ee37929594a17c60f8496c61bab9f2f558d0"
    link = chain._link(key, event, 7, "ab" * 32)
    assert link == "1cc16d0b1b1793fae444dfcbfd7e6f4c9b5ca626e67cc297b014fcdfda8109a6"
    code_of_head = chain._code_of_head(key, head)
    assert code_of_head == "747068514527c802ade59a6745200e89ae8b7d825f080296f51786e1147d635b"


def test_the_key_of_the_chain_is_32_random_bytes_under_the_newest_pepper(settings):
    head = AuditChain.objects.get()
    pepper = settings.APIKEYS_PEPPERS.by_number[head.pepper]

    key = unseal(cipher(pepper.hex(), "audit chain"), bytes(head.sealed_key), "chain")

    assert (head.pepper, len(key), chain._key()) == (settings.APIKEYS_PEPPERS.newest, 32, key)
    assert head.id == 1, "of two processes that begin it at once, one does"
    chain.begin()
    assert AuditChain.objects.get() == head
    AuditChain.objects.all().delete()
    chain.begin()
    assert chain._key() != key


@pytest.mark.parametrize(("later", "is_adopted"), [(DAY - MOMENT, True), (DAY, False)])
def test_an_event_without_a_code_is_adopted_for_a_day_to_the_moment(at, later, is_adopted):
    AuditChain.objects.all().delete()
    chain.begin()
    at(NOON + later)
    AuditEvent.objects.create(action="a", outcome="success", severity="normal", initiator_id="IBMid-1")

    report = chain.verify()
    assert (report.waiting, len(report.faults)) == ((1, 0) if is_adopted else (0, 1))
    chain.seal_events()

    assert AuditEvent.objects.get().place == (1 if is_adopted else None)


def test_old_events_go_an_hours_together_and_their_removal_is_told_once_an_hour(at, alice, settings):
    settings.AUDIT_DAYS = 30
    AuditChain.objects.all().delete()
    chain.begin()
    for minutes in (0, 1, 60, 61):
        when = NOON + timedelta(minutes=minutes)
        audit.record(caller_for(alice), audit.UPDATE, target_name=f"at {minutes}", when=when)
    chain.seal_events()

    at(NOON + 30 * DAY + HOUR - MOMENT)
    assert chain.remove_old() == 0
    at(NOON + 30 * DAY + HOUR)
    assert chain.remove_old() == 3

    kept = [event.target_name for event in AuditEvent.objects.exclude(action=audit.AUDIT_DELETE)]
    assert kept == ["at 61"]
    [told] = AuditEvent.objects.filter(action=audit.AUDIT_DELETE)
    assert (told.request_data, told.initiator_id) == ({"until": (NOON + HOUR).isoformat(), "days": 30}, "")
    assert AuditChain.objects.get().removed_at == NOON + 30 * DAY + HOUR
    assert chain.verify().faults == []
    head = AuditChain.objects.get()
    assert chain.verify((1, "as it was")).faults == []  # nobody can tell
    assert chain.verify((3, head.first_digest)).faults == []
    for other in ((3, "another"), (99, "as it was")):
        assert chain.verify(other).faults == [
            f"Place {other[0]} is not what it was: the chain was cut, and made anew from there."
        ]
    settings.AUDIT_DAYS = 0
    at(NOON + 99 * DAY)
    assert chain.remove_old() == 0


def test_the_chain_is_verified_page_by_page(events, monkeypatch):
    monkeypatch.setattr(chain, "PAGE", 2)

    report = chain.verify()

    assert (report.sealed, report.faults, report.place, report.digest) == (9, [], 9, events[8].digest)


def test_what_is_sealed_while_the_chain_is_verified_is_no_fault(events, alice, monkeypatch):
    verify_places = chain._verify_places

    def verify_and_seal_another(*arguments) -> None:
        verify_places(*arguments)
        audit.record(caller_for(alice), audit.UPDATE, target_name="meanwhile")
        chain.seal_events()

    monkeypatch.setattr(chain, "_verify_places", verify_and_seal_another)

    assert chain.verify().faults == []


def test_another_end_than_the_heads_is_told(events):
    AuditChain.objects.update(digest="0" * 64)

    assert chain.verify().faults == [
        "The head of the chain was changed.",
        "The end of the chain is not the one that its head names.",
    ]
    AuditChain.objects.all().delete()
    assert chain.verify().faults == ["The head of the chain is gone: nothing can be verified."]


def test_no_more_than_a_hundred_faults_are_told_one_by_one():
    report = chain.Report()
    for number in range(103):
        report.add(f"fault {number}")

    assert (report.faults, report.more_faults) == ([f"fault {number}" for number in range(100)], 3)


def test_each_fault_says_where_and_of_which_event(events):
    removed, changed, after = events[2], events[5], events[8]
    removed.delete()
    grow(changed, target_name="another")
    when = f"{changed.event_time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

    told = chain.verify().faults
    assert told == ["Removed: place 3", f"Changed at place 6: event {changed.id}, {changed.action}, {when}"]
    AuditEvent.objects.filter(place__gte=8).delete()
    assert chain.verify().faults[-1] == "Removed: places 8 to 9"
    assert after.place == 9


# What an event has


def test_an_event_has_all_that_is_told_and_nothing_that_could_be_a_value(alice):
    value = values.generate("apk_")
    caller = Caller(
        identity_of(alice),
        address="192.0.2.7",
        agent="curl/8.5.0 " * 40,
        correlation_id="1" * 32,
        client_correlation_id=f"my {value}",
    )

    audit.record(
        caller, audit.UPDATE, target_id=value, target_name=f"a\0b {value}", reason="Refused", told=value, keys=3
    )

    event = AuditEvent.objects.get()
    assert (event.action, event.outcome, event.reason) == (audit.UPDATE, "failure", "Refused")
    assert (event.initiator_id, event.initiator_name) == (alice.iam_id, "Alice Liddell")
    assert (event.address, event.agent, event.correlation_id) == ("192.0.2.7", ("curl/8.5.0 " * 40)[:255], "1" * 32)
    assert (event.target_id, event.target_name) == ("(not an id)", "a\ufffdb [masked]")
    assert event.request_data == {"told": "[masked]", "keys": 3, "client_correlation_id": "[masked]"}
    assert event.concerns is None
    assert event.code == chain.code_of(event)


def test_names_in_the_data_stay_as_people_see_them_and_other_long_words_do_not(alice):
    word = "a-long-word-of-no-secret-that-people-wrote"

    audit.record(caller_for(alice), audit.UPDATE, instance_name=word, prev_instance_name=word, other=word)

    data = AuditEvent.objects.get().request_data
    assert data == {"instance_name": word, "prev_instance_name": word, "other": "[masked]"}


def test_an_event_is_a_success_or_a_failure_or_what_is_said(alice):
    for more in ({}, {"reason": "R"}, {"outcome": "pending"}, {"reason": "R", "outcome": "unknown"}):
        audit.record(caller_for(alice), audit.UPDATE, target_name=str(more), **more)

    outcomes = dict(AuditEvent.objects.values_list("target_name", "outcome"))
    assert list(outcomes.values()).count("success") == 1
    assert outcomes[str({"reason": "R"})] == "failure"
    assert {outcomes[name] for name in outcomes} == {"success", "failure", "pending", "unknown"}


def test_an_event_names_a_key_a_service_id_a_person_or_nothing(alice, bob):
    caller = caller_for(alice)
    key_id, service_id = f"ApiKey-{UUID(int=1)}", f"ServiceId-{UUID(int=2)}"
    for target_id in (key_id, service_id, bob.iam_id, "", "x"):
        audit.record(caller, audit.UPDATE, target_id=target_id, target_name=target_id)

    stored = dict(AuditEvent.objects.values_list("target_name", "target_id"))
    assert stored == {
        key_id: api_key_crn(alice.account_id, key_id),
        service_id: service_id,
        bob.iam_id: bob.iam_id,
        "": "",
        "x": "(not an id)",
    }
    assert dict(AuditEvent.objects.values_list("target_name", "concerns"))[bob.iam_id] == bob.iam_id


def test_an_event_about_a_person_has_their_ids_and_why_it_was_refused(alice, dora, bob):
    audit.record_person(caller_for(dora), audit.PERSON_UPDATE, bob.iam_id, bob.username, reason="Refused", field="name")

    event = AuditEvent.objects.get()
    assert (event.initiator_id, event.target_id, event.target_name) == (dora.iam_id, bob.iam_id, bob.username)
    assert (event.reason, event.outcome, event.request_data) == ("Refused", "failure", {"field": "name"})
    audit.record_person(caller_for(dora), audit.PERSON_UPDATE, bob.iam_id, bob.username)
    assert AuditEvent.objects.exclude(id=event.id).values_list("reason", "outcome").get() == ("", "success")


def test_a_refused_change_has_what_was_told_of_it(alice):
    with pytest.raises(ApiKeyNotFound), audit.change(caller_for(alice), audit.UPDATE, lock=True):
        raise ApiKeyNotFound

    event = AuditEvent.objects.get()
    assert (event.outcome, event.reason, event.request_data) == ("failure", "ApiKeyNotFound", {"lock": True})


def test_upstream_what_is_about_to_be_asked_is_told_first(alice, monkeypatch):
    monkeypatch.setattr(recording, "store_traits", lambda: replace(EmbeddedBackend.traits, is_upstream=True))

    with audit.change(caller_for(alice), audit.UPDATE, target_name="terraform") as step:
        assert AuditEvent.objects.values_list("target_name", "outcome").get() == ("terraform", "pending")
        step.record(None, target_name="terraform")

    assert sorted(AuditEvent.objects.values_list("outcome", flat=True)) == ["pending", "success"]


def test_what_somebody_did_lately_is_without_log_ins_and_without_what_is_about_to_be_asked(alice, bob):
    caller = caller_for(alice)
    for minute, action in enumerate((audit.CREATE, audit.LOG_IN, audit.UPDATE, audit.DELETE)):
        audit.record(caller, action, target_name=action, when=NOON + timedelta(minutes=minute))
    audit.record(caller, audit.UPDATE, target_name="asked", outcome=audit.PENDING)
    audit.record(caller_for(bob), audit.UPDATE, target_name="Bob's")

    assert [row.target_name for row in audit.recent(alice.iam_id, 2)] == [audit.DELETE, audit.UPDATE]
    [*_, first] = audit.recent(alice.iam_id, 9)
    assert (first.target_name, first.outcome, first.event_time, first.address) == (
        audit.CREATE, "success", NOON, "192.0.2.7",
    )  # fmt: skip
    assert len(audit.recent(alice.iam_id, 9)) == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"action": audit.DELETE},
        {"outcome": "failure"},
        {"event_time": timezone.now() - timedelta(days=1)},
        {"initiator_id": "IBMid-AAAAAAAAAA"},
        {"address": "198.51.100.1"},
        {"target_name": "another"},
        {"request_data": {"lock": False}},
        {"concerns": "IBMid-AAAAAAAAAA"},
        {"code": None},
        {"digest": "0" * 64},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_changed_event_is_told(events, changed):
    grow(events[4], **changed)

    assert any(fault.startswith("Changed at place 5") for fault in faults())


def test_a_removed_event_is_told(events):
    for event in (events[2], events[3], events[8]):
        event.delete()

    assert chain.verify().faults == ["Removed: places 3 to 4", "Removed: place 9"]


def test_an_inserted_event_is_told_wherever_it_is_put(events):
    forged = {"action": audit.CREATE, "outcome": "success", "severity": "critical", "initiator_id": "IBMid-AAAAAAAAAA"}
    AuditChain.objects.update(begun_at=timezone.now() - timedelta(days=2))  # the release before is gone
    AuditEvent.objects.create(**forged)
    AuditEvent.objects.create(**forged, code="0" * 64)
    AuditEvent.objects.create(**forged, place=11, digest="0" * 64)

    found = faults()

    assert found.count("Inserted, or changed before it was sealed") == 2
    assert "Inserted behind the end of the chain" in found
    chain.seal_events()
    assert any(fault.startswith("Changed or inserted before it was sealed, at place 10") for fault in faults())


def test_two_events_that_changed_places_are_told(events):
    AuditEvent.objects.filter(pk=events[3].pk).update(place=100)
    AuditEvent.objects.filter(pk=events[4].pk).update(place=4)
    AuditEvent.objects.filter(pk=events[3].pk).update(place=5)

    assert {"Changed at place 4", "Changed at place 5"} <= {*faults()}


def test_a_head_that_was_set_back_is_told(events):
    events[8].delete()
    AuditChain.objects.update(place=8, digest=events[7].digest)

    assert "The head of the chain was changed." in chain.verify().faults


def test_an_old_head_that_was_put_back_is_told_by_who_kept_the_later_end(alice, events):
    old = AuditChain.objects.get()
    audit.record(caller_for(alice), audit.UPDATE, target_name="one more")
    chain.seal_events()
    late = chain.verify()
    AuditEvent.objects.get(place=10).delete()
    old.save()

    assert not chain.verify().faults
    assert chain.verify((late.place, late.digest)).faults
    assert not chain.verify((9, events[8].digest)).faults


def test_an_event_without_a_code_by_the_release_before_is_adopted_for_a_day(events):
    AuditEvent.objects.create(action="a", outcome="success", severity="normal", initiator_id="IBMid-1")
    assert chain.verify().waiting == 1

    chain.seal_events()

    report = chain.verify()
    assert (report.sealed, report.uncoded, report.faults) == (10, 1, [])


def test_only_one_process_seals_at_a_time_and_what_is_rolled_back_leaves_no_gap(alice, events):
    audit.record(caller_for(alice), audit.UPDATE, target_name="one more")
    chain.seal_events()
    chain.seal_events()

    assert AuditEvent.objects.get(target_name="one more").place == 10
    assert not faults()


def test_many_events_are_sealed_in_one_sweep_and_a_quiet_one_only_reads(alice, django_assert_num_queries, monkeypatch):
    monkeypatch.setattr(chain, "SECONDS_OF_SWEEP", 60)  # on a machine that is busy, too
    caller = caller_for(alice)
    AuditEvent.objects.bulk_create(
        event
        for number in range(500)
        for event in [audit.recording.event_of(caller, audit.UPDATE, target_name=f"{number}")]
    )
    chain.seal_events()

    assert not AuditEvent.objects.filter(place=None).exists()
    with django_assert_num_queries(3) as asked:
        chain.seal_events()
    assert [query["sql"].partition(" ")[0] for query in asked] == ["SELECT"] * 3


def test_an_event_costs_one_statement(alice, django_assert_num_queries):
    with django_assert_num_queries(1):
        audit.record(caller_for(alice), audit.UPDATE, target_name="key")


def test_the_key_moves_to_a_new_pepper_and_the_old_one_can_go(events, settings):
    old = settings.APIKEYS_PEPPERS
    settings.APIKEYS_PEPPERS = Peppers(old.by_number | {2: b"2" * 32})
    chain.seal_events()
    settings.APIKEYS_PEPPERS = Peppers({2: b"2" * 32})
    chain._key.cache_clear()

    assert not faults()


def test_another_pepper_opens_nothing(events, settings):
    settings.APIKEYS_PEPPERS = Peppers({1: b"another pepper of 32 bytes......"})

    assert chain.verify().faults == ["The key of the chain can't be opened: pepper 1 is missing or another one."]


def test_old_events_go_and_the_chain_goes_on_behind_them(alice, events, settings):
    settings.AUDIT_DAYS = 30
    assert chain.remove_old() == 0
    days = timedelta(days=31)
    for event in events[:6]:
        event.event_time -= days
        AuditEvent.objects.filter(pk=event.pk).update(place=None, event_time=event.event_time)
    AuditEvent.objects.all().delete()
    AuditChain.objects.all().delete()
    chain.begin()
    for number in range(9):
        when = timezone.now() - (days if number < 6 else timedelta())
        audit.record(caller_for(alice), audit.UPDATE, target_name=f"key {number}", when=when)
    chain.seal_events()

    assert (chain.remove_old(), chain.remove_old()) == (6, 0)
    chain.seal_events()

    report = chain.verify()
    assert (report.sealed, report.removed, report.faults) == (4, 6, [])
    assert AuditEvent.objects.filter(action=audit.AUDIT_DELETE).count() == 1
    AuditChain.objects.update(first_place=F("first_place") + 1)
    AuditEvent.objects.order_by("place").first().delete()
    assert chain.verify().faults


def test_the_command_tells_and_exits_with_1(events, capsys):
    call_command("verify_audit")
    assert "9 events are in the chain" in capsys.readouterr().out
    events[1].delete()

    with pytest.raises(SystemExit) as ended:
        call_command("verify_audit")

    assert ended.value.code == 1
    assert "Removed: place 2" in capsys.readouterr().err


def test_no_database_has_the_key_in_clear(events):
    head = AuditChain.objects.get()

    assert chain._key() not in bytes(head.sealed_key)
    assert connection.vendor in ("sqlite", "postgresql")


def test_a_key_is_deleted_with_its_event_coded(alice, alices_key):
    deletion.delete_api_key(caller_for(alice), alices_key.key.id)

    event = AuditEvent.objects.get(action=audit.DELETE)
    assert event.code == chain.code_of(event)
    assert event.concerns is None


def test_what_dora_does_with_alices_key_concerns_alice(alice, dora, alices_key):
    deletion.delete_api_key(caller_for(dora), alices_key.key.id)

    assert AuditEvent.objects.get(action=audit.DELETE).concerns == alice.iam_id


def test_nobody_without_a_chain_is_kept_from_writing(db):
    AuditChain.objects.all().delete()
    chain._key.cache_clear()

    audit.record(Caller(audit.NOBODY), audit.CSRF, reason="ForgedForm")

    assert AuditEvent.objects.get().code is None
    assert chain.verify().faults == ["The head of the chain is gone: nothing can be verified."]
