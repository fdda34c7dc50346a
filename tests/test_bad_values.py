"""Values that are no key's: who sends many is told to wait, and nobody else."""

import base64
import secrets
from contextlib import suppress

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apikeys.api import bad_values
from apikeys.exceptions import TooManyAttempts, ValueNotFound
from tests.threads import at_once

TOKEN, INTROSPECT = "/identity/token", "/identity/introspect"
GRANT = "urn:ibm:params:oauth:grant-type:apikey"
LIMIT = 4


@pytest.fixture(autouse=True)
def limit(settings):
    bad_values.forget()
    settings.BAD_VALUES_PER_MINUTE = LIMIT
    yield
    bad_values.forget()


def exchange(value: str, address: str = "192.0.2.1"):
    return Client().post(TOKEN, {"grant_type": GRANT, "apikey": value}, REMOTE_ADDR=address)


def introspect(value: str, caller: str, address: str = "192.0.2.1", **fields: str):
    basic = base64.b64encode(f"apikey:{caller}".encode()).decode()
    form = {"apikey": value} | fields
    return Client().post(INTROSPECT, form, REMOTE_ADDR=address, headers={"Authorization": f"Basic {basic}"})


def bad() -> str:
    return secrets.token_urlsafe(33)


def flood(address: str = "192.0.2.1") -> list[int]:
    return [exchange(bad(), address).status_code for _ in range(LIMIT + 2)]


def test_many_bad_values_from_one_address_are_told_when_to_come_back(db):
    assert flood() == [400] * LIMIT + [429] * 2

    answer = exchange(bad())

    assert 0 < int(answer["Retry-After"]) <= bad_values.WINDOW_SECONDS
    assert answer.json()["errorCode"] == "too_many_requests"


def test_beyond_the_limit_the_database_is_not_asked(db):
    flood()

    with CaptureQueriesContext(
        connection,
    ) as asked:
        exchange(bad())

    assert len(asked) == 0


def test_others_are_not_told_to_wait(alices_key):
    flood("198.51.100.9")

    assert exchange(alices_key.value, "192.0.2.1").status_code == 200
    assert exchange(bad(), "192.0.2.1").status_code == 400


def test_a_program_behind_the_same_address_goes_on(alices_key):
    assert exchange(alices_key.value).status_code == 200
    flood()

    assert {exchange(alices_key.value).status_code for _ in range(LIMIT * 3)} == {200}


def test_a_program_that_is_new_behind_the_address_comes_in_with_the_next_minute(alices_key, monkeypatch):
    flood()
    assert exchange(alices_key.value).status_code == 429

    monkeypatch.setattr(bad_values, "_ends_at", 0.0)

    assert exchange(alices_key.value).status_code == 200


def test_good_values_use_nothing_up(alices_key):
    assert [exchange(alices_key.value).status_code for _ in range(LIMIT * 2)] == [200] * LIMIT * 2

    assert flood() == [400] * LIMIT + [429] * 2


def test_a_value_that_was_good_and_has_ended_counts_like_any_other(alice, alices_key):
    exchange(alices_key.value)
    alice.is_active = False
    alice.save()

    assert [exchange(alices_key.value).status_code for _ in range(LIMIT + 2)] == [400] * (LIMIT + 1) + [429]


def test_introspection_counts_what_it_is_asked_and_who_asks(alices_key):
    known = alices_key.value
    assert [introspect(bad(), known).status_code for _ in range(LIMIT)] == [200] * LIMIT

    assert introspect(bad(), known).status_code == 429
    assert introspect(known, known).json()["active"] is True
    assert introspect(known, bad()).status_code == 429


def test_who_asks_about_values_by_their_details_is_counted_and_somebody_elses_value_is_none(
    alices_key, create_key, bob
):
    token = exchange(create_key(bob, name="asks").value).json()["access_token"]
    about = create_key(bob, name="asked about").value

    def details(value: str, **headers: str) -> int:
        bearer = {"Authorization": f"Bearer {token}", "IAM-ApiKey": value} | headers
        return Client().get("/v1/apikeys/details", REMOTE_ADDR="192.0.2.1", headers=bearer).status_code

    assert details(about) == 200
    assert [details(bad()) for _ in range(LIMIT - 1)] == [404] * (LIMIT - 1)
    assert details(alices_key.value) == 404

    assert {details(bad()), details(alices_key.value)} == {429}
    assert details(about) == 200
    assert details(bad(), **{"IAM-Client-Address": "203.0.113.7"}) == 404


def test_a_service_that_passes_addresses_on_is_not_stopped_by_one_of_its_clients(alices_key):
    known = alices_key.value
    for _ in range(LIMIT + 2):
        introspect(bad(), known, client_address="203.0.113.7")

    assert introspect(bad(), known, client_address="203.0.113.7").status_code == 429
    assert introspect(bad(), known, client_address="203.0.113.8").json() == {"active": False}


def test_who_passes_an_address_on_uses_up_nothing_of_whoever_is_there(alices_key):
    for _ in range(LIMIT + 2):
        introspect(bad(), alices_key.value, client_address="203.0.113.7")

    assert exchange(bad(), "203.0.113.7").status_code == 400
    assert introspect(bad(), alices_key.value, "198.51.100.4", client_address="203.0.113.7").status_code == 200


@pytest.mark.parametrize(("address", "expected"), [("2001:db8:0:1::9", 429), ("2001:db8:0:100::9", 400)])
def test_a_customer_of_ipv6_is_counted_as_one(db, address, expected):
    flood("2001:db8:0:7::1")

    assert exchange(bad(), address).status_code == expected


@pytest.mark.django_db(transaction=True)
def test_many_at_once_are_no_more_than_the_limit():
    answers = at_once(16, lambda: exchange(bad()).status_code)

    assert sorted(answers) == [400] * LIMIT + [429] * (16 - LIMIT)


def judge_good(value: str) -> None:
    with bad_values.Judged(value, "192.0.2.1"):
        pass


def test_of_the_good_values_the_one_of_the_longest_ago_is_forgotten(monkeypatch):
    monkeypatch.setattr(bad_values, "MOST_GOOD", 2)
    for value in ("first", "second", "first", "third"):
        judge_good(value)
    flood_of_lookups()

    def is_known(value: str) -> bool:
        try:
            with bad_values.Judged(value, "192.0.2.1"):
                raise LookupError  # which tells nothing of the value
        except TooManyAttempts:
            return False
        except LookupError:
            return True

    assert [is_known(value) for value in ("first", "second", "third")] == [True, False, True]


def flood_of_lookups(times: int = LIMIT) -> int:
    """Judge values that are no key's, and return how many seconds the one after them has to wait."""
    try:
        for number in range(times + 1):
            with suppress(ValueNotFound), bad_values.Judged(f"bad {number}", "192.0.2.1"):
                raise ValueNotFound
    except TooManyAttempts as exc:
        return exc.retry_after
    return 0


def test_a_minute_is_over_to_the_moment_and_its_rest_is_told_in_seconds(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(bad_values.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(bad_values, "_ends_at", 0.0)
    assert flood_of_lookups() == 61

    now[0] = 1059.5
    assert flood_of_lookups(0) == 1
    now[0] = 1060.0

    assert flood_of_lookups(LIMIT - 1) == 0


def test_a_value_is_remembered_under_a_secret_of_the_process_whatever_its_characters(monkeypatch):
    judge_good("a value")
    judge_good("\ud800")

    assert len(bad_values._good) == 2
    monkeypatch.setattr(bad_values, "_secret", b"another")
    judge_good("a value")
    assert len(bad_values._good) == 3


def test_what_is_remembered_is_bounded_and_holds_no_value(alices_key, monkeypatch):
    monkeypatch.setattr(bad_values, "MOST_GOOD", 1)
    monkeypatch.setattr(bad_values, "MOST_ADDRESSES", 2)
    exchange(alices_key.value)
    for index in range(6):
        with bad_values.Judged(f"good {index}", "192.0.2.1"):
            pass
        exchange(bad(), f"198.51.100.{index}")

    assert len(bad_values._good) == 1
    assert len(bad_values._counts) <= 3
    assert all(isinstance(tag, bytes) and len(tag) == 16 for tag in bad_values._good)


def test_without_the_password_grant_a_program_is_told_what_to_use_instead(alice, settings):
    settings.PASSWORD_GRANT = False
    form = {"grant_type": "password", "username": "alice", "password": "any"}

    answer = Client().post(TOKEN, form, headers={"Authorization": "Basic Yng6Yng="})

    assert answer.status_code == 400
    assert answer.json()["errorMessage"] == (
        "This console takes no passwords from programs. Use an API key, or a one-time passcode."
    )
