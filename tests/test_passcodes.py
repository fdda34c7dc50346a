"""One-time passcodes: how somebody with a second factor logs in to the command line."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import connections
from django.test import Client
from django.utils import timezone

from apikeys import audit
from apikeys.audit import counted
from apikeys.clocks import CLOCK_TOLERANCE
from apikeys.iam.claims import claims_of
from apikeys.iam.oauth import GRANT_PASSCODE
from apikeys.identity import log_ins, tokens
from apikeys.models import AuditEvent, RefreshToken
from console.active_sessions.sessions import end, end_all
from console.factors import enrolled, passcodes
from console.factors.models import Passcode
from console.models import Session, User
from console.people import changes, links
from console.sessions import stored_key
from tests.cast import PASSWORD
from tests.conftest import NOON, caller_for
from tests.markup import page
from tests.second_factors import give_app
from tests.test_sessions import session_of
from tests.threads import at_once

PAGE, TOKEN = "/account/passcode/", "/identity/token"
OTHER_PASSWORD = "staple battery horse correct"
CLIENT = {"HTTP_AUTHORIZATION": "Basic Yng6Yng="}


def made(person) -> str:
    """Return a passcode that a new session of somebody makes."""
    client = Client()
    client.force_login(person)
    return passcodes.make(person, stored_key(session_of(client)))


def used(passcode: str) -> User | None:
    return passcodes.use(passcode, lambda _person: None)


def exchange(passcode: str, scope: str = "", **more):
    form = {"grant_type": GRANT_PASSCODE, "passcode": passcode, "scope": scope}
    return Client().post(TOKEN, form, **(CLIENT | more))


def by_password(person, client: Client | None = None):
    form = {"grant_type": "password", "username": person.username, "password": PASSWORD}
    return (client or Client()).post(TOKEN, form, **CLIENT)


def refresh(token: str):
    return Client().post(TOKEN, {"grant_type": "refresh_token", "refresh_token": token}, **CLIENT)


def test_alice_makes_a_passcode_and_logs_in_with_it_once(alice, alice_client):
    passcode = page(alice_client.post(PAGE)).find(id="passcode").text

    first, again = exchange(passcode), exchange(passcode)

    assert first.status_code == 200
    token = first.json()["access_token"]
    assert Client().get("/identity/userinfo", headers={"Authorization": f"Bearer {token}"}).json()["name"] == str(alice)
    assert (again.status_code, again.json()["errorCode"]) == (400, "BXNIM0605E")


def test_the_page_makes_none_by_itself_and_shows_it_to_no_cache(alice_client, alice):
    opened, made = alice_client.get(PAGE), alice_client.post(PAGE)

    assert page(opened).find_all(id="passcode") == []
    assert made["Cache-Control"] == "no-store"
    assert Passcode.objects.count() == 1


def test_a_passcode_is_kept_as_a_hash_and_ends_after_two_minutes(alice):
    passcode = made(alice)

    assert passcode not in str([*Passcode.objects.values()])
    Passcode.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    assert exchange(passcode).status_code == 400
    passcodes.forget_ended()
    assert not Passcode.objects.exists()


def test_a_passcode_that_the_release_before_made_works_and_what_is_no_text_is_none(at, alice):
    digest = "f39dac6cbaba535e2c207cd0cd8f154974223c848f727f98b3564cea569b41cf"
    Passcode.objects.create(digest=digest, user=alice, ends_at=NOON + timedelta(minutes=1))

    assert used("\ud800") is None
    assert used("ABCDEFGHIJKLMNOP") == alice


def test_a_passcode_works_for_two_minutes_to_the_moment(at, alice):
    lifetime, moment = timedelta(minutes=2), timedelta(microseconds=1)

    code = made(alice)
    assert re.fullmatch("[a-z2-7]{24}", code)
    at(NOON + lifetime - moment)
    assert used(f" {code.upper()}\n") == alice
    assert used(code) is None

    at(NOON)
    code = made(alice)
    at(NOON + lifetime)
    assert used(code) is None
    passcodes.forget_ended()
    assert Passcode.objects.exists()
    at(NOON + lifetime + moment)
    passcodes.forget_ended()
    assert not Passcode.objects.exists()


def test_a_passcode_from_further_ahead_than_clocks_differ_does_not_work(at, alice):
    for ahead, found in ((timedelta(0), alice), (timedelta(microseconds=1), None)):
        at(NOON + CLOCK_TOLERANCE + ahead)
        code = made(alice)
        at(NOON)
        assert used(code) == found


def test_another_passcode_ends_the_one_before(alice):
    before, now = made(alice), made(alice)

    assert [exchange(code).status_code for code in (before, now)] == [400, 200]


@pytest.mark.django_db(transaction=True)
def test_of_many_who_send_one_passcode_at_once_one_gets_tokens(alice):
    passcode = made(alice)

    answers = at_once(4, lambda: exchange(passcode).status_code)

    assert sorted(answers) == [200, 400, 400, 400]


def test_a_passcode_of_somebody_who_was_deactivated_does_not_work(alice):
    passcode = made(alice)
    alice.is_active = False
    alice.save()

    assert exchange(passcode).status_code == 400


@pytest.mark.parametrize("what", ["another password", "a link", "a factor", "the sessions", "deactivation"])
def test_a_passcode_ends_with_what_its_session_ends_with(alice, dora, what):
    passcode = made(alice)

    if what == "another password":
        alice.set_password(OTHER_PASSWORD)
        alice.save()
    elif what == "a link":
        links.use(changes.new_link(caller_for(dora), alice.iam_id).code, make_password(OTHER_PASSWORD))
    elif what == "a factor":
        enrolled.end_sessions(alice)
    elif what == "the sessions":
        end_all(caller_for(alice), alice)
    else:
        for active in (False, True):
            changes.set_active(caller_for(dora), alice.iam_id, active=active)

    assert exchange(passcode).status_code == 400


@pytest.mark.parametrize("what", ["its end", "a log-out", "an hour without use"])
def test_a_passcode_ends_with_the_session_that_made_it_and_with_no_other(alice, bob, alice_client, what):
    passcode, of_another = page(alice_client.post(PAGE)).find(id="passcode").text, made(bob)
    made_by = stored_key(session_of(alice_client))

    if what == "its end":
        end(caller_for(alice), alice, made_by)
    elif what == "a log-out":
        alice_client.post("/logout/")
    else:
        Session.objects.filter(session_key=made_by).update(last_used_at=timezone.now() - timedelta(hours=1))

    assert [exchange(code).status_code for code in (passcode, of_another)] == [400, 200]


def test_a_passcode_that_was_under_way_while_its_session_ended_does_not_work(alice, alice_client):
    made_by = stored_key(session_of(alice_client))
    end_all(caller_for(alice), alice)

    late = passcodes.make(alice, made_by)

    assert exchange(late).status_code == 400


def test_none_is_made_for_who_came_in_with_another_password(alice, dora, alice_client):
    came_in = User.objects.get(pk=alice.pk)
    links.use(changes.new_link(caller_for(dora), alice.iam_id).code, make_password(OTHER_PASSWORD))

    with pytest.raises(SessionInterrupted):
        passcodes.make(came_in, stored_key(session_of(alice_client)))

    assert not Passcode.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_whoever_ends_all_log_ins_ends_the_one_that_a_passcode_begins_meanwhile(alice, monkeypatch):
    passcode, issue, ended = made(alice), tokens.issue, []

    def end_meanwhile() -> None:
        end_all(caller_for(alice), alice)
        connections.close_all()

    def issue_late(*arguments, **keywords):
        ended.append(pool.submit(end_meanwhile))
        with pytest.raises(TimeoutError):  # it waits, until the log-in has begun
            ended[0].result(0.2)
        return issue(*arguments, **keywords)

    monkeypatch.setattr(tokens, "issue", issue_late)
    with ThreadPoolExecutor(1) as pool:
        answer = exchange(passcode)
        ended[0].result()

    assert log_ins.log_ins_of(alice) == []
    assert refresh(answer.json()["refresh_token"]).status_code == 400


def test_a_passcode_whose_scope_is_refused_works_on_and_costs_no_attempt(alice):
    passcode = made(alice)

    assert [exchange(passcode, scope).status_code for scope in ["nonsense"] * 6 + ["apikeys:read"]] == [400] * 6 + [200]


def test_guesses_are_counted_for_an_address(alice):
    answers = [exchange("guess", REMOTE_ADDR="192.0.2.8").status_code for _ in range(6)]

    assert answers == [400] * 5 + [429]
    assert exchange(made(alice), REMOTE_ADDR="192.0.2.9").status_code == 200


def test_a_colleagues_wrong_passcodes_keep_nobody_out_of_an_office(alice):
    wrong = [exchange(f"wrong {number}", REMOTE_ADDR="192.0.2.8").status_code for number in range(9)]

    assert wrong == [400] * 9
    assert exchange(made(alice), REMOTE_ADDR="192.0.2.8").status_code == 200


def test_wrong_passcodes_are_counted_for_an_address_however_they_differ(alice, settings):
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 6

    answers = [exchange(f"wrong {number}", REMOTE_ADDR="192.0.2.8").status_code for number in range(7)]

    assert answers == [400] * 6 + [429]


def test_a_passcode_needs_the_client_of_a_command_line(alice):
    passcode = made(alice)

    assert exchange(passcode, HTTP_AUTHORIZATION="").status_code == 401
    assert exchange(passcode).status_code == 200


def test_a_passcode_that_is_no_text_of_ours_is_refused(db):
    assert [exchange(text).status_code for text in ("", "\0", "🔑", "x" * 4000)] == [400] * 4


# Who has a second factor


def test_the_password_of_somebody_with_a_factor_gets_no_token_but_a_sentence(alice, bob):
    give_app(alice)

    alices, bobs = by_password(alice), by_password(bob)

    assert (alices.status_code, alices.json()["errorCode"]) == (401, "BXNIM0400E")
    assert "Log in with a one-time passcode" in alices.json()["errorMessage"]
    assert bobs.status_code == 200


def test_a_wrong_password_is_told_of_passcodes_where_people_log_in_by_single_sign_on(alice, settings):
    form = {"grant_type": "password", "username": "alice", "password": "wrong"}

    sentences = []
    for settings.OIDC_ISSUER in ("", "https://login.example.com"):
        sentences.append(Client().post(TOKEN, form, **CLIENT).json()["errorMessage"])

    assert ["one-time passcode" in sentence for sentence in sentences] == [False, True]


def test_whoever_has_the_password_alone_is_noted(alice, bob):
    counted._notes.cache_clear()

    for person in (alice, bob):
        give_app(person)
        by_password(person)

    counted.write()
    events = AuditEvent.objects.filter(reason="PasscodeNeeded")
    assert {(event.action, event.outcome, event.initiator_id) for event in events} == {
        (audit.LOG_IN, audit.FAILURE, "")
    }
    assert {(event.target_id, event.target_name) for event in events} == {
        (person.iam_id, person.username) for person in (alice, bob)
    }


def test_neither_does_that_of_somebody_who_must_have_one(alice, settings):
    settings.SECOND_FACTOR = "everybody"

    assert by_password(alice).status_code == 401


def test_what_a_password_brought_is_not_renewed_once_a_factor_is_demanded(alice, settings):
    tokens = by_password(alice).json()
    settings.SECOND_FACTOR = "everybody"

    answers = [refresh(tokens["refresh_token"]).status_code for _ in range(2)]

    assert answers == [400, 400]
    give_app(alice)
    assert refresh(exchange(made(alice)).json()["refresh_token"]).status_code == 200


def test_tokens_of_a_passcode_are_renewed_and_end_with_the_sessions(alice):
    give_app(alice)
    tokens = exchange(made(alice)).json()

    renewed = refresh(tokens["refresh_token"]).json()
    enrolled.end_sessions(alice)

    refused = refresh(renewed["refresh_token"])
    bearer = {"Authorization": f"Bearer {renewed['access_token']}"}
    assert (refused.status_code, Client().get("/v1/apikeys", headers=bearer).status_code) == (400, 401)


def test_what_a_password_brought_is_not_renewed_where_passwords_bring_nothing_any_more(alice, bob, settings):
    of_a_password, of_a_passcode = by_password(alice).json(), exchange(made(bob)).json()
    settings.PASSWORD_GRANT = False

    refused, renewed = refresh(of_a_password["refresh_token"]), refresh(of_a_passcode["refresh_token"]).json()

    assert (refused.status_code, refused.json()["errorCode"]) == (400, "BXNIM0407E")
    again = refresh(renewed["refresh_token"]).json()
    grants = {claims_of(tokens["access_token"])["grant_type"] for tokens in (of_a_passcode, renewed, again)}
    assert grants == {GRANT_PASSCODE}


def test_a_log_in_from_before_the_upgrade_is_renewed(alice, settings):
    tokens = by_password(alice).json()
    RefreshToken.objects.update(grant=None)
    settings.PASSWORD_GRANT = False

    renewed = refresh(tokens["refresh_token"]).json()

    assert claims_of(renewed["access_token"])["grant_type"] == "password"


def test_discovery_says_where_passcodes_are_made(client, db):
    found = client.get("/identity/.well-known/openid-configuration").json()

    assert found["passcode_endpoint"] == f"http://localhost:8000{PAGE}"
    assert GRANT_PASSCODE in found["grant_types_supported"]
