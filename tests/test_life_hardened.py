"""What must not bring a value back, tell a decoy, hide an alarm or stay behind, in ways that few think of."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apikeys import exceptions
from apikeys.backends import leaking
from apikeys.domain import LeakedAction, Origin, Overlap
from apikeys.identity import tokens
from apikeys.models import AuditEvent, PreviousValue, RefusalRecord, UsageRecord
from apikeys.services import attention, deletion, keys, leaks, refusals, rotation
from apikeys.services.leaks import Report
from apikeys.usage import counting
from apikeys.web.forms import new_nonce
from tests.conftest import caller_for, delivery_for, program_of
from tests.programs import API_KEY_GRANT
from tests.uses import works

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_counted")]

HOUR = timedelta(hours=1)
BASIC = {"HTTP_AUTHORIZATION": "Basic Yng6Yng="}


def rotate(person, issued, lasts: timedelta | None = None, **overlap):
    return rotation.rotate_api_key(caller_for(person), issued.key.id, Overlap(lasts, **overlap))


def delete(person, issued) -> None:
    deletion.delete_api_key(caller_for(person), issued.key.id)


# A value that has ended stays so


def test_a_previous_value_that_leaks_while_its_key_is_deleted_does_not_come_back_with_it(alice, create_key):
    issued = create_key(alice, action_when_leaked=LeakedAction.DISABLE)
    value = rotate(alice, issued).value
    delete(alice, issued)

    assert leaks.act_on(Report(issued.value, "", "", ""), caller_for(alice))
    deletion.restore_api_key(caller_for(alice), issued.key.id)

    assert (works(issued.value), works(value)) == (False, True)


def test_a_report_of_a_leak_that_waited_for_the_key_revives_no_value_that_was_ended_meanwhile(alice, alices_key):
    rotate(alice, alices_key)
    as_it_was = PreviousValue.objects.get()
    rotation.end_previous_value(caller_for(alice), alices_key.key.id)

    leaking._act_on_previous(as_it_was, caller_for(alice).identity, [])

    assert not works(alices_key.value)
    assert PreviousValue.objects.get().leaked


def test_a_clock_that_is_set_back_does_not_undo_the_end_of_a_value(alice, alices_key):
    rotate(alice, alices_key)
    rotation.end_previous_value(caller_for(alice), alices_key.key.id)

    later = timezone.now() + timedelta(minutes=5)
    PreviousValue.objects.update(replaced_at=later, ends_at=later)

    assert not works(alices_key.value)


def test_of_all_earlier_values_the_last_alone_works_also_where_an_older_one_is_still_to_be_counted(alice, alices_key):
    second = rotate(alice, alices_key, HOUR, asks_at_end=True).value
    assert works(alices_key.value)  # and this is not written yet
    PreviousValue.objects.update(replaced_at=timezone.now() - 2 * HOUR, ends_at=timezone.now())

    rotate(alice, alices_key, HOUR)
    counting.flush(everything=True)

    assert (works(alices_key.value), works(second)) == (False, True)


def test_a_form_that_is_sent_again_after_another_rotation_hands_over_no_value_that_has_ended(alice, alices_key):
    nonce, caller = new_nonce(), caller_for(alice)
    at_once = Overlap(timedelta(), ends_previous=True)
    rotation.rotate_api_key(caller, alices_key.key.id, at_once, delivery_for(alice, nonce))
    rotation.rotate_api_key(caller, alices_key.key.id, at_once)

    with pytest.raises(exceptions.HandoverExpired):
        rotation.rotate_api_key(caller, alices_key.key.id, at_once, delivery_for(alice, nonce))


def test_a_leaked_key_that_a_program_rotates_without_a_word_loses_the_leaked_value_at_once(alice, create_key):
    issued = create_key(alice)
    leaks.act_on(Report(issued.value, "", "", ""), caller_for(alice))

    program_of(alice).post(f"/v1/apikeys/{issued.key.id}/rotate", {}, content_type="application/json")

    assert not works(issued.value)


def test_the_end_that_introspection_tells_is_the_end_of_the_value(alice, alices_key):
    value = rotate(alice, alices_key, HOUR).value
    program = program_of(alice)

    told = [program.post("/identity/introspect", {"apikey": text}).json() for text in (alices_key.value, value)]

    assert abs(told[0]["exp"] - (timezone.now() + HOUR).timestamp()) < 60
    assert "exp" not in told[1]


# A pause passes


def test_a_log_in_with_a_key_outlives_its_pause_and_the_refusal_is_counted(alice, alices_key):
    form = {"grant_type": API_KEY_GRANT, "apikey": alices_key.value}
    token = Client().post("/identity/token", form, **BASIC).json()["refresh_token"]

    def renew() -> int:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return Client().post("/identity/token", form, **BASIC).status_code

    deletion.pause_api_key(caller_for(alice), alices_key.key.id, timedelta(minutes=1))
    assert renew() == 400
    refusals.write_uses(everything=True)
    assert RefusalRecord.objects.count() == 1
    deletion.resume_api_key(caller_for(alice), alices_key.key.id)

    assert renew() == 200


# Who has lost the right


def test_an_administrator_who_is_one_no_more_restores_nothing(alice, bob, dora, alices_key):
    bob.is_superuser = True
    bob.save()
    delete(dora, alices_key)
    dora.is_superuser = False
    dora.save()

    with pytest.raises(exceptions.ApiKeyNotFound):
        deletion.restore_api_key(caller_for(dora), alices_key.key.id)
    assert deletion.deleted_keys(caller_for(dora)) == []


# Decoys


@pytest.mark.parametrize("state", ["pause", "disable", "delete"])
def test_whatever_a_program_does_to_a_decoy_it_is_told_the_same_as_of_any_key(alice, create_key, state):
    program = program_of(alice)

    def told(issued) -> list[str]:
        at = f"/v1/apikeys/{issued.key.id}"
        if state == "delete":
            program.delete(at)
        else:
            program.post(f"{at}/{state}", {"seconds": 60}, content_type="application/json")
        return [program.get(f"{at}/refusals").json()["cause"]["reason"]]

    assert told(create_key(alice, "decoy", is_decoy=True)) == told(create_key(alice, "plain"))


def test_one_noisy_decoy_hides_no_alarm_of_another_and_fills_no_disk(alice, dora, create_key):
    quiet, noisy = (create_key(alice, name, is_decoy=True) for name in ("quiet", "noisy"))
    works(quiet.value)
    refusals.write_uses(everything=True)
    for _time in range(100):
        works(noisy.value)
    refusals.write_uses(everything=True)

    found = {item.keys[0].name: item.count for item in attention.items(caller_for(dora))}
    assert found == {"quiet": 1, "noisy": 100}
    events = AuditEvent.objects.filter(action__endswith="decoy")
    assert [event.request_data for event in events.order_by("event_time")] == [{"uses": 1}, {"uses": 100}]


def test_to_note_an_alarm_is_an_event_of_its_own(alice, create_key):
    decoy = create_key(alice, is_decoy=True)

    attention.note_alarm(caller_for(alice), decoy.key.id)

    assert AuditEvent.objects.order_by("event_time").last().request_data == {"alarm": "noted"}


# Nothing stays behind


def test_without_hours_to_restore_no_use_outlives_its_key(alice, alices_key, settings):
    settings.APIKEYS_RESTORE_HOURS = 0
    works(alices_key.value)
    counting.flush(everything=True)

    delete(alice, alices_key)

    assert not UsageRecord.objects.filter(subject=alices_key.key.id).exists()


def test_what_was_counted_of_a_person_who_is_gone_is_not_written(alice, alices_key):
    works(alices_key.value)

    alice.delete()
    counting.flush(everything=True)

    assert not UsageRecord.objects.exists()


def test_no_client_can_write_what_a_database_refuses(alice, alices_key):
    tokens.authenticate(alices_key.value, Origin("f" * 60, "cu\0rl/8 \ud800", "request"))
    keys.disable_api_key(caller_for(alice), alices_key.key.id, disabled=True)
    with pytest.raises(exceptions.ValueNotFound):
        tokens.authenticate(alices_key.value, Origin("f" * 60, "cu\0rl/8 \ud800", "request"))

    counting.flush(everything=True)

    assert RefusalRecord.objects.get().address == "f" * 45
