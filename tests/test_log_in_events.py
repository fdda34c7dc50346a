"""Who came in, who went, and who was refused: each in the audit, and no stranger fills it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic

import pyotp
import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils import timezone

from apikeys import audit
from apikeys.audit import counted
from apikeys.domain import Caller
from apikeys.exceptions import ApiKeyNotFound
from apikeys.iam import oauth
from apikeys.identity import peppers, signing
from apikeys.models import AuditEvent, PepperFingerprint
from apikeys.scopes import READ
from apikeys.services import keys
from apikeys.values import Peppers
from console.factors import totp
from console.factors.models import Authenticator
from console.log_in import events as log_in_events
from console.models import User
from tests.addresses import UNKNOWN_ID
from tests.cast import PASSWORD
from tests.conftest import caller_for, program_of
from tests.stores import accept_rows_of, refuse_rows_of
from tests.test_limited_keys import program_of_key

LOGIN = "/login/"
RULES = "/manage/rules/"


@pytest.fixture(autouse=True)
def nothing_noted():
    counted._notes.cache_clear()
    yield
    counted._notes.cache_clear()


def events(**fields: object) -> list[AuditEvent]:
    counted.write()
    return list(AuditEvent.objects.filter(**fields).order_by("event_time", "id"))


@contextmanager
def fails_at_its_end() -> Iterator[None]:
    with transaction.Atomic(using=None, savepoint=True, durable=False):
        yield
        raise DatabaseError("the disk is full")


def log_in(username: str, password: str = PASSWORD, **headers: str) -> Client:
    client = Client()
    client.post(LOGIN, {"username": username, "password": password}, **headers)
    return client


def test_a_log_in_and_the_log_out_are_events_of_the_person(alice):
    log_in("alice", HTTP_USER_AGENT="Firefox/140").post("/logout/")

    came, went = events(initiator_id=alice.iam_id)
    assert (came.action, came.outcome, came.severity) == (audit.LOG_IN, "success", "normal")
    assert (came.target_id, came.target_name) == (alice.iam_id, "alice")
    assert (came.address, came.agent) == ("127.0.0.1", "Firefox/140")
    assert len(came.correlation_id) == 32
    assert (went.action, went.outcome) == (audit.LOG_OUT, "success")


def test_the_event_of_a_log_in_tells_whether_the_person_had_logged_in_with_this_browser_before(alice, bob):
    browser = Client()
    for username in ("alice", bob.username, "ALICE"):
        browser.post(LOGIN, {"username": username.lower(), "password": PASSWORD})
        browser.post("/logout/")
    log_in("alice")

    came = events(action=audit.LOG_IN, outcome="success")
    assert [event.request_data for event in came] == [
        {"new_device": True},
        {"new_device": True},
        {},
        {"new_device": True},
    ]


def test_a_wrong_password_tells_whose_account_was_tried(alice):
    log_in("alice", "wrong")

    [event] = events()
    assert (event.action, event.outcome, event.severity) == (audit.LOG_IN, "failure", "warning")
    assert (event.reason, event.initiator_id) == ("PasswordRefused", "")
    assert (event.target_id, event.target_name) == (alice.iam_id, "alice")


def test_what_nobody_is_called_is_not_written_because_it_may_be_a_password(alice):
    log_in("my secret pass phrase", "wrong")

    [event] = events()
    assert (event.target_id, event.target_name, event.request_data) == ("", "", {})


def test_refused_log_ins_cost_no_statement_in_the_request(alice, django_assert_num_queries):
    with django_assert_num_queries(0):
        for _attempt in range(3):
            counted.note(Caller(audit.NOBODY, "192.0.2.1"), audit.LOG_IN, reason="PasswordRefused", subject="alice")


def test_the_first_refusal_is_told_and_the_others_are_counted(alice, monkeypatch):
    for _attempt in range(4):
        log_in("alice", "wrong")
    assert len(events()) == 1
    over = monotonic() + counted.WINDOW_SECONDS + 1
    monkeypatch.setattr(counted, "monotonic", lambda: over)

    first, others = events()
    assert first.request_data == {}
    assert (others.request_data, others.target_id) == ({"times": 3}, alice.iam_id)
    assert len(events()) == 2


def test_strangers_with_many_user_ids_and_addresses_make_few_rows(db):
    for number in range(2000):
        caller = Caller(audit.NOBODY, f"2001:db8:{number % 700:x}::{number:x}")
        counted.note(caller, audit.LOG_IN, reason="PasswordRefused", subject=f"user{number}")

    assert len(events()) <= counted.MOST + 1


def test_one_stranger_makes_no_more_than_a_few_rows(db):
    for number in range(1000):
        caller = Caller(audit.NOBODY, f"2001:db8:1:2::{number:x}")
        counted.note(caller, audit.LOG_IN, reason="PasswordRefused", subject=f"user{number}")

    assert len(events()) <= counted.MOST_OF_NETWORK + 1


def test_no_noise_hides_whose_account_is_attacked(alice, monkeypatch):
    monkeypatch.setattr(counted, "MOST", 30)
    for number in range(60):
        caller = Caller(audit.NOBODY, f"2001:db8:0:{number // 30:x}::1")
        counted.note(caller, audit.LOG_IN, reason="PasswordRefused", subject=f"user {number}")
        log_in_events.record(caller, audit.LIMIT, f"user {number}", reason="TooManyAttempts")
        if number % 20 == 19:
            counted.write()
    log_in_events.record(caller, audit.LIMIT, "alice", reason="TooManyAttempts")

    assert len(events(action=audit.LIMIT, target_id=alice.iam_id)) == 1


def test_limits_at_user_ids_that_nobody_has_are_counted_together(alice):
    caller = Caller(audit.NOBODY, "192.0.2.1")
    for user_id in ("alice", "mallory", "alise", "alcie"):
        log_in_events.record(caller, audit.LIMIT, user_id, reason="TooManyAttempts")
    counted.write_at_end()

    told = [(event.target_name, event.request_data) for event in events(action=audit.LIMIT)]
    assert sorted(told, key=str) == [("", {"times": 2}), ("", {}), ("alice", {})]


def test_limits_have_room_for_as_many_as_everything_else(db):
    for number in range(2000):
        caller = Caller(audit.NOBODY, f"2001:db8:{number % 700:x}::1")
        find = partial(counted.Target, f"IBMid-{number}")
        counted.note_limit(caller, audit.LIMIT, reason="TooManyAttempts", subject=f"user {number}", find=find)

    assert len(events()) <= counted.MOST + 1


def test_what_is_too_long_for_a_user_id_is_not_kept(alice):
    caller = Caller(audit.NOBODY, "192.0.2.1")
    longest = User(username="x" * 150, account=alice.account)
    longest.save()
    for typed in ("y" * 100_000, "z" * 100_000, longest.username):
        log_in_events.record(caller, audit.LOG_IN, typed, reason="PasswordRefused")

    kept = [noted.find.args for noted in counted._notes(counted.Notes).noted.values()]
    assert kept == [("",), (longest.username,)]
    assert [event.target_name for event in events()] == ["", longest.username]


def test_nobody_is_logged_in_whose_log_in_can_not_be_audited(alice, monkeypatch):
    def refuse(*_arguments: object, **_data: object) -> None:
        raise DatabaseError("the disk is full")

    client = Client(raise_request_exception=False)
    monkeypatch.setattr(log_in_events.audit, "record", refuse)
    answer = client.post(LOGIN, {"username": "alice", "password": PASSWORD})

    assert answer.status_code >= 500
    assert client.get("/").status_code == 302


def test_the_limit_is_an_event_of_its_own(alice, settings):
    settings.LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS = 1
    for _attempt in range(3):
        log_in("alice", "wrong")

    [event] = events(action=audit.LIMIT)
    assert (event.severity, event.reason, event.target_id) == ("critical", "TooManyAttempts", alice.iam_id)


def test_the_limit_of_guesses_by_a_program_names_whose_account_is_tried_too(alice, client, settings):
    settings.LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS = 1
    guess = {"grant_type": oauth.GRANT_PASSWORD, "username": "alice", "password": "wrong"}

    statuses = [
        client.post("/identity/token", guess, headers={"Authorization": "Basic Yng6Yng="}).status_code for _ in range(3)
    ]

    assert statuses == [401, 429, 429]
    [event] = events(action=audit.LIMIT)
    assert (event.reason, event.target_id) == ("TooManyAttempts", alice.iam_id)


def test_the_limit_is_one_wherever_it_is_met(alice, alice_client, settings):
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = settings.LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS = 1
    met = {"192.0.2.1": "/password/", "192.0.2.2": "/password/choose/", "192.0.2.3": "/login/passkey/use/"}

    for address, path in met.items():
        form = {"old_password": "wrong", "code": "wrong"}
        statuses = [alice_client.post(path, form, REMOTE_ADDR=address).status_code for _ in range(2)]
        assert (statuses[0] != 429, statuses[1]) == (True, 429), path

    assert {event.address for event in events(action=audit.LIMIT)} == {*met}


def test_a_wrong_current_password_and_a_link_that_is_none_are_events(alice, alice_client, client):
    alice_client.post("/password/", {"old_password": "wrong", "new_password1": "x", "new_password2": "x"})
    client.post("/password/choose/", {"code": "no code of a link"}, REMOTE_ADDR="192.0.2.1")

    wrong, unknown = events(action=audit.PERSON_PASSWORD)
    assert (wrong.reason, wrong.initiator_id, wrong.target_id) == ("PasswordRefused", alice.iam_id, alice.iam_id)
    assert (unknown.reason, unknown.initiator_id, unknown.target_id) == ("LinkEnded", "", "")


def test_a_password_exchanged_for_a_token_is_a_log_in(client, alice):
    form = {"grant_type": oauth.GRANT_PASSWORD, "username": "alice", "password": PASSWORD}
    assert client.post("/identity/token", form, headers={"Authorization": "Basic Yng6Yng="}).status_code == 200

    [event] = events(action=audit.LOG_IN)
    assert (event.initiator_id, event.request_data) == (alice.iam_id, {"by": "password grant"})


def test_a_forged_form_is_an_event(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.post("/manage/security/apikeys/create/", {"name": "x"}).status_code == 403

    [event] = events(action=audit.CSRF)
    assert (event.outcome, event.initiator_id) == ("failure", alice.iam_id)


def test_what_bob_may_not_do_is_one_event_on_a_page_and_in_the_api(bob, bob_client):
    assert bob_client.get(RULES).status_code == 403
    assert program_of(bob).get("/v1/apikeys?scope=account&account_id=x").status_code in (400, 403)

    denied = events(action=audit.DENIED)
    assert {(event.initiator_id, event.severity, event.outcome) for event in denied} == {
        (bob.iam_id, "critical", "failure")
    }
    assert denied[0].target_name == f"GET {RULES}"


def test_a_program_whose_scope_is_too_narrow_is_named_in_the_event(bob, create_key):
    narrow = program_of_key(create_key(bob, scope=READ))

    assert narrow.post("/v1/apikeys", {"name": "x"}, content_type="application/json").status_code == 403

    [event] = events(action=audit.DENIED)
    assert (event.initiator_id, event.reason, event.target_name) == (
        bob.iam_id,
        "ScopeInsufficient",
        "POST /v1/apikeys",
    )


@pytest.mark.parametrize("read", [keys.get_api_key, keys.get_details])
def test_bob_asking_for_alices_key_is_an_event_and_for_none_is_not(bob, alices_key, read):
    for key_id in (UNKNOWN_ID, alices_key.key.id, "not an id"):
        with pytest.raises(ApiKeyNotFound):
            read(caller_for(bob), key_id)

    [event] = events(action=audit.READ)
    assert (event.initiator_id, event.severity) == (bob.iam_id, "critical")
    assert (event.target_id, event.target_name) == (alices_key.key.crn, "terraform")


def test_a_new_signing_key_and_a_second_pepper_are_events(db, settings):
    assert not events()
    signing.rotate()
    settings.APIKEYS_PEPPERS = Peppers(settings.APIKEYS_PEPPERS.by_number | {2: b"2" * 32})
    peppers.save_fingerprints()
    peppers.save_fingerprints()

    assert [event.action for event in events()] == [audit.SIGNING_KEY_CREATE, audit.PEPPER_CREATE]
    assert PepperFingerprint.objects.count() == 2


@pytest.mark.parametrize("fault", ["at the last event", "at the commit"])
def test_a_fault_of_the_database_loses_no_refusal(alice, bob, monkeypatch, fault):
    for user_id in ("alice", "alice", bob.username):
        log_in(user_id, "wrong")
    if fault == "at the commit":
        monkeypatch.setattr(counted.transaction, "atomic", fails_at_its_end)
    else:
        refuse_rows_of("apikeys_auditevent", f"NEW.target_id = '{bob.iam_id}'")
    with pytest.raises(DatabaseError):
        counted.write()
    monkeypatch.undo()
    if fault == "at the last event":
        accept_rows_of("apikeys_auditevent")

    assert [event.target_id for event in events()] == [alice.iam_id, bob.iam_id]
    counted.write_at_end()
    assert [event.request_data for event in events(target_id=alice.iam_id)] == [{}, {"times": 1}]


def test_right_passwords_without_the_factor_are_one_event_and_then_a_number(alice):
    Authenticator.objects.create(user=alice, sealed=totp.seal(totp.new_secret(), alice))

    for _ in range(4):
        log_in("alice")
    log_in("alice", REMOTE_ADDR="192.0.2.1")

    assert len(events()) == 2, "one of each network"
    counted.write_at_end()
    ended = events()
    assert {(event.action, event.outcome, event.initiator_id) for event in ended} == {
        (audit.FIRST_STEP, "success", alice.iam_id)
    }
    assert sorted(event.request_data.get("times", 1) for event in ended) == [1, 1, 3]


def test_a_limit_at_the_second_step_has_the_reason_of_any_other(alice):
    Authenticator.objects.create(user=alice, sealed=totp.seal(totp.new_secret(), alice))
    client = log_in("alice")

    statuses = [client.post("/login/second/", {"code": "nonsense"}).status_code for _ in range(6)]

    assert statuses == [422] * 5 + [429]
    assert [event.reason for event in events(action=audit.LIMIT)] == ["TooManyAttempts"]


def test_a_wrong_code_and_the_right_one_are_events_of_the_person(alice):
    secret = totp.new_secret()
    Authenticator.objects.create(user=alice, sealed=totp.seal(secret, alice))
    client = log_in("alice")
    client.post("/login/second/", {"code": "nonsense"})

    first, refused = events(target_id=alice.iam_id)
    assert (first.action, first.outcome, first.initiator_id) == (audit.FIRST_STEP, "success", alice.iam_id)
    assert (refused.action, refused.reason, refused.initiator_id) == (audit.LOG_IN, "ProofRefused", "")
    client.post("/login/second/", {"code": pyotp.TOTP(secret).at(timezone.now())})

    assert [event.outcome for event in events(action=audit.LOG_IN)] == ["failure", "success"]
