"""Sessions that end by time: without use, and from the log-in; and those of the release before."""

from datetime import datetime, timedelta

import pytest
from django.contrib.sessions.models import Session as SessionOfBefore
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.clocks import CLOCK_TOLERANCE
from apikeys.web.forms import new_nonce
from console import sessions
from console.factors import recovery
from console.models import Session
from console.sessions import stored_key
from tests.addresses import CREATE, KEYS
from tests.conftest import NOON
from tests.markup import page
from tests.second_factors import half_logged_in, second_step
from tests.test_sessions import enter, is_logged_in, next_of, session_of, with_session

MINUTE, SECOND, MOMENT = timedelta(minutes=1), timedelta(seconds=1), timedelta(microseconds=1)
RECEIPT = f"{CREATE}receipt/"
HTMX = {"HX-Request": "true"}


def used(before: timedelta) -> datetime:
    """Have every session be used last so long ago; return when that was."""
    at = timezone.now() - before
    Session.objects.update(last_used_at=at)
    return at


def began(before: timedelta) -> None:
    Session.objects.update(began_at=timezone.now() - before)


def last_use() -> datetime:
    [at] = Session.objects.values_list("last_used_at", flat=True)
    return at


def writes_of(client: Client, address: str = KEYS) -> list[str]:
    """Return what the look at a page writes."""
    with CaptureQueriesContext(connection) as context:
        assert client.get(address).status_code == 200
    return [query["sql"] for query in context if not query["sql"].startswith("SELECT")]


# Without use


def test_an_hour_without_use_ends_a_session_and_less_does_not(alice_client):
    used(59 * MINUTE)
    assert is_logged_in(alice_client)

    used(60 * MINUTE)

    assert not is_logged_in(alice_client)


@pytest.mark.parametrize(
    ("since", "is_written"),
    [
        (MINUTE, True),
        (MINUTE - MOMENT, False),
        (-CLOCK_TOLERANCE + MOMENT, False),
        (-CLOCK_TOLERANCE, True),
    ],
)
def test_a_use_is_written_a_minute_after_the_last_one_to_the_moment(at, alice_client, since, is_written):
    alice_client.get(KEYS)
    Session.objects.update(last_used_at=NOON - since)

    alice_client.get(KEYS)

    assert last_use() == (NOON if is_written else NOON - since)


def test_a_use_is_written_for_its_session_alone(at, alice, alice_client, dora_client):
    for client in (alice_client, dora_client):
        client.get(KEYS)

    at(NOON + MINUTE)
    alice_client.get(KEYS)

    used = dict(Session.objects.values_list("user_id", "last_used_at"))
    assert used.pop(alice.pk) == NOON + MINUTE
    assert list(used.values()) == [NOON]


def test_a_session_is_there_until_an_hour_and_twelve_hours_to_the_moment(at, alice_client):
    Session.objects.update(last_used_at=NOON - 60 * MINUTE + MOMENT)
    assert is_logged_in(alice_client)
    Session.objects.update(last_used_at=NOON - 60 * MINUTE)
    assert not is_logged_in(alice_client)


def test_sessions_that_nobody_can_go_on_with_are_removed_and_no_others(at, alice_client):
    Session.objects.update(expire_date=NOON)
    sessions.forget_expired()
    assert Session.objects.exists()

    Session.objects.update(expire_date=NOON - MOMENT)
    sessions.forget_expired()

    assert not Session.objects.exists()


def test_a_session_keeps_its_beginning_its_person_and_where_it_is_used(at, alice):
    client = enter(client=Client(REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT="Mozilla/5.0 Firefox/140.0 " * 20))
    client.get(KEYS)

    row = Session.objects.get()
    assert (row.user_id, row.began_at, row.last_used_at) == (alice.pk, NOON, NOON)
    assert row.expire_date == NOON + timedelta(hours=12)
    assert (row.address, len(row.agent)) == ("192.0.2.7", 255)
    assert row.session_key == stored_key(session_of(client))
    assert len(row.session_key) == 40


def test_the_sentence_about_an_end_has_the_settings(settings):
    settings.SESSION_IDLE, settings.SESSION_COOKIE_AGE = timedelta(minutes=30), 3600

    assert sessions.ended_message() == (
        "Your session has ended. Log in again to continue. A session ends after 30 minutes without use, and "
        "1 hour after the log-in."
    )
    settings.SESSION_COOKIE_AGE = 7200
    assert sessions.ended_message().endswith("without use, and 2 hours after the log-in.")


def test_the_log_in_page_says_why_it_is_shown_and_leads_back(alice):
    client = enter()
    used(60 * MINUTE)

    login = client.get(f"{KEYS}?q=a")["Location"]
    told = page(client.get(login)).find(class_="toasts").text
    again = page(client.get(login.replace("&ended=1", ""))).text

    assert "A session ends after 60 minutes without use, and 12 hours after the log-in." in told
    assert next_of(login) == f"{KEYS}?q=a"
    assert "has ended" not in again


def test_a_part_of_a_page_is_answered_with_the_way_to_that_page(alice_client):
    used(60 * MINUTE)

    answer = alice_client.get(KEYS, headers=HTMX | {"HX-Current-URL": f"http://testserver{KEYS}?q=a"})

    assert (answer.status_code, answer.content) == (401, b"")
    assert answer["HX-Redirect"].endswith("&ended=1")
    assert next_of(answer["HX-Redirect"]) == f"{KEYS}?q=a"


def test_nothing_is_said_of_an_end_to_somebody_who_had_no_session_and_nothing_is_written(client, db):
    stranger = with_session("x" * 32)

    assert "ended" not in client.get(KEYS)["Location"]
    assert "ended" in stranger.get(KEYS)["Location"]
    assert not Session.objects.exists()


def test_the_cookie_does_not_bring_a_session_back(alice_client):
    key = session_of(alice_client)
    used(60 * MINUTE)
    alice_client.get(KEYS)

    assert not is_logged_in(with_session(key))


def test_a_use_begins_the_time_anew(alice_client):
    before = used(59 * MINUTE)

    alice_client.get(KEYS)

    assert last_use() - before > 58 * MINUTE


def test_a_use_is_written_once_a_minute_and_a_page_within_it_writes_nothing(alice_client):
    used(61 * SECOND)

    first, second = writes_of(alice_client), writes_of(alice_client)

    [written] = first
    assert "UPDATE" in written and "last_used_at" in written
    assert second == []


def test_of_two_requests_at_once_one_writes(alice_client):
    used(10 * MINUTE)
    stores = [alice_client.session, alice_client.session]
    for store in stores:
        store.load()

    stores[0].renew()
    first = last_use()
    stores[1].renew()

    assert last_use() == first


def test_a_page_is_shown_though_its_use_cannot_be_written(alice_client, monkeypatch):
    used(10 * MINUTE)

    def fails(*_arguments, **_columns):
        raise DatabaseError("the disk is full")

    monkeypatch.setattr("django.db.models.query.QuerySet.update", fails)

    assert is_logged_in(alice_client)


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_what_a_page_asks_by_itself_is_no_use(alice_client, headers):
    before = used(30 * MINUTE)

    answer = alice_client.post(RECEIPT, {"nonce": new_nonce()}, headers=headers)

    assert answer.status_code in (204, 303)
    assert last_use() == before


def test_a_receipt_of_a_session_that_has_ended_is_refused(alice_client):
    used(60 * MINUTE)

    answer = alice_client.post(RECEIPT, {"nonce": new_nonce()}, headers=HTMX)

    assert answer.status_code == 401


def test_a_session_says_from_where_and_with_what_it_is_used(alice):
    client = Client(REMOTE_ADDR="192.0.2.7", headers={"User-Agent": "Mozilla/5.0 Gecko/1 " + "x" * 300})
    enter(client=client)
    used(5 * MINUTE)
    client.defaults["REMOTE_ADDR"] = "2001:db8::7"

    client.get(KEYS)

    session = Session.objects.get()
    assert (session.user_id, session.address) == (alice.pk, "2001:db8::7")
    assert session.agent and len(session.agent) <= 255
    assert session.began_at is not None and session.last_used_at - session.began_at < MINUTE


def test_a_value_in_the_place_of_a_browsers_name_is_not_kept(alice, alices_key):
    enter(client=Client(headers={"User-Agent": alices_key.value}))

    assert alices_key.value not in str(Session.objects.get().agent)


# From the log-in


def test_twelve_hours_end_a_session_however_it_is_used(alice_client):
    began(12 * 60 * MINUTE)

    assert not is_logged_in(alice_client)


def test_a_shorter_time_holds_for_sessions_that_are_there(alice_client, settings):
    began(2 * 60 * MINUTE)
    assert is_logged_in(alice_client)

    settings.SESSION_COOKIE_AGE = 2 * 60 * 60

    assert not is_logged_in(alice_client)


# How many


def test_a_log_in_beyond_the_limit_ends_the_session_that_began_first(alice, bob, settings):
    settings.SESSIONS_PER_PERSON = 2
    bobs = enter(bob.username)

    clients = [enter() for _number in range(3)]

    assert [is_logged_in(client) for client in clients] == [False, True, True]
    assert is_logged_in(bobs)


def test_a_session_that_ended_by_time_takes_no_place(alice, settings):
    settings.SESSIONS_PER_PERSON = 2
    first, second = enter(), enter()
    Session.objects.exclude(session_key=stored_key(session_of(first))).update(last_used_at=timezone.now() - 61 * MINUTE)

    third = enter()

    assert [is_logged_in(client) for client in (first, second, third)] == [True, False, True]


def test_sessions_from_before_the_clock_was_set_back_do_not_keep_alice_out(alice, settings):
    settings.SESSIONS_PER_PERSON = 1
    enter()
    began(-60 * MINUTE)

    assert is_logged_in(enter())


def test_a_limit_that_is_new_ends_nothing_before_the_next_log_in(alice, settings):
    clients = [enter(), enter()]

    settings.SESSIONS_PER_PERSON = 1
    session = clients[1].session
    session["kept"] = "something"
    session.save()

    assert all(is_logged_in(client) for client in clients)


def test_a_log_in_with_a_second_factor_ends_the_oldest_session_too(alice, settings):
    settings.SESSIONS_PER_PERSON = 1
    first, (code, *_rest) = enter(), recovery.renew(alice)
    second = half_logged_in(alice)
    assert is_logged_in(first)

    second_step(second, code)

    assert [is_logged_in(client) for client in (first, second)] == [False, True]


# Clocks


def test_a_clock_that_is_set_back_ends_nothing_and_the_next_use_counts_from_it(alice_client):
    used(-60 * MINUTE)

    assert is_logged_in(alice_client)

    assert abs(timezone.now() - last_use()) < MINUTE


def test_servers_whose_clocks_differ_do_not_write_in_turn(alice_client):
    used(-50 * SECOND)

    assert writes_of(alice_client) == []


def test_a_use_more_than_a_day_ahead_is_an_end(alice_client):
    used(-timedelta(days=1) - MINUTE)

    assert not is_logged_in(alice_client)


# The release before


def test_a_session_of_the_release_before_goes_on_and_is_completed(alice_client, alice):
    Session.objects.update(user_id=None, began_at=None, last_used_at=None, address=None, agent=None)

    assert is_logged_in(alice_client)

    session = Session.objects.get()
    assert (session.user_id, session.address) == (alice.pk, "127.0.0.1")
    assert timezone.now() - session.began_at < MINUTE
    assert writes_of(alice_client) == []


def test_what_the_release_before_writes_keeps_what_this_one_knows(alice_client, alice):
    [kept] = Session.objects.values("user_id", "began_at", "last_used_at")
    row = SessionOfBefore.objects.get()

    row.save(force_update=True)

    assert Session.objects.values("user_id", "began_at", "last_used_at").get() == kept
    assert is_logged_in(alice_client)


def test_a_session_of_the_release_before_that_is_twelve_hours_old_has_ended(alice_client):
    Session.objects.update(began_at=None, last_used_at=None, expire_date=timezone.now())

    assert not is_logged_in(alice_client)


@pytest.mark.django_db(transaction=True)
def test_sessions_live_through_the_upgrade(alice_client):
    MigrationExecutor(connection).migrate([("console", "0003_people")])
    executor = MigrationExecutor(connection)

    executor.migrate(executor.loader.graph.leaf_nodes())

    assert Session.objects.get().user_id is None
    assert is_logged_in(alice_client)
