"""Attempts to log in upstream: which failures count against whom, and many first log-ins at once."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.hashers import make_password
from django.db.models.signals import pre_save

from apikeys.iam.client import TokenPair
from apikeys.upstream.login import LoginResult
from console.log_in_pages.iam import person_of
from console.models import User
from tests import fault_server as faults
from tests.addresses import KEYS
from tests.cast import PASSWORD
from tests.fault_server import Fault
from tests.markup import page
from tests.recorded_iam import ACCOUNT
from tests.upstream import ATTEMPTS, ConsoleWithUpstream, Visitor, value_of
from tests.waiting import until

TOO_MANY = "Too many attempts."
AT_ONCE = 5  # attempts of one person on new devices that are looked at before pauses begin
REASONS = """
SELECT DISTINCT reason FROM apikeys_auditevent
WHERE action IN ('console.login.start', 'console.login.limit') AND reason <> '' ORDER BY reason
"""
USERS = "SELECT count(*), sum(CASE WHEN is_active THEN 1 ELSE 0 END) FROM console_user WHERE iam_id = ?"


@pytest.fixture
def console(strict_console) -> ConsoleWithUpstream:
    return strict_console


@pytest.fixture
def anna(console, request) -> Visitor:
    """Anna, whose office has one address for everybody in it; each test has its own office."""
    person = Visitor(console, logs_in=False)
    person.headers["X-Forwarded-For"] = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::7"
    return person


def try_key(person: Visitor, value: str):
    return person.submit(person.get("/login/?with=apikey"), "/login/", apikey=value)


def test_many_wrong_keys_of_one_office_cost_nobody_else_an_attempt_and_each_is_limited_by_itself(console, anna):
    bad = [secrets.token_urlsafe(33) for _key in range(ATTEMPTS + 2)]

    told = [try_key(anna, value).status_code for value in bad]
    same = [try_key(anna, bad[0]).status_code for _time in range(ATTEMPTS)]
    console.iam.forget_requests()
    limited = try_key(anna, bad[0])
    asked = console.iam.count("token")
    entered = try_key(anna, value_of(console, anna))

    assert told == [422] * len(bad)
    assert same == [422] * (ATTEMPTS - 1) + [429]
    assert limited.status_code == 429
    assert TOO_MANY in page(limited).find(id="refusal").raw
    assert asked == 0
    assert entered.status_code == 302
    until(lambda: console.sql(REASONS) == [("LogInRefused",), ("TooManyAttempts",)])


def test_a_passcode_and_a_key_of_the_same_letters_have_attempts_of_their_own(console, anna):
    letters = secrets.token_urlsafe(33)

    for _time in range(ATTEMPTS):
        try_key(anna, letters)
    passcode = anna.submit(anna.get("/login/?with=passcode"), "/login/", passcode=letters)

    assert try_key(anna, letters).status_code == 429
    assert passcode.status_code == 422


@pytest.mark.parametrize("fault", [faults.RESET, faults.TOKEN_ERROR_500, faults.HTML_200])
def test_an_outage_uses_up_no_attempt_of_a_key(console, anna, fault):
    value = value_of(console, anna)
    console.iam.fail("token", fault, times=ATTEMPTS + 1)

    during = [try_key(anna, value).status_code for _time in range(ATTEMPTS + 1)]
    entered = try_key(anna, value)

    assert during == [503] * (ATTEMPTS + 1)
    assert entered.status_code == 302


def test_no_key_is_in_the_database_after_it_was_tried(console, anna):
    value = secrets.token_urlsafe(33)

    try_key(anna, value)

    kept = value.encode() in b"".join(console.kept().values())
    assert not kept


# The first time


def test_somebody_who_logs_in_for_the_first_time_in_many_tabs_at_once_is_one_person(console, anna):
    tabs = [Visitor(console, logs_in=False) for _tab in range(AT_ONCE)]
    for number, tab in enumerate(tabs):
        tab.headers["X-Forwarded-For"] = f"198.51.100.{number}"
    forms = [tab.get("/login/") for tab in tabs]
    console.iam.fail("token", Fault(done=True, wait=60), times=AT_ONCE)

    def enter(place: int):
        return tabs[place].submit(forms[place], "/login/", username=anna.username, password=PASSWORD)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        entering = [pool.submit(enter, place) for place in range(AT_ONCE)]
        for _tab in tabs:
            until(lambda: console.iam.entered.acquire(blocking=False))
        console.iam.heal(answers=True)
        entered = [future.result().status_code for future in entering]

    assert entered == [302] * AT_ONCE
    assert [tab.get(KEYS).status_code for tab in tabs] == [200] * AT_ONCE
    assert console.sql(USERS, anna.iam_id) == [(1, 1)]


# Deactivated


@pytest.fixture
def result() -> LoginResult:
    return LoginResult(TokenPair("a", "r", 1), "IBMid-OLAF", "Olaf Berg", "olaf@example.com", ACCOUNT)


@pytest.fixture
def olaf(db) -> User:
    return User.objects.create(iam_id="IBMid-OLAF", username="IBMid-OLAF", password=make_password(None))


def test_a_log_in_does_not_undo_a_deactivation_that_comes_at_the_same_moment(olaf, result):
    def administrator(sender: type, **_said: object) -> None:
        User.objects.filter(pk=olaf.pk).update(is_active=False)

    pre_save.connect(administrator, sender=User)
    try:
        person_of(result)
    finally:
        pre_save.disconnect(administrator, sender=User)

    olaf.refresh_from_db()
    assert (olaf.is_active, olaf.first_name) == (False, "Olaf")


def test_what_iam_tells_of_somebody_who_is_deactivated_is_not_kept(olaf, result):
    User.objects.filter(pk=olaf.pk).update(is_active=False)

    person = person_of(result)

    olaf.refresh_from_db()
    assert (person.is_active, olaf.is_active, olaf.first_name) == (False, False, "")
