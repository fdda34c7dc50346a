"""A deleted key is refused at once, can be restored for some hours by whoever deleted it, and then is gone for good."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apikeys import exceptions
from apikeys.backends import value_store_for
from apikeys.domain import ApiKeyDraft, LeakedAction, Overlap, Reason, ServiceIdDraft, Status
from apikeys.models import (
    ApiKeyRecord,
    AuditEvent,
    DeletedKeyRecord,
    HistoryRecord,
    PreviousValue,
    RefusalRecord,
    ServiceIdRecord,
    UsageRecord,
)
from apikeys.services import creation, deletion, keys, leaks, rotation, service_ids
from apikeys.services.leaks import Report
from apikeys.usage import counting
from tests.conftest import NOON, caller_for
from tests.rows import columns_of
from tests.uses import works

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_counted")]


def delete(person, issued):
    return deletion.delete_api_key(caller_for(person), issued.key.id)


def restore(person, issued):
    return deletion.restore_api_key(caller_for(person), issued.key.id)


def let_pass(**time: int) -> None:
    for row in DeletedKeyRecord.objects.all():
        row.gone_at -= timedelta(**time)
        row.save()


# Delete, and the way back


def test_a_restored_key_is_what_it_was(alice, create_key):
    issued = create_key(alice, "deploy", "Applies changes", expires_at=timezone.now() + timedelta(days=9))
    assert works(issued.value)
    counting.flush(everything=True)
    before = columns_of(issued)

    delete(alice, issued)
    assert not works(issued.value)
    assert not ApiKeyRecord.objects.exists()
    restored = restore(alice, issued)

    after = columns_of(issued)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"entity_tag", "revision", "modified_at"}
    assert works(issued.value)
    assert restored.is_new
    assert not DeletedKeyRecord.objects.exists()


def test_history_and_audit_tell_both(alice, alices_key):
    delete(alice, alices_key)
    restore(alice, alices_key)

    _key, history = keys.get_details(caller_for(alice), alices_key.key.id)
    events = AuditEvent.objects.order_by("event_time").values_list("action", flat=True)
    assert [entry.action for entry in history] == ["create", "delete", "restore"]
    assert [event.rpartition(".")[2] for event in events] == ["create", "delete", "restore"]


def test_a_key_comes_back_with_its_previous_value(alice, alices_key):
    value = rotation.rotate_api_key(caller_for(alice), alices_key.key.id, Overlap(timedelta(days=1))).value
    delete(alice, alices_key)
    assert not works(alices_key.value)
    assert not works(value)

    restore(alice, alices_key)

    assert works(alices_key.value)
    assert works(value)


def test_after_the_time_it_is_gone_for_good(alice, alices_key):
    works(alices_key.value)
    rotation.rotate_api_key(caller_for(alice), alices_key.key.id, Overlap(timedelta(days=1)))
    delete(alice, alices_key)
    works(alices_key.value)
    counting.flush(everything=True)
    let_pass(hours=23, minutes=59)
    assert deletion.purge() == 0

    let_pass(minutes=2)
    with pytest.raises(exceptions.ApiKeyNotFound):
        restore(alice, alices_key)
    assert deletion.purge() == 1

    for model in (DeletedKeyRecord, PreviousValue, HistoryRecord, RefusalRecord):
        assert not model.objects.exists()
    assert not UsageRecord.objects.filter(subject=alices_key.key.id).exists()


def test_without_hours_a_deletion_is_for_good(alice, alices_key, settings):
    settings.APIKEYS_RESTORE_HOURS = 0

    delete(alice, alices_key)

    assert not DeletedKeyRecord.objects.exists()
    assert not HistoryRecord.objects.exists()
    with pytest.raises(exceptions.ApiKeyNotFound):
        restore(alice, alices_key)


def test_only_who_deleted_a_key_restores_it(alice, bob, dora, create_key):
    own, others = create_key(alice, "own"), create_key(alice, "others")
    delete(alice, own)
    delete(dora, others)

    for person, issued in ((bob, own), (dora, own), (alice, others), (bob, others)):
        with pytest.raises(exceptions.ApiKeyNotFound):
            restore(person, issued)
    assert [deleted.key.name for deleted in deletion.deleted_keys(caller_for(alice))] == ["others", "own"]
    assert [deleted.key.name for deleted in deletion.deleted_keys(caller_for(dora))] == ["others"]
    assert deletion.deleted_keys(caller_for(bob)) == []
    assert value_store_for(caller_for(dora)).get_deleted_api_key(own.key.id).key.name == "own"
    assert restore(dora, others).key.iam_id == alice.iam_id


def test_a_key_that_leaked_is_not_restored(alice, create_key):
    before, after = create_key(alice, "before"), create_key(alice, "after")
    ApiKeyRecord.objects.filter(id=before.key.id).update(leaked=True)
    delete(alice, before)
    delete(alice, after)
    assert leaks.act_on(Report(after.value, "", "https://example.com/gist", "content"), caller_for(alice))

    for issued in (before, after):
        with pytest.raises(exceptions.NotRestorable):
            restore(alice, issued)


def test_a_key_whose_value_another_key_has_meanwhile_is_not_restored(alice, create_key):
    first, second = create_key(alice, "first"), create_key(alice, "second")
    delete(alice, first)
    row = DeletedKeyRecord.objects.get()
    ApiKeyRecord.objects.filter(id=second.key.id).update(pepper=row.pepper, digest=row.digest)

    with pytest.raises(exceptions.ValueTaken):
        restore(alice, first)
    assert DeletedKeyRecord.objects.get() == row


def test_a_full_house_has_no_room_for_a_restored_key(alice, create_key, settings):
    first = create_key(alice, "first")
    settings.APIKEYS_PER_IDENTITY = 1
    delete(alice, first)
    second = create_key(alice, "second")

    with pytest.raises(exceptions.ApiKeyLimitReached):
        restore(alice, first)
    delete(alice, second)
    assert restore(alice, first).key.name == "first"


def test_a_name_that_is_taken_again_is_told(alice, create_key):
    first = create_key(alice, "deploy")
    delete(alice, first)
    create_key(alice, "deploy")

    assert restore(alice, first).look_alike == "deploy"


def test_a_deleted_keys_value_is_nobody_elses(alice, bob):
    own_value = "correct-horse-battery-staple-0123456789-Zw"
    issued = creation.create_api_key(caller_for(alice), ApiKeyDraft("mine", value=own_value))
    delete(alice, issued)

    with pytest.raises(exceptions.InvalidApiKey):
        creation.create_api_key(caller_for(bob), ApiKeyDraft("theirs", value=own_value))


def test_keys_of_a_person_who_is_deleted_are_gone_for_good(alice, create_key):
    deleted, there = create_key(alice, "deleted"), create_key(alice, "there")
    delete(alice, deleted)

    alice.delete()

    assert not DeletedKeyRecord.objects.exists()
    assert not HistoryRecord.objects.exists()
    assert not works(there.value)


def test_uses_of_a_service_ids_key_are_counted_once_whether_it_is_deleted_or_back(alice):
    caller = caller_for(alice)
    service, _key = service_ids.create_service_id(caller, ServiceIdDraft("robot"))
    issued = creation.create_api_key(caller, ApiKeyDraft("key", iam_id=service.iam_id))
    works(issued.value)
    counting.flush(everything=True)

    def count() -> int:
        return service_ids.get_usage(caller, service.id).count

    assert count() == 1
    delete(alice, issued)
    assert count() == 1
    restore(alice, issued)
    assert count() == 1


def test_what_still_calls_with_a_deleted_key_is_counted(alice, alices_key):
    delete(alice, alices_key)
    for _time in range(3):
        assert not works(alices_key.value)
    counting.flush(everything=True)

    assert [refusal.reason for refusal in RefusalRecord.objects.all()] == [Reason.DELETED] * 3


# A leak of an earlier value


@pytest.mark.parametrize("action", LeakedAction)
def test_a_leak_of_the_previous_value_ends_that_value_and_no_other(alice, create_key, action):
    issued = create_key(alice, "deploy", action_when_leaked=action)
    value = rotation.rotate_api_key(caller_for(alice), issued.key.id, Overlap(None)).value

    assert leaks.act_on(Report(issued.value, "", "", ""), caller_for(alice))

    assert works(issued.value) is (action is LeakedAction.NONE)
    assert works(value)
    assert PreviousValue.objects.get().leaked
    assert not keys.get_api_key(caller_for(alice), issued.key.id).leaked


# Two at once


@pytest.mark.django_db(transaction=True)
def test_of_twenty_that_delete_and_restore_at_once_each_has_one_clear_outcome(alice, alices_key):
    caller, key_id = caller_for(alice), alices_key.key.id

    def act(number: int) -> str:
        try:
            if number % 2:
                deletion.delete_api_key(caller, key_id)
                return "deleted"
            return "restored" if deletion.restore_api_key(caller, key_id).is_new else "there"
        except exceptions.ApiKeyNotFound:
            return "not found"
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(act, range(20)))

    is_there, is_deleted = ApiKeyRecord.objects.count(), DeletedKeyRecord.objects.count()
    assert is_there + is_deleted == 1
    assert outcomes.count("deleted") - outcomes.count("restored") == is_deleted
    assert works(alices_key.value) is bool(is_there)


@pytest.mark.django_db(transaction=True)
def test_of_twenty_that_restore_at_once_one_does(alice, alices_key):
    caller = caller_for(alice)
    delete(alice, alices_key)

    def act(_number: int) -> bool:
        try:
            return deletion.restore_api_key(caller, alices_key.key.id).is_new
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(act, range(20))) == 1


# A pause


def pause(person, issued, **time: int):
    return deletion.pause_api_key(caller_for(person), issued.key.id, timedelta(**time))


def test_a_paused_key_is_refused_until_the_second_and_works_again_by_itself(alice, alices_key):
    key = pause(alice, alices_key, minutes=1)
    assert key.paused_until is not None
    assert key.status is Status.PAUSED
    assert not works(alices_key.value)

    ApiKeyRecord.objects.update(paused_until=timezone.now() + timedelta(milliseconds=300))
    assert not works(alices_key.value)
    ApiKeyRecord.objects.update(paused_until=timezone.now())
    assert works(alices_key.value)
    assert keys.get_api_key(caller_for(alice), alices_key.key.id).status is Status.ACTIVE


def test_a_pause_can_be_ended_and_its_refusals_tell_why(alice, alices_key):
    pause(alice, alices_key, minutes=30)
    assert not works(alices_key.value)
    counting.flush(everything=True)
    assert RefusalRecord.objects.get().reason == Reason.PAUSED

    deletion.resume_api_key(caller_for(alice), alices_key.key.id)

    assert works(alices_key.value)
    _key, history = keys.get_details(caller_for(alice), alices_key.key.id)
    assert [entry.action for entry in history] == ["create", "pause", "resume"]


@pytest.mark.parametrize("time", [{"minutes": 30, "seconds": 1}, {"seconds": 0}])
def test_a_pause_has_its_limits(alice, alices_key, time):
    with pytest.raises(exceptions.InvalidApiKey):
        pause(alice, alices_key, **time)

    assert works(alices_key.value)


def test_a_locked_key_is_not_paused_and_nobody_pauses_a_strangers(alice, bob, alices_key):
    keys.lock_api_key(caller_for(alice), alices_key.key.id, locked=True)

    with pytest.raises(exceptions.ApiKeyLocked):
        pause(alice, alices_key, minutes=1)
    with pytest.raises(exceptions.ApiKeyNotFound):
        pause(bob, alices_key, minutes=1)


def test_nothing_is_left_of_the_keys_of_an_owner_who_is_gone(alice, create_key):
    caller = caller_for(alice)
    service, _key = service_ids.create_service_id(caller, ServiceIdDraft("robot"))
    issued = [creation.create_api_key(caller, ApiKeyDraft("key", iam_id=service.iam_id)), create_key(alice)]
    for key in issued:
        works(key.value)
        delete(alice, key)
        works(key.value)
    counting.flush(everything=True)

    service_ids.delete_service_id(caller, service.id)
    alice.delete()

    for model in (DeletedKeyRecord, UsageRecord, RefusalRecord, HistoryRecord):
        assert not model.objects.exists()


# To the moment


def test_a_deleted_key_can_be_restored_for_its_hours_to_the_moment(at, alice, dora, alices_key):
    delete(alice, alices_key)
    row = DeletedKeyRecord.objects.get()
    assert (row.deleted_at, row.deleted_by, row.gone_at) == (NOON, alice.iam_id, NOON + timedelta(hours=24))

    at(row.gone_at - timedelta(microseconds=1))
    assert deletion.purge() == 0
    assert value_store_for(caller_for(dora)).get_deleted_api_key(row.id).key.id == row.id
    at(row.gone_at)
    with pytest.raises(exceptions.ApiKeyNotFound):
        value_store_for(caller_for(dora)).get_deleted_api_key(row.id)
    assert deletion.purge() == 1

    assert not DeletedKeyRecord.objects.exists()
    assert not HistoryRecord.objects.filter(object_id=alices_key.key.id).exists()


def test_a_service_id_keeps_how_often_and_when_its_deleted_keys_were_used(alice, create_key, settings):
    robot = service_ids.create_service_id(caller_for(alice), ServiceIdDraft("robot"))[0]
    late, early, unused = (create_key(alice, name, iam_id=robot.iam_id) for name in ("late", "early", "unused"))
    for issued, count, hour in ((late, 3, 2), (early, 4, 1)):
        used = {"use_count": count, "last_used_at": NOON + timedelta(hours=hour)}
        ApiKeyRecord.objects.filter(id=issued.key.id).update(**used)

    def past() -> tuple[int, datetime | None]:
        row = ServiceIdRecord.objects.get(iam_id=robot.iam_id)
        return row.past_use_count, row.past_last_used_at

    delete(alice, unused)
    assert past() == (0, None)
    delete(alice, early)
    assert past() == (4, NOON + timedelta(hours=1))
    delete(alice, late)
    assert past() == (7, NOON + timedelta(hours=2))
    restore(alice, early)
    assert past() == (3, NOON + timedelta(hours=2))

    settings.APIKEYS_RESTORE_HOURS = 0  # for good
    delete(alice, early)
    assert past() == (7, NOON + timedelta(hours=2))
