"""A key that expired and was left alone goes after 90 days, not a moment sooner, and leaves a note in the audit."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import Error, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys import audit
from apikeys.domain import ApiKeyChanges
from apikeys.exceptions import ApiKeyNotFound
from apikeys.models import ApiKeyRecord, AuditEvent, Handover, HistoryRecord
from apikeys.services import keys, retention
from tests.conftest import caller_for
from tests.stores import index_for
from tests.threads import at_once
from tests.waiting import until

pytestmark = pytest.mark.django_db

MOMENT = timedelta(microseconds=1)


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the test moves; it begins at the real time."""

    class Clock:
        time = timezone.now()

        def now(self) -> datetime:
            return self.time

        def advance(self, span: timedelta) -> None:
            self.time += span

    clock = Clock()
    monkeypatch.setattr(retention, "timezone", clock)
    return clock


@pytest.fixture
def expiring(alice, create_key, clock):
    """A key of Alice's that expires in a day, last changed now."""
    issued = create_key(alice, "nightly job", expires_at=clock.now() + timedelta(days=1))
    ApiKeyRecord.objects.filter(id=issued.key.id).update(modified_at=clock.now())
    return issued.key


def kept() -> set[str]:
    return set(ApiKeyRecord.objects.values_list("name", flat=True))


def removals() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(initiator_id=retention.REMOVER.iam_id))


# When


def test_a_key_goes_90_days_after_its_expiry(expiring, clock):
    clock.advance(timedelta(days=91) - MOMENT)
    assert (retention.remove_expired(), kept()) == (0, {"nightly job"})

    clock.advance(MOMENT)

    assert (retention.remove_expired(), kept()) == (1, set())


def test_a_key_that_was_changed_after_its_expiry_goes_90_days_after_the_change(expiring, clock):
    changed_at = clock.now() + timedelta(days=30)
    ApiKeyRecord.objects.filter(id=expiring.id).update(modified_at=changed_at)

    clock.advance(timedelta(days=120) - MOMENT)
    assert retention.remove_expired() == 0

    clock.advance(MOMENT)
    assert retention.remove_expired() == 1


def test_an_old_date_that_was_set_today_leaves_the_key_90_days_from_today(alice, alices_key, clock):
    keys.update_api_key(
        caller_for(alice),
        alices_key.key.id,
        ApiKeyChanges(expires_at=datetime(2020, 1, 31, tzinfo=UTC)),
        entity_tag="*",
    )

    assert retention.remove_expired() == 0
    clock.advance(timedelta(days=91))
    assert retention.remove_expired() == 1


def test_keys_without_a_date_or_with_a_later_one_stay(alice, create_key, expiring, clock):
    create_key(alice, "no date")
    create_key(alice, "later", expires_at=clock.now() + timedelta(days=11))
    ApiKeyRecord.objects.update(modified_at=clock.now())
    clock.advance(timedelta(days=100))

    assert (retention.remove_expired(), kept()) == (1, {"no date", "later"})


def test_a_disabled_and_a_leaked_key_go_like_any_other(alice, create_key, expiring, clock):
    create_key(alice, "disabled", expires_at=clock.now() + timedelta(days=1), disabled=True)
    leaked = create_key(alice, "leaked", expires_at=clock.now() + timedelta(days=1)).key
    ApiKeyRecord.objects.filter(id=leaked.id).update(leaked=True)
    clock.advance(timedelta(days=92))

    assert (retention.remove_expired(), kept()) == (3, set())


def test_a_locked_key_stays_until_90_days_after_it_was_unlocked(alice, expiring, clock):
    ApiKeyRecord.objects.filter(id=expiring.id).update(locked=True)
    clock.advance(timedelta(days=400))
    assert (retention.remove_expired(), kept()) == (0, {"nightly job"})

    keys.lock_api_key(caller_for(alice), expiring.id, locked=False)
    ApiKeyRecord.objects.filter(id=expiring.id).update(modified_at=clock.now())
    assert retention.remove_expired() == 0

    clock.advance(timedelta(days=90))
    assert retention.remove_expired() == 1


# What goes, and what stays


def test_with_the_key_go_its_history_and_what_was_sealed_for_its_delivery(alice, alices_key, expiring, clock):
    clock.advance(timedelta(days=91))

    retention.remove_expired()

    assert set(HistoryRecord.objects.values_list("object_id", flat=True)) == {alices_key.key.id}
    sealed = {row.key_id: row.sealed is not None for row in Handover.objects.all()}
    assert sealed == {expiring.id: False, alices_key.key.id: True}
    with pytest.raises(ApiKeyNotFound):
        keys.get_api_key(caller_for(alice), expiring.id)


def test_each_removal_is_in_the_audit_as_nobodys(alice, expiring, clock):
    clock.advance(timedelta(days=91))

    retention.remove_expired()

    [event] = removals()
    assert (event.action, event.outcome, event.severity) == (audit.DELETE, "success", "critical")
    assert (event.target_id, event.target_name) == (expiring.crn, "nightly job")
    assert (event.initiator_name, event.request_data) == ("Removal of expired keys", {"cause": "expired"})


def test_a_removal_that_cannot_be_audited_does_not_happen(expiring, clock, monkeypatch):
    def broken(*_arguments, **_data):
        raise Error("no room for events")

    clock.advance(timedelta(days=91))
    monkeypatch.setattr(audit, "record", broken)

    with pytest.raises(Error):
        retention.remove_expired()

    assert kept() == {"nightly job"}
    assert HistoryRecord.objects.filter(object_id=expiring.id).exists()


# At what price


def test_a_sweep_that_finds_nothing_asks_an_index_once_and_writes_nothing(alice, create_key, expiring, clock):
    for index in range(50):
        create_key(alice, f"key {index}", expires_at=clock.now() + timedelta(days=1), locked=index % 2 == 0)
    clock.advance(timedelta(days=2))

    with CaptureQueriesContext(connection) as asked:
        assert retention.remove_expired() == 0

    assert len(asked) == 1
    index, compared = index_for(asked[0]["sql"])
    assert (index, compared["expires_at"]) == ("keys_to_expire", "<")


def test_many_go_in_turns_the_longest_expired_first(alice, create_key, clock, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 3)
    for days in (5, 1, 4, 2, 3):
        create_key(alice, f"after {days} days", expires_at=clock.now() + timedelta(days=days))
    clock.advance(timedelta(days=200))

    assert (retention.remove_expired(), kept()) == (3, {"after 4 days", "after 5 days"})
    assert (retention.remove_expired(), kept()) == (2, set())
    assert retention.remove_expired() == 0


@pytest.mark.django_db(transaction=True)
def test_several_processes_at_once_remove_each_key_once(alice, create_key, clock):
    for index in range(10):
        create_key(alice, f"key {index}", expires_at=clock.now() + timedelta(days=1))
    clock.advance(timedelta(days=92))

    counts = at_once(6, retention.remove_expired)

    assert sum(counts) == 10
    assert len({event.target_id for event in removals()}) == len(removals()) == 10


# With a real server


def test_a_running_server_removes_such_keys_by_itself(site, alices):
    old, locked, young = (
        alices.create_key(name, expires_at="2090-01-31T18:00+0000")["id"] for name in ("old", "locked", "young")
    )
    site.server.run_python(
        f"""
from datetime import timedelta
from django.utils import timezone
from apikeys.models import ApiKeyRecord
for key_id, days, locked in (({old!r}, 91, False), ({locked!r}, 91, True), ({young!r}, 89, False)):
    then = timezone.now() - timedelta(days=days)
    ApiKeyRecord.objects.filter(id=key_id).update(expires_at=then, modified_at=then, locked=locked)
"""
    )

    until(lambda: alices.get(f"/v1/apikeys/{old}").status_code == 404)

    assert {key["id"] for key in alices.listed()} == {locked, young}
    assert alices.get(f"/v1/apikeys/{old}").status_code == 404
