"""Why a key was refused, told to whom it concerns, and the alarm of a decoy."""

import json
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apikeys import exceptions
from apikeys.domain import Overlap, Reason
from apikeys.models import ApiKeyRecord, AuditEvent, PreviousValue, RefusalRecord
from apikeys.services import attention, deletion, keys, refusals, rotation
from apikeys.services.attention import Kind
from tests.conftest import caller_for, program_of
from tests.programs import API_KEY_GRANT

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_counted")]

DAY = timedelta(days=1)


def ask(value: str, agent: str = "curl/8"):
    """Send a value to the token endpoint, and have it counted."""
    form = {"grant_type": API_KEY_GRANT, "apikey": value}
    answer = Client().post("/identity/token", form, headers={"User-Agent": agent})
    refusals.write_uses(everything=True)
    return answer


def request_id(answer) -> str:
    return answer.headers["Transaction-Id"]


def rotated(alice, issued) -> None:
    rotation.rotate_api_key(caller_for(alice), issued.key.id, Overlap(timedelta()))


def disabled(alice, issued) -> None:
    keys.disable_api_key(caller_for(alice), issued.key.id, disabled=True)


def expired(alice, issued) -> None:
    ApiKeyRecord.objects.update(expires_at=timezone.now())


def paused(alice, issued) -> None:
    deletion.pause_api_key(caller_for(alice), issued.key.id, timedelta(minutes=5))


def deleted(alice, issued) -> None:
    deletion.delete_api_key(caller_for(alice), issued.key.id)


def deactivated(alice, issued) -> None:
    alice.is_active = False
    alice.save()


def made_a_decoy(alice, issued) -> None:
    ApiKeyRecord.objects.update(is_decoy=True)


def limited_to_other_networks(alice, issued) -> None:
    ApiKeyRecord.objects.update(networks="192.0.2.0/24")


REASONS = {
    rotated: Reason.REPLACED,
    disabled: Reason.DISABLED,
    expired: Reason.EXPIRED,
    paused: Reason.PAUSED,
    deleted: Reason.DELETED,
    deactivated: Reason.OWNER_INACTIVE,
    made_a_decoy: Reason.DECOY,
    limited_to_other_networks: Reason.NETWORK,
}


def test_there_is_a_story_for_each_reason():
    assert set(REASONS.values()) == set(Reason)


@pytest.mark.parametrize("happen", REASONS)
def test_each_reason_is_told_to_the_owner_and_to_nobody_else(happen, alice, bob, dora, alices_key):
    happen(alice, alices_key)

    answer = ask(alices_key.value)
    stranger = ask("apk_" + "0" * 40)

    assert answer.status_code == stranger.status_code == 400
    for person in (alice, dora):
        [explained] = refusals.by_request(caller_for(person), request_id(answer))
        assert explained.refusal.reason is REASONS[happen]
        assert explained.key.name == alices_key.key.name
        assert explained.is_deleted is (happen is deleted)
    for person, asked in ((bob, answer), (alice, stranger), (dora, stranger)):
        with pytest.raises(exceptions.RefusalNotFound):
            refusals.by_request(caller_for(person), request_id(asked))


def test_what_refuses_a_key_now_is_told_with_since_when_and_by_whom(alice, dora, alices_key):
    key_id = alices_key.key.id

    def cause():
        return refusals.why(caller_for(alice), key_id).cause

    assert cause() is None
    keys.disable_api_key(caller_for(dora), key_id, disabled=True)
    found = cause()
    assert (found.reason, found.by) == (Reason.DISABLED, dora.iam_id)
    assert timezone.now() - found.since < timedelta(minutes=1)
    keys.disable_api_key(caller_for(dora), key_id, disabled=False)
    key = deletion.pause_api_key(caller_for(alice), key_id, timedelta(minutes=5))
    assert (cause().reason, cause().by, cause().until) == (Reason.PAUSED, alice.iam_id, key.paused_until)
    deletion.resume_api_key(caller_for(alice), key_id)
    deletion.delete_api_key(caller_for(alice), key_id)
    assert (cause().reason, cause().by) == (Reason.DELETED, alice.iam_id)


def test_the_latest_refusals_of_a_key_are_told(alice, bob, alices_key):
    disabled(alice, alices_key)
    ask(alices_key.value, "curl/8.1")
    ask(alices_key.value, "backup/2")

    found = refusals.why(caller_for(alice), alices_key.key.id).refusals

    assert [refusal.agent for refusal in found] == ["backup/2", "curl/8.1"]
    with pytest.raises(exceptions.ApiKeyNotFound):
        refusals.why(caller_for(bob), alices_key.key.id)


def test_a_token_that_is_refused_because_of_its_key_is_explained(alice, alices_key):
    token = ask(alices_key.value).json()["access_token"]
    disabled(alice, alices_key)

    answer = Client().get("/v1/apikeys", headers={"Authorization": f"Bearer {token}"})
    refusals.write_uses(everything=True)

    assert answer.status_code == 401
    [explained] = refusals.by_request(caller_for(alice), request_id(answer))
    assert explained.refusal.reason is Reason.DISABLED


# Decoys


@pytest.fixture
def decoy(alice, create_key):
    return create_key(alice, "root-credentials", is_decoy=True)


def kinds(person) -> list[Kind]:
    return [item.kind for item in attention.items(caller_for(person))]


def test_a_decoy_opens_nothing_and_raises_the_alarm(alice, bob, dora, decoy):
    answer = ask(decoy.value, "stealer/1.0")

    assert answer.status_code == 400
    [item] = attention.items(caller_for(alice))
    assert (item.kind, item.count, item.keys[0].name) == (Kind.DECOY, 1, "root-credentials")
    assert (item.touched.address, item.touched.agent) == ("127.0.0.1", "stealer/1.0")
    assert kinds(dora) == [Kind.DECOY]
    assert kinds(bob) == []
    event = AuditEvent.objects.get(action__endswith="decoy")
    assert (event.target_name, event.address, event.agent) == ("root-credentials", "127.0.0.1", "stealer/1.0")
    assert (event.initiator_id, event.severity) == ("", "critical")


def test_an_alarm_that_was_noted_asks_no_more_until_the_next_use(alice, dora, bob, decoy):
    ask(decoy.value)
    with pytest.raises(exceptions.ApiKeyNotFound):
        attention.note_alarm(caller_for(bob), decoy.key.id)
    assert kinds(alice) == [Kind.DECOY]

    attention.note_alarm(caller_for(alice), decoy.key.id)
    assert kinds(alice) == kinds(dora) == []
    ask(decoy.value)
    assert kinds(alice) == [Kind.DECOY]


def test_a_refused_decoy_looks_like_any_refusal_byte_for_byte(decoy):
    def seen(value: str) -> tuple:
        answer = ask(value)
        own = request_id(answer)
        headers = {name: text.replace(own, "") for name, text in answer.headers.items()}
        assert headers.pop("Content-Length") == str(len(answer.content))
        # The clock goes on between two answers, and has more digits in some of them.
        times = rb'"(startTime|endTime|elapsedTime)": "[^"]*"'
        return answer.status_code, headers, re.sub(times, b"", answer.content.replace(own.encode(), b""))

    assert seen(decoy.value) == seen("apk_" + "0" * 40)


def test_asking_about_a_decoy_by_its_value_raises_the_alarm_as_well(alice, bob, create_key, decoy):
    token = ask(create_key(bob, "mine").value).json()["access_token"]

    form = {"apikey": decoy.value}
    answer = Client().post("/identity/introspect", form, headers={"Authorization": f"Bearer {token}"})
    refusals.write_uses(everything=True)

    assert answer.json() == {"active": False}
    assert kinds(alice) == [Kind.DECOY]


def test_a_decoy_is_made_over_rest_and_no_answer_about_it_says_so(alice, alices_key):
    token = ask(alices_key.value).json()["access_token"]
    program = Client(headers={"Authorization": f"Bearer {token}"})
    bodies = {"name": "root", "decoy": True}, {"name": "other"}

    decoy, ordinary = (
        program.post("/v1/apikeys", body | {"iam_id": alice.iam_id}, content_type="application/json") for body in bodies
    )
    seen = program.get(f"/v1/apikeys/{decoy.json()['id']}?include_history=true&include_activity=true")

    assert (decoy.status_code, ordinary.status_code) == (201, 201)
    assert decoy.json().keys() == ordinary.json().keys()
    assert "is a decoy" in decoy.headers["Warning"]
    assert "Warning" not in ordinary.headers
    assert ask(decoy.json()["apikey"]).status_code == 400
    assert ask(ordinary.json()["apikey"]).status_code == 200
    assert "decoy" not in f"{seen.content}{program.get('/v1/apikeys').content}"


# What asks for attention


def test_where_all_is_well_nothing_asks_for_attention(alice, alices_key):
    assert ask(alices_key.value).status_code == 200

    assert attention.items(caller_for(alice)) == ()


def test_each_thing_that_asks_for_attention_names_its_keys(alice, create_key):
    now = timezone.now()
    ago = {"unused": now - 91 * DAY, "fresh": now - 89 * DAY}
    made = {name: create_key(alice, name) for name in ("leaked", "soon", "late", "unused", "fresh", "rotated")}
    ApiKeyRecord.objects.filter(name="leaked").update(leaked=True)
    ApiKeyRecord.objects.filter(name="soon").update(expires_at=now + 13 * DAY)
    ApiKeyRecord.objects.filter(name="late").update(expires_at=now + 15 * DAY)
    for name, moment in ago.items():
        ApiKeyRecord.objects.filter(name=name).update(last_used_at=moment)
    rotation.rotate_api_key(caller_for(alice), made["rotated"].key.id, Overlap(DAY, asks_at_end=True))
    PreviousValue.objects.update(ends_at=timezone.now(), last_used_at=timezone.now())

    found = {item.kind: (item.count, [key.name for key in item.keys]) for item in attention.items(caller_for(alice))}

    assert found == {
        Kind.LEAKED: (1, ["leaked"]),
        Kind.WAITING: (1, ["rotated"]),
        Kind.EXPIRING: (1, ["soon"]),
        Kind.UNUSED: (1, []),
    }
    rotation.end_previous_value(caller_for(alice), made["rotated"].key.id)
    assert Kind.WAITING not in kinds(alice)


def test_a_previous_value_that_leaked_and_works_asks_for_attention(alice, alices_key):
    rotation.rotate_api_key(caller_for(alice), alices_key.key.id, Overlap(DAY))
    PreviousValue.objects.update(leaked=True)
    assert kinds(alice) == [Kind.LEAKED_PREVIOUS]

    rotation.end_previous_value(caller_for(alice), alices_key.key.id)
    assert kinds(alice) == []


def test_nobody_sees_what_asks_for_attention_among_the_keys_of_others(bob, alices_key):
    ApiKeyRecord.objects.update(leaked=True)

    assert attention.items(caller_for(bob)) == ()
    assert RefusalRecord.objects.count() == 0


def test_a_program_with_its_owners_token_can_not_tell_a_decoy_from_a_key_that_nobody_uses(alice, create_key, decoy):
    plain = create_key(alice, "root-credentials")
    refused = ask(decoy.value)
    program = program_of(alice)

    def told(issued) -> list:
        at = f"/v1/apikeys/{issued.key.id}"
        answers = [program.get(at + path).json() for path in ("", "?include_activity=true", "/usage", "/refusals")]
        return json.loads(
            re.sub(r"[0-9a-f]{32}|ApiKey-[0-9a-f-]{36}|\d-", "", json.dumps(answers)).replace(issued.key.id, "")
        )

    assert told(decoy) == told(plain)
    assert program.get(f"/v1/apikeys/refusals/{request_id(refused)}").status_code == 404
    assert [refusal.reason for refusal in refusals.why(caller_for(alice), decoy.key.id).refusals] == [Reason.DECOY]


def test_whoever_deletes_a_decoy_does_not_silence_it(alice, decoy):
    deleted(alice, decoy)

    ask(decoy.value, "stealer/6.6")

    event = AuditEvent.objects.get(action__endswith="decoy")
    assert (event.target_name, event.agent) == ("root-credentials", "stealer/6.6")


@pytest.mark.parametrize(("days", "is_told"), [(13, True), (15, False), (None, False)])
def test_a_good_answer_to_a_value_that_ends_within_14_days_says_so(alice, create_key, days, is_told):
    ends_at = days and timezone.now() + timedelta(days=days)
    issued = create_key(alice, expires_at=ends_at)
    token = ask(issued.value).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}

    answers = [ask(issued.value), Client().post("/identity/introspect", {"apikey": issued.value}, headers=bearer)]

    sentence = f'299 - "This API key can be used until {ends_at:%Y-%m-%dT%H:%M:%S}+0000."' if is_told else None
    assert [answer.headers.get("Warning") for answer in answers] == [sentence] * 2


def test_a_value_whose_overlap_ends_says_so_and_the_new_one_does_not(alice, alices_key):
    value = rotation.rotate_api_key(caller_for(alice), alices_key.key.id, Overlap(DAY)).value

    assert "can be used until" in ask(alices_key.value).headers["Warning"]
    assert "Warning" not in ask(value).headers


def test_to_ask_for_the_details_of_a_decoys_value_raises_the_alarm(alice, bob, decoy):
    answer = program_of(bob).get("/v1/apikeys/details", headers={"IAM-ApiKey": decoy.value})
    refusals.write_uses(everything=True)

    assert answer.status_code == 404
    assert kinds(alice) == [Kind.DECOY]
