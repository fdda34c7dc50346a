"""The chain over audit events shows what was changed, removed or inserted, and survives what belongs to its life."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.utils import timezone

from apikeys import audit
from apikeys.audit import chain
from apikeys.domain import Caller
from apikeys.models import AuditChain, AuditEvent
from apikeys.services import deletion
from apikeys.values import Peppers
from tests.conftest import caller_for


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


def test_many_events_are_sealed_in_one_sweep_and_a_quiet_one_only_reads(alice, django_assert_num_queries):
    caller = caller_for(alice)
    AuditEvent.objects.bulk_create(
        event
        for number in range(500)
        for event in [audit.recording.event_of(caller, audit.UPDATE, target_name=f"{number}")]
    )
    chain.seal_events()

    assert not AuditEvent.objects.filter(place=None).exists()
    with django_assert_num_queries(3):
        chain.seal_events()


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
