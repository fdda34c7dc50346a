"""Mails: Alice is told what happens to her keys and her log-in, in her language, and as often as she can read it."""

import json
import re
from datetime import timedelta

import pytest
from django.core import mail
from django.db import transaction
from django.test import Client
from django.utils import timezone

from apikeys import audit, exceptions
from apikeys.audit import chain, counted, walk
from apikeys.domain import Caller, Origin, Overlap, ServiceIdDraft
from apikeys.iam import oauth
from apikeys.identity import tokens, users
from apikeys.models import ApiKeyRecord, AuditEvent
from apikeys.services import (
    activity_details,
    deletion,
    found_values,
    keys,
    leaks,
    refusals,
    revoking,
    rotation,
    service_ids,
)
from console.mails import bundles, chores, events, everybody, expiring, sending
from console.mails.kinds import ABOUT, MailKind
from console.mails.models import MailBundle, MailCursor, MailRefusal
from console.mails.quoting import plain, quoted
from console.models import User
from console.outbox import queue
from console.outbox.models import Delivery, State
from console.outbox.senders import NotDelivered
from console.people import changes
from tests.cast import PASSWORD
from tests.conftest import caller_for
from tests.markup import page
from tests.test_sessions import change_password
from tests.threads import at_once

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
MAILS = "/account/mails/"
RIGHT_TO_LEFT = "\u202e"


@pytest.fixture(autouse=True)
def mails_are_sent(settings, db):
    settings.MAILS_ARE_SENT = True
    settings.PUBLIC_URL = "https://console.example.com"
    AuditEvent.objects.update(event_time=timezone.now() - timedelta(days=2))
    counted._notes.cache_clear()
    chain.begin()
    seal()
    events.fan_out()  # begins behind what was there
    expiring.Walk().run()
    yield
    counted._notes.cache_clear()


def seal() -> None:
    counted.write()
    chain.seal_events()


def bundle() -> None:
    """Do what the sweeper does first."""
    seal()
    while events.fan_out():
        pass


def send() -> list[str]:
    """Send what is due, whatever it would wait for, and return what became of each."""
    MailBundle.objects.exclude(due_at=None).update(due_at=timezone.now())
    bundles.post()
    results = []
    while claimed := queue.claim(["mail"]):
        for delivery in claimed:
            try:
                result = sending.MailSender().send(delivery)
                queue.succeed(delivery, result)
            except NotDelivered as exc:
                result = exc.result
                queue.fail(delivery, result, is_final=exc.is_final)
            results.append(result)
    return results


def told() -> list[mail.EmailMessage]:
    """Return the mails that were sent since the last time."""
    bundle()
    send()
    found, mail.outbox[:] = list(mail.outbox), []
    return found


def told_once() -> mail.EmailMessage:
    [found] = told()
    return found


def forget() -> None:
    """Let nobody be told of what the test needed first."""
    told()
    MailBundle.objects.all().delete()


def administer(person) -> User:
    person.is_superuser = person.is_staff = True
    person.save()
    return person


# Each kind


def test_alice_is_told_of_a_key_that_was_created_with_who_when_and_from_where(alice, alices_key):
    alice.time_zone = "Asia/Taipei"
    alice.save()

    sent = told_once()
    assert sent.to == ["alice@example.com"]
    assert sent.subject == "API key created – console.example.com"
    made = AuditEvent.objects.get(action=audit.CREATE).event_time + timedelta(hours=8)
    assert f"When: {made.day} {made:%b %Y, %H:%M} UTC+8\n" in sent.body
    assert f"API key: “terraform” ({alices_key.key.id})\nBy: Alice Liddell\nFrom: 192.0.2.7\n" in sent.body
    assert alices_key.value not in str(sent.message())


def rotate(caller: Caller, key_id: str) -> None:
    rotation.rotate_api_key(caller, key_id, Overlap(timedelta()))


HAPPENINGS = {
    MailKind.ROTATED: (rotate, "API key rotated", "API 金鑰已輪替"),
    MailKind.DELETED: (deletion.delete_api_key, "API key deleted", "已刪除 API 金鑰"),
}


@pytest.mark.parametrize("kind", HAPPENINGS)
@pytest.mark.parametrize("language", ["en", "zh-hant"])
def test_what_alice_does_with_her_key_is_told_in_her_language(alice, alices_key, kind, language):
    forget()
    User.objects.update(language=language)
    act, english, chinese = HAPPENINGS[kind]
    act(caller_for(alice), alices_key.key.id)

    sent = told_once()
    assert sent.subject.startswith(english if language == "en" else chinese)
    assert ("API 金鑰：「terraform」" if language == "zh-hant" else "API key: “terraform”") in sent.body


def test_alice_is_told_what_an_administrator_does_with_her_key_and_not_what_she_does_herself(alice, dora, alices_key):
    forget()
    User.objects.filter(pk=dora.pk).update(first_name="Dora")
    dora.refresh_from_db()
    keys.disable_api_key(caller_for(dora), alices_key.key.id, disabled=True)
    keys.disable_api_key(caller_for(dora), alices_key.key.id, disabled=False)
    keys.lock_api_key(caller_for(alice), alices_key.key.id, locked=True)

    sent = told_once()
    assert sent.subject == "Somebody else changed your API keys – console.example.com"
    assert re.findall("What: (.*)", sent.body) == ["API key disabled", "API key enabled"]
    assert "By: Dora\n" in sent.body


def test_a_leak_report_is_told_to_the_owner_and_to_administrators_who_chose_so(alice, dora, alices_key):
    forget()
    User.objects.filter(pk=dora.pk).update(email="dora@example.com", mail_choices={"alarms": True})
    report = leaks.Report(alices_key.value, "", "https://paste.example/x", "paste")
    leaks.act_on_all([report], Caller(leaks.REPORTER, address="203.0.113.9"))

    by_address = {sent.to[0]: sent for sent in told()}
    assert set(by_address) == {"alice@example.com", "dora@example.com"}
    assert by_address["alice@example.com"].subject == "Your API key was found – console.example.com"
    assert "What: Reported as found in public\n" in by_address["alice@example.com"].body
    assert by_address["dora@example.com"].subject == "Alarm: API key found, or decoy used – console.example.com"
    assert all(alices_key.value not in str(sent.message()) for sent in by_address.values())


def test_each_owner_gets_one_mail_when_all_keys_of_everybody_are_revoked(alice, bob, dora, create_key, monkeypatch):
    User.objects.filter(pk__in=[bob.pk, dora.pk]).update(email="both@example.com")
    monkeypatch.setattr(everybody, "PAGE", 1)
    service = service_ids.create_service_id(caller_for(alice), ServiceIdDraft(name="pipeline"))[0]
    for number in range(3):
        create_key(alice, f"key {number}", iam_id=service.iam_id)
    create_key(dora)
    forget()
    revoking.revoke_all(caller_for(dora), None)
    bundle()

    assert everybody.walk() == 0, "the keys may not be done yet"
    MailCursor.objects.filter(name="everybody").update(at=timezone.now() - everybody.CALM)
    while everybody.walk():
        pass

    send()
    [sent] = mail.outbox
    assert sent.to == ["alice@example.com"], "Bob has no keys, and Dora did it"
    assert re.findall("What: (.*)", sent.body) == [
        "All API keys of everybody disabled, also yours and those of your service IDs"
    ]
    assert not MailCursor.objects.filter(name="everybody").exists()


def test_a_walk_along_events_locks_the_cursor_of_everybody_before_bundles(alice, dora, create_key, monkeypatch):
    create_key(alice)
    forget()
    create_key(alice)
    revoking.revoke_all(caller_for(dora), None)
    seal()
    is_taken = []
    monkeypatch.setattr(
        bundles, "add", lambda _news: is_taken.append(MailCursor.objects.filter(name="everybody").exists())
    )

    events.fan_out()

    assert is_taken == [True]


def test_nobody_is_told_that_all_keys_were_revoked_while_no_mails_were_sent(alice, dora, create_key):
    create_key(alice)
    forget()
    revoking.revoke_all(caller_for(dora), None)
    seal()
    long_ago = timezone.now() - timedelta(days=2)
    AuditEvent.objects.update(event_time=long_ago)
    bundle()
    assert not MailCursor.objects.filter(name="everybody").exists(), "the event was not looked at in time"

    create_key(alice)
    forget()
    revoking.revoke_all(caller_for(dora), None)
    bundle()
    assert MailCursor.objects.filter(name="everybody").update(at=long_ago) == 1

    assert everybody.walk() == 0, "nobody was gone through in time"
    assert not MailCursor.objects.filter(name="everybody").exists()
    assert not MailBundle.objects.exists()


def test_who_is_named_when_all_their_keys_are_revoked_gets_one_mail(alice, dora, create_key):
    for number in range(3):
        create_key(alice, f"key {number}")
    forget()
    revoking.revoke_all(caller_for(dora), revoking.find_owner(caller_for(dora), alice.iam_id))

    sent = told_once()
    assert re.findall("What: (.*)", sent.body) == ["API keys disabled: 3"]


def test_a_value_that_bob_found_and_ended_is_told_to_its_owner(alice, bob, alices_key):
    forget()
    found = found_values.whose(caller_for(bob), alices_key.value)
    found_values.end_at_once(caller_for(bob), found.proof)

    sent = told_once()
    assert "What: Somebody who had found the value disabled the API key\n" in sent.body
    assert alices_key.value not in str(sent.message())


def test_a_decoy_that_is_used_again_and_again_is_one_mail(alice, create_key):
    decoy = create_key(alice, "old backup", is_decoy=True)
    forget()
    for number in range(40):
        program = Client(REMOTE_ADDR=f"203.0.113.{number}")
        form = {"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": decoy.value}
        program.post("/identity/token", form)
    refusals.write_uses(everything=True)

    sent = told_once()
    assert sent.subject == "Your decoy was used – console.example.com"
    assert "From: 203.0.113." in sent.body
    assert "And 30 more." in sent.body


def test_a_log_in_from_a_new_device_is_told_and_one_from_a_known_browser_is_not(alice):
    browser = Client(headers={"User-Agent": FIREFOX}, REMOTE_ADDR="198.51.100.4")
    browser.post("/login/", {"username": "alice", "password": PASSWORD})
    first = told_once()
    browser.post("/logout/")
    MailBundle.objects.all().delete()
    browser.post("/login/", {"username": "alice", "password": PASSWORD})

    assert first.subject == "Log-in from a new device – console.example.com"
    assert "Device: Firefox on Linux\nFrom: 198.51.100.4\n" in first.body
    assert told() == []


def test_a_log_in_of_the_command_line_is_told_where_nobody_had_logged_in_from_that_address(alice):
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD}
    headers = {"Authorization": "Basic Yng6Yng=", "User-Agent": "apikeys/1.0"}
    for _again in range(2):
        assert Client(headers=headers, REMOTE_ADDR="198.51.100.5").post("/identity/token", form).status_code == 200

    sent = told_once()
    assert sent.body.count("When: ") == 1
    assert "Device: Command line\nFrom: 198.51.100.5\n" in sent.body


def test_a_password_and_factors_that_change_are_told_whatever_alice_chose(alice, dora, alice_client):
    User.objects.filter(pk=alice.pk).update(mail_choices=dict.fromkeys(MailKind, False))
    change_password(alice_client)
    changes.reset_factors(caller_for(dora), alice.iam_id)
    changes.new_link(caller_for(dora), alice.iam_id)

    sent = told_once()
    assert sent.subject == "Your account was changed – console.example.com"
    assert re.findall("What: (.*)", sent.body) == [
        "Password changed",
        "All second factors removed",
        "Link to choose a password made",
    ]


@pytest.mark.parametrize(
    ("action", "factor", "what"),
    [
        (audit.LOG_IN, "recovery code", "Logged in with a recovery code"),
        (audit.PROOF, "recovery code", "Asked again who they are, and answered with a recovery code"),
        (audit.FACTOR_CREATE, "app", "Second factor set up (app)"),
        (audit.FACTOR_CREATE, "single sign-on", "Single sign-on connected"),
        (audit.FACTOR_DELETE, "single sign-on", "Single sign-on disconnected"),
        (audit.LOG_IN, "app", ""),
        (audit.PROOF, "password", ""),
    ],
)
def test_the_use_of_a_recovery_code_and_each_change_of_ways_to_log_in_are_told_in_their_own_words(
    alice, action, factor, what
):
    User.objects.filter(pk=alice.pk).update(mail_choices=dict.fromkeys(MailKind, False))
    left = {"codes_left": 9} if factor == "recovery code" else {}
    with transaction.atomic():
        audit.record_person(caller_for(alice), action, alice.iam_id, "alice", factor=factor, **left)

    sent = told()
    assert [re.findall("What: (.*)", one.body) for one in sent] == ([[what]] if what else [])
    assert ["Recovery codes left: 9" in one.body for one in sent] == ([bool(left)] if what else [])


def test_a_refresh_token_that_is_used_again_is_told_to_its_person(alice):
    identity, stamp = users.identity_of(alice), users.password_stamp(alice)
    subject = tokens.Subject(identity, oauth.GRANT_PASSWORD, password_stamp=stamp)
    token = tokens.issue(subject, client_id="bx", with_refresh=True).refresh_token
    tokens.refresh(token, client_id="bx")

    with pytest.raises(exceptions.RefreshTokenInvalid):
        tokens.refresh(token, client_id="bx", origin=Origin("198.51.100.5"))

    sent = told_once()
    assert sent.subject.startswith("Your account was changed")
    assert "What: A refresh token was used a second time, so somebody may have a copy; its log-in ended\n" in sent.body
    assert "From: 198.51.100.5\n" in sent.body


def test_a_change_of_who_alice_is_names_what_was_changed(alice, dora):
    changes.change(caller_for(dora), alice.iam_id, email="alice@example.org", is_superuser=True)

    former, present = sorted(told(), key=lambda sent: sent.to[0])
    assert (former.to, former.subject.partition(" –")[0]) == (["alice@example.com"], "Your e-mail address was changed")
    assert "alice@example.org" not in former.body
    assert present.to == ["alice@example.org"]
    assert "What: Changed: e-mail address, administrator or not\n" in present.body


def test_every_field_of_a_user_that_can_be_changed_has_words():
    assert {*activity_details.OF_PERSON} == {*changes.FIELDS, "mails"}


def test_many_attempts_are_told_once_in_half_a_day_however_often_somebody_tries(alice):
    for number in range(3):
        for _attempt in range(6):
            guess = {"username": "alice", "password": "wrong"}
            Client(REMOTE_ADDR=f"203.0.113.{number}").post("/login/", guess)
    bundle()
    first = send()
    Client(REMOTE_ADDR="203.0.113.0").post("/login/", {"username": "alice", "password": "wrong"})
    bundle()

    assert first == ["sent"]
    assert mail.outbox[0].subject == "Too many attempts to log in as you – console.example.com"
    assert bundles.post() == 0


def test_what_was_refused_or_is_routine_is_not_told(alice, bob, alices_key):
    forget()
    keys.lock_api_key(caller_for(alice), alices_key.key.id, locked=True)
    with pytest.raises(Exception, match="locked"):
        deletion.delete_api_key(caller_for(alice), alices_key.key.id)
    Client().post("/login/", {"username": "alice", "password": "wrong"})

    assert told() == []


# Whom


def test_the_manager_of_a_service_id_is_told_of_its_keys(alice, dora, create_key):
    service = service_ids.create_service_id(caller_for(alice), ServiceIdDraft(name="pipeline"))[0]
    key = create_key(alice, "deploys", iam_id=service.iam_id).key
    created = told_once()
    MailBundle.objects.all().delete()
    keys.disable_api_key(caller_for(alice), key.id, disabled=True)
    assert told() == []
    keys.disable_api_key(caller_for(dora), key.id, disabled=False)

    assert (created.to, "“deploys”" in created.body) == (["alice@example.com"], True)
    assert "What: API key enabled" in told_once().body


def test_nobody_without_an_address_nobody_deactivated_and_nobody_who_is_gone_gets_a_mail(alice, bob, dora, create_key):
    create_key(bob)
    create_key(alice)
    bundle()
    changes.set_active(caller_for(dora), alice.iam_id, active=False)

    assert send() == ["not_wanted"]
    User.objects.filter(pk=alice.pk).update(is_active=True)
    create_key(alice)
    bundle()
    User.objects.filter(pk=alice.pk).delete()
    assert send() == ["not_wanted"]
    assert mail.outbox == []


@pytest.mark.parametrize("kind", [kind for kind in MailKind if not ABOUT[kind].is_fixed])
def test_a_kind_that_alice_turned_off_is_not_told(alice, dora, kind):
    User.objects.filter(pk=alice.pk).update(mail_choices={kind.value: False})
    alice.refresh_from_db()
    bundles.add({(alice.iam_id, kind): bundles.News([{"place": 1}], 1)})

    assert send() == ["not_wanted"]


# Once, and not too much


def test_a_thousand_deletions_are_one_mail_and_one_row(alice, create_key):
    for number in range(30):
        create_key(alice, f"key {number}")
    forget()
    for record in ApiKeyRecord.objects.all():
        deletion.delete_api_key(caller_for(alice), record.id)
    bundle()

    waits = MailBundle.objects.get()
    assert (waits.count, len(waits.lines)) == (30, bundles.LINES)
    assert timezone.now() < waits.due_at <= timezone.now() + ABOUT[MailKind.DELETED].delay
    [sent] = told()
    assert sent.subject == "API keys deleted: 30 – console.example.com"
    assert sent.body.count("When: ") == 10
    assert "\n\nAnd 20 more.\n\n" in sent.body


def test_the_next_mail_of_a_kind_waits_ten_minutes_and_tells_all_since(alice, create_key):
    create_key(alice)
    told_once()
    create_key(alice, "second")
    create_key(alice, "third")
    bundle()

    waits = MailBundle.objects.get()
    assert waits.due_at - waits.sent_at == timedelta(minutes=10)
    assert waits.count == 2
    assert bundles.post() == 0


def test_a_change_of_the_account_is_told_at_once_also_seconds_after_another_one(alice, dora):
    changes.new_link(caller_for(dora), alice.iam_id)
    bundle()
    assert bundles.post() == 1
    MailBundle.objects.update(sent_at=timezone.now() - timedelta(seconds=10))
    Delivery.objects.all().delete()

    changes.reset_factors(caller_for(dora), alice.iam_id)
    bundle()

    assert bundles.post() == 1


def test_while_a_mail_waits_for_the_server_the_next_ones_wait_together(alice, create_key):
    create_key(alice)
    bundle()
    MailBundle.objects.update(due_at=timezone.now())
    bundles.post()
    for number in range(3):
        create_key(alice, f"key {number}")
        bundle()
        MailBundle.objects.update(due_at=timezone.now())
        bundles.post()

    assert Delivery.objects.count() == 1
    assert MailBundle.objects.get().count == 3


def test_each_event_is_told_once_whoever_looks(alice, create_key):
    create_key(alice)
    bundle()
    MailCursor.objects.get(name="events")
    assert [events.fan_out() for _process in range(3)] == [0, 0, 0]

    assert MailBundle.objects.get().count == 1


def test_a_process_that_saw_the_end_of_the_chain_before_another_told_more_tells_nothing_twice(
    alice, create_key, monkeypatch
):
    create_key(alice)
    seal()

    def end_before_another_tells() -> int:
        end = walk.end_of_chain()
        monkeypatch.setattr(events, "end_of_chain", walk.end_of_chain)
        create_key(alice, "another")
        bundle()
        return end

    monkeypatch.setattr(events, "end_of_chain", end_before_another_tells)
    events.fan_out()

    assert MailBundle.objects.get().count == 2


def test_in_a_database_from_before_events_are_told_from_its_end_on(alice, create_key):
    create_key(alice)
    seal()
    MailCursor.objects.filter(name="events").update(place=2**40)

    bundle()
    create_key(alice, "another")
    bundle()

    assert MailBundle.objects.get().count == 1


@pytest.mark.django_db(transaction=True)
def test_of_processes_that_look_at_once_one_tells_each_event_and_each_key(alice, create_key):
    for number in range(5):
        create_key(alice, f"key {number}")
    seal()
    in_three_days = timezone.now() + timedelta(days=3)
    MailCursor.objects.filter(name="expires in 3").update(at=in_three_days - timedelta(hours=1))
    made = timezone.now() - timedelta(days=90)
    ApiKeyRecord.objects.update(expires_at=in_three_days - timedelta(minutes=30), created_at=made)

    found = at_once(4, lambda: (events.fan_out(), expiring.Walk().run()))
    assert [outcome for outcome in found if isinstance(outcome, Exception)] == []
    assert dict(MailBundle.objects.values_list("kind", "count")) == {"created": 5, "expiring": 5}

    MailBundle.objects.update(due_at=timezone.now())
    assert sum(at_once(4, bundles.post)) == 2
    assert Delivery.objects.count() == 2


def test_without_a_mail_server_a_process_does_nothing_about_mails(settings, monkeypatch):
    monkeypatch.setattr(sending, "SENDERS", senders := {})
    assert len(chores.begin()) == 5
    assert set(senders) == {"mail"}
    settings.MAILS_ARE_SENT = False

    assert chores.begin() == []


def test_what_happened_before_mails_were_set_up_or_long_ago_is_not_told(alice, create_key):
    MailCursor.objects.all().delete()
    create_key(alice)
    bundle()
    assert not MailBundle.objects.exists()
    create_key(alice)
    AuditEvent.objects.update(event_time=timezone.now() - timedelta(days=2))
    bundle()

    assert not MailBundle.objects.exists()


def test_a_bundle_that_is_told_is_forgotten_after_a_day(alice, create_key):
    create_key(alice)
    told_once()
    assert bundles.forget_old() == 0
    MailBundle.objects.update(sent_at=timezone.now() - timedelta(days=2))

    assert bundles.forget_old() == 1


# About to expire


def expire_in(key, **time: float) -> None:
    made = timezone.now() - timedelta(days=90)
    ApiKeyRecord.objects.filter(id=key.id).update(expires_at=timezone.now() + timedelta(**time), created_at=made)


def walk_at(monkeypatch, **later: float) -> int:
    """Walk as the sweeper does once so much time has passed."""
    now = timezone.now()
    with monkeypatch.context() as patch:
        patch.setattr("django.utils.timezone.now", lambda: now + timedelta(**later))
        return expiring.Walk().run()


def test_a_key_is_told_14_days_before_3_days_before_and_once_it_has_expired(monkeypatch, alice, alices_key):
    forget()
    expire_in(alices_key.key, days=14, minutes=1)

    passed = [walk_at(monkeypatch, days=days, minutes=2) for days in (-1, 0, 0, 1, 10.9, 11, 11, 13.9, 14, 14, 15)]
    assert passed == [0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0]


def test_the_mail_tells_which_key_expires_and_when(monkeypatch, alice, alices_key):
    forget()
    expire_in(alices_key.key, days=3, minutes=1)
    walk_at(monkeypatch, minutes=2)
    MailBundle.objects.update(due_at=timezone.now())
    sent = told_once()

    at = ApiKeyRecord.objects.get().expires_at
    assert sent.subject == "Your API key expires – console.example.com"
    assert f"API key: “terraform” ({alices_key.key.id})\nExpires: {at.day} {at:%b %Y, %H:%M} UTC\n" in sent.body


def test_a_key_that_lasts_longer_now_is_gone_or_disabled_is_not_told(monkeypatch, alice, alices_key, create_key):
    extended, deleted = create_key(alice, "extended").key, create_key(alice, "deleted").key
    forget()
    for key in (alices_key.key, extended, deleted):
        expire_in(key, days=3, minutes=1)
    walk_at(monkeypatch, minutes=2)
    assert MailBundle.objects.get().count == 3
    expire_in(extended, days=30)
    ApiKeyRecord.objects.filter(id=deleted.id).delete()
    ApiKeyRecord.objects.filter(id=alices_key.key.id).update(disabled=True)

    MailBundle.objects.update(due_at=timezone.now())
    assert send() == ["nothing_left"]


def test_a_key_made_for_a_few_days_is_not_told_as_soon_as_it_is_there(monkeypatch, alice, alices_key):
    forget()
    ApiKeyRecord.objects.update(expires_at=timezone.now() + timedelta(days=3, minutes=1))

    walk_at(monkeypatch, minutes=2)
    assert not MailBundle.objects.exists()


def test_keys_that_expire_at_one_moment_are_each_told_once_page_by_page(monkeypatch, alice, create_key):
    made = [create_key(alice, f"key {number}").key for number in range(5)]
    forget()
    monkeypatch.setattr(expiring, "PAGE", 2)
    for key in made:
        expire_in(key, days=3)
    ApiKeyRecord.objects.update(expires_at=timezone.now() + timedelta(days=3, minutes=1))

    assert walk_at(monkeypatch, minutes=2) == 5
    assert walk_at(monkeypatch, minutes=3) == 0
    assert MailBundle.objects.get().count == 5


def test_a_clock_that_was_far_ahead_silences_nothing_for_long(monkeypatch, alice, alices_key):
    forget()
    walk_at(monkeypatch, days=4000)
    walk_at(monkeypatch, minutes=1)
    expire_in(alices_key.key, days=3, minutes=2)

    assert walk_at(monkeypatch, minutes=3) == 1


# What somebody typed


HOSTILE = [
    ("a\r\nBcc: mallory@example.com", "a Bcc: mallory[@]example[.]com"),
    (f"safe{RIGHT_TO_LEFT}txt.exe", "safe\ufffdtxt[.]exe"),
    ("https://evil.example/login?x=1", "https[://]evil[.]example/login?x=1"),
    ("v1.2 (10.0.0.1)", "v1.2 (10.0.0.1)"),
    ("x" * 100, f"{'x' * 80}…"),
    ("zero\u200bwidth\u2028line", "zero\ufffdwidth line"),
]


@pytest.mark.parametrize(("typed", "shown"), HOSTILE)
def test_what_somebody_typed_becomes_neither_a_header_nor_a_link_nor_another_line(typed, shown):
    assert plain(typed) == shown
    assert quoted(typed) == f"“{shown}”"


def test_no_name_of_a_key_or_a_person_reaches_a_header(alice, dora, create_key):
    User.objects.filter(pk=dora.pk).update(first_name="Mallory\r\nBcc: x@example.com")
    key = create_key(alice, "https://evil.example").key
    forget()
    AuditEvent.objects.all().delete()
    dora.refresh_from_db()
    caller = Caller(users.identity_of(dora), agent="evil.example/1", address="192.0.2.1")
    keys.disable_api_key(caller, key.id, disabled=True)

    message = told_once().message()
    assert set(message.keys()) == {
        *("Content-Type", "MIME-Version", "Content-Transfer-Encoding", "Subject", "From", "To", "Date"),
        *("Message-ID", "Auto-Submitted"),
    }
    body = message.get_payload(decode=True).decode()
    assert "evil.example" not in body
    assert re.findall(r"https?://\S+", body) == ["https://console.example.com/"]


def test_a_mail_says_that_a_machine_wrote_it_and_has_one_id_however_often_it_is_sent(alice, alices_key):
    bundle()
    MailBundle.objects.update(due_at=timezone.now())
    bundles.post()
    delivery = Delivery.objects.get()
    for _attempt in range(2):
        sending.MailSender().send(delivery)

    first, second = (sent.message() for sent in mail.outbox)
    assert first["Message-ID"] == second["Message-ID"] == f"<{delivery.message_id}@console.example.com>"
    assert first["Auto-Submitted"] == "auto-generated"


def test_the_outbox_has_references_and_neither_names_nor_addresses(alice, alices_key):
    bundle()
    MailBundle.objects.update(due_at=timezone.now())
    bundles.post()

    delivery = Delivery.objects.get()
    assert json.loads(delivery.payload) == {"lines": [{"place": AuditEvent.objects.latest("place").place}], "count": 1}
    assert (delivery.recipient, delivery.topic, delivery.state) == (alice.iam_id, "created", State.WAITING)


# The page


def test_alice_chooses_on_her_page_which_mails_she_gets(alice, alice_client):
    User.objects.filter(pk=alice.pk).update(language="zh-hant")
    shown = page(alice_client.get(MAILS))
    assert "alice@example.com" in shown.text
    assert "繁體中文" in shown.text

    alice_client.post(MAILS, {"kind": ["created", "nonsense", "alarms"]})
    alice.refresh_from_db()
    assert {kind for kind, is_on in alice.mail_choices.items() if is_on} == {"created"}
    event = AuditEvent.objects.get(action=audit.PERSON_UPDATE)
    assert event.request_data["changed"] == "mails"
    assert "deleted" in event.request_data["off"]
    assert "What: Changed: what mails tell you" not in told_once().body  # she reads Chinese


def test_a_choice_that_changes_nothing_is_no_event(alice, alice_client):
    on = [kind.value for kind in MailKind if ABOUT[kind].is_default and not ABOUT[kind].is_fixed]
    alice_client.post(MAILS, {"kind": on})

    assert not AuditEvent.objects.filter(action=audit.PERSON_UPDATE).exists()


def test_only_administrators_are_offered_what_concerns_everybody(alice_client, dora_client):
    assert "anybody's decoy" not in alice_client.get(MAILS).content.decode().replace("&#x27;", "'")
    assert "anybody's decoy" in dora_client.get(MAILS).content.decode().replace("&#x27;", "'")


def test_an_administrator_without_an_address_is_led_to_where_it_is_added(dora, dora_client, bob_client):
    User.objects.update(email="")

    assert page(dora_client.get(MAILS)).find_all("a", href=f"/manage/users/{dora.iam_id}/")
    assert "An administrator can add it." in page(bob_client.get(MAILS)).text


def test_the_page_says_why_no_mail_comes(settings, alice, bob_client, alice_client):
    assert "does not know your e-mail address" in bob_client.get(MAILS).content.decode()
    MailRefusal.objects.create(person=alice.iam_id, address=alice.email, code=550)
    assert "refused the last mail to this address, with code 550" in alice_client.get(MAILS).content.decode()
    settings.MAILS_ARE_SENT = False
    assert "This console sends no mails" in alice_client.get(MAILS).content.decode()


def test_without_a_mail_server_no_menu_leads_to_the_page(settings, alice_client):
    assert MAILS in alice_client.get("/").content.decode()
    settings.MAILS_ARE_SENT = False

    assert MAILS not in alice_client.get("/").content.decode()
