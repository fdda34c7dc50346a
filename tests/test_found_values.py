"""Whose key is this: what is told of a value that somebody found, its end at once, and that nothing keeps it."""

import logging
import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core import signing

from apikeys import exceptions
from apikeys.domain import Caller, Origin, Overlap, Reason
from apikeys.identity import tokens
from apikeys.models import ApiKeyRecord, AuditEvent, RefusalRecord
from apikeys.services import found_values, leaks, refusals, rotation
from tests.addresses import CREATE, KEYS, RECEIPT
from tests.cast import ADMIN
from tests.conftest import caller_for
from tests.http_person import HttpPerson
from tests.markup import fields, page, text_of
from tests.stores import tables_with
from tests.test_refusals import deactivated, deleted, disabled, expired, made_a_decoy, paused, rotated
from tests.uses import works

pytestmark = pytest.mark.usefixtures("nothing_counted")

FOUND = f"{KEYS}found/"
END = f"{FOUND}end/"
UNKNOWN = "apk_" + "0" * 40
REQUEST_ID = "f00d" * 8


def paste(client, value: str, **headers: str):
    return client.post(FOUND, {"value": value}, headers=headers)


def proof_in(answer) -> str:
    return fields(page(answer).find("form", action=END))["proof"]


# What is told


def test_a_value_of_nobody_is_none_of_ours(db, bob):
    assert found_values.whose(caller_for(bob), UNKNOWN) is None


def test_a_value_that_works_is_told_with_its_owner_to_whoever_has_it(alice, bob, dora, alices_key):
    by_stranger, by_owner, by_admin = (
        found_values.whose(caller_for(person), f' "{alices_key.value}"\n') for person in (bob, alice, dora)
    )

    assert (by_stranger.name, by_stranger.owner.name) == (alices_key.key.name, "Alice Liddell")
    assert (by_stranger.reason, by_stranger.is_earlier) == (None, False)
    assert [found.is_seen for found in (by_stranger, by_owner, by_admin)] == [False, True, True]


@pytest.mark.parametrize(
    "happen, reason, can_be_ended",
    [
        (rotated, Reason.REPLACED, False),
        (disabled, Reason.DISABLED, False),
        (expired, Reason.EXPIRED, False),
        (paused, Reason.PAUSED, True),
        (deleted, Reason.DELETED, False),
        (deactivated, Reason.OWNER_INACTIVE, True),
    ],
)
def test_the_state_of_a_value_is_told_to_whoever_has_it(happen, reason, can_be_ended, alice, bob, dora, alices_key):
    happen(alice, alices_key)

    found = [found_values.whose(caller_for(person), alices_key.value) for person in (bob, dora)]

    assert [one.reason for one in found] == [reason, reason]
    assert [bool(one.proof) for one in found] == [can_be_ended, can_be_ended]
    assert found[0].is_earlier is (happen is rotated)


def test_a_decoy_is_told_only_to_whom_it_concerns(alice, bob, dora, alices_key):
    made_a_decoy(alice, alices_key)

    reasons = [found_values.whose(caller_for(person), alices_key.value).reason for person in (alice, dora, bob)]

    assert reasons == [Reason.DECOY, Reason.DECOY, Reason.DISABLED]


def test_looking_is_no_use_and_no_refusal_of_the_key(alice, bob, alices_key):
    found_values.whose(caller_for(bob), alices_key.value)
    refusals.write_uses(everything=True)

    assert ApiKeyRecord.objects.get().use_count == 0
    assert RefusalRecord.objects.count() == 0


def test_a_stranger_who_looks_at_a_decoy_raises_its_alarm_and_its_owner_does_not(alice, bob, alices_key):
    made_a_decoy(alice, alices_key)
    found_values.whose(caller_for(alice), alices_key.value)
    found_values.whose(caller_for(bob), alices_key.value)
    refusals.write_uses(everything=True)

    assert [refusal.reason for refusal in RefusalRecord.objects.all()] == [Reason.DECOY]


# Its end at once


def test_whoever_has_a_value_can_disable_its_key_at_once(bob, bob_client, alices_key):
    ApiKeyRecord.objects.update(locked=True)
    assert works(alices_key.value)
    proof = proof_in(paste(bob_client, alices_key.value))

    answer = bob_client.post(END, {"proof": proof}, follow=True)

    assert f"{alices_key.key.name} is disabled" in text_of(answer)
    assert not works(alices_key.value)
    event = AuditEvent.objects.order_by("event_time").last()
    assert (event.action, event.outcome, event.initiator_id) == (
        "iam-identity.user-apikey.update",
        "success",
        bob.iam_id,
    )
    assert event.request_data == {"found_value": True, "disable": True}


def test_the_end_of_an_earlier_value_leaves_the_present_one(alice, bob_client, alices_key):
    new = rotation.rotate_api_key(caller_for(alice), alices_key.key.id, Overlap(timedelta(days=1)))
    answer = paste(bob_client, alices_key.value)

    assert "This is an earlier value of an API key of this server" in text_of(answer)
    bob_client.post(END, {"proof": proof_in(answer)})
    assert not works(alices_key.value)
    assert works(new.value)


def test_a_value_that_was_rotated_after_the_look_ends_alone(alice, bob, alices_key):
    proof = found_values.whose(caller_for(bob), alices_key.value).proof
    new = rotation.rotate_api_key(caller_for(alice), alices_key.key.id, Overlap(timedelta(days=1)))

    for _time in range(2):
        assert found_values.end_at_once(caller_for(bob), proof)[1] is False

    assert not works(alices_key.value)
    assert works(new.value)
    assert not ApiKeyRecord.objects.get().disabled


def test_a_proof_is_good_for_one_person_and_ten_minutes(alice, bob, dora, alices_key, monkeypatch):
    proof = found_values.whose(caller_for(bob), alices_key.value).proof
    forged = signing.dumps([bob.iam_id, alices_key.key.id, 1], salt="another")

    for person, shown in ((dora, proof), (bob, forged), (bob, ""), (bob, proof + "x")):
        with pytest.raises(exceptions.InvalidApiKey):
            found_values.end_at_once(caller_for(person), shown)
    now = signing.time.time()
    monkeypatch.setattr(signing.time, "time", lambda: now + found_values.PROOF_SECONDS + 2)
    with pytest.raises(exceptions.InvalidApiKey):
        found_values.end_at_once(caller_for(bob), proof)
    assert works(alices_key.value)


def test_an_offer_that_is_too_old_asks_for_the_value_again(bob_client, alices_key):
    answer = bob_client.post(END, {"proof": "forged"})

    assert answer.status_code == 422
    assert "Paste the value again" in text_of(answer)
    assert page(answer).find("input", name="value") is not None


def test_a_key_that_was_deleted_after_the_look_is_news(alice, bob_client, alices_key):
    proof = proof_in(paste(bob_client, alices_key.value))
    deleted(alice, alices_key)

    assert "no longer exists" in text_of(bob_client.post(END, {"proof": proof}, follow=True))


# Nothing keeps it


@pytest.mark.parametrize("is_ours", [True, False], ids=["ours", "nobody's"])
def test_what_was_pasted_is_in_no_answer_session_row_or_log(alice_client, alices_key, caplog, is_ours):
    caplog.set_level(logging.DEBUG)
    value = alices_key.value if is_ours else "a value of nobody, 0123456789-?=&"

    answers = [paste(alice_client, value), paste(alice_client, value, HX_Request="true"), alice_client.get(KEYS)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    hits = [value in f"{answer.content.decode()}{answer.headers}{answer.cookies}" for answer in answers]
    assert hits == [False] * 3
    assert tables_with(value) == []
    assert value not in "".join(str(session.get_decoded()) for session in Session.objects.all())
    is_logged = value in "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert not is_logged


def test_a_form_whose_session_has_ended_leaves_no_value_behind(alice_client, alices_key):
    form = fields(page(alice_client.get(FOUND)).find("form", id="found-form"))
    alice_client.logout()

    answer = alice_client.post(FOUND, form | {"value": alices_key.value}, follow=True)

    assert answer.redirect_chain[-1][0].startswith("/login/")
    is_repeated = alices_key.value in f"{answer.content.decode()}{answer.redirect_chain}"
    assert not is_repeated
    assert tables_with(alices_key.value) == []
    in_session = alices_key.value in str([session.get_decoded() for session in Session.objects.all()])
    assert not in_session


def test_no_byte_of_the_data_folder_or_the_log_has_what_was_pasted(console_server):
    own = "s3cret that a person brought: 7f3Q 0zK"
    with HttpPerson(console_server.url) as person:
        person.log_in(*ADMIN)
        created = person.submit(person.get(CREATE), CREATE, name="to be found")
        value = page(created).find(id="value").raw
        person.submit(created, RECEIPT)
        answers = [person.submit(person.get(FOUND), FOUND, value=pasted) for pasted in (value, own)]
        files = console_server.kept()

    found = [path for path, content in files.items() for text in (value, own) if text.encode() in content]
    assert found == []
    assert [path for path, content in files.items() if b"to be found" in content], "the search finds what is there"
    assert "This is an API key of this server" in text_of(answers[0])
    assert "This is no API key of this server" in text_of(answers[1])
    is_repeated = [text in answer.text for answer in answers for text in (value, own)]
    assert not any(is_repeated)


def test_the_form_asks_browsers_to_keep_nothing(alice_client):
    field = page(alice_client.get(FOUND)).find("input", name="value")

    assert (field["type"], field["autocomplete"]) == ("password", "off")
    assert "value" not in field


def test_an_empty_form_is_asked_again(alice_client):
    answer = paste(alice_client, "")

    assert answer.status_code == 422
    assert "Paste an API key." in text_of(answer)


# Why was it refused, on the pages


def refused(alice, issued) -> str:
    """Disable a key and use it; return the ID of the request."""
    disabled(alice, issued)
    with pytest.raises(exceptions.ValueNotFound):
        tokens.authenticate(issued.value, Origin("192.0.2.7", "backup/2", REQUEST_ID))
    refusals.write_uses(everything=True)
    return REQUEST_ID


def test_the_details_say_why_a_key_is_refused_since_when_and_by_whom(alice, alice_client, alices_key):
    assert "Why is it refused?" not in text_of(alice_client.get(f"{KEYS}{alices_key.key.id}/"))

    asked = refused(alice, alices_key)

    shown = text_of(alice_client.get(f"{KEYS}{alices_key.key.id}/"))
    assert re.search(r"Why is it refused\? The key is disabled\. Since: .* By: Alice Liddell", shown)
    assert re.search(rf"1 refusal in the last thirty days .* 192\.0\.2\.7 backup/2 Request ID: {asked}", shown)


def test_a_request_id_leads_to_the_reason_for_whom_it_concerns(
    alice, alice_client, bob_client, dora_client, alices_key
):
    asked = refused(alice, alices_key)

    answers = [client.post(f"{KEYS}refusals/", {"request_id": asked}) for client in (alice_client, dora_client)]
    by_stranger = bob_client.post(f"{KEYS}refusals/", {"request_id": asked})

    for answer in answers:
        assert answer.status_code == 200
        assert re.search(
            rf"This was refused {alices_key.key.name} Alice Liddell .*The key was disabled", text_of(answer)
        )
    assert by_stranger.status_code == 404
    assert alices_key.key.name not in text_of(by_stranger)


def test_a_value_in_place_of_a_request_id_is_not_repeated(alice_client, alices_key):
    answer = alice_client.post(f"{KEYS}refusals/", {"request_id": alices_key.value})

    assert answer.status_code == 404
    is_repeated = alices_key.value in answer.content.decode()
    assert not is_repeated
    assert alice_client.post(f"{KEYS}refusals/", {"request_id": " "}).status_code == 422


def test_a_report_of_a_leak_is_told_in_the_history(alice_client, alices_key):
    report = leaks.Report(alices_key.value, "", "https://code.example/team/notes#L3", "github")
    leaks.act_on(report, Caller(leaks.REPORTER))

    assert re.search(r"Leaked github code\.example", text_of(alice_client.get(f"{KEYS}{alices_key.key.id}/")))


# Decoys


def test_a_decoy_is_created_on_the_page_and_has_a_tag(alice_client):
    form = fields(page(alice_client.get(f"{KEYS}create/")).find("form", id="create-form"))

    created = alice_client.post(f"{KEYS}create/", form | {"name": "root", "is_decoy": "on"})

    key = ApiKeyRecord.objects.get()
    assert key.is_decoy
    assert "It is a decoy." in text_of(created)
    assert "Test it" not in text_of(created)
    for address in (KEYS, f"{KEYS}{key.id}/"):
        answer = alice_client.get(address)
        assert " Decoy" in text_of(answer)
    assert f"{key.id}/rotate/" not in answer.content.decode()
    assert "Try it first" not in text_of(alice_client.get(f"{KEYS}{key.id}/delete/"))
