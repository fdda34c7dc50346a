"""Guesses from many addresses, on one device, in wide networks and at other pages: how many are looked at."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings as configured
from django.core import signing
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.clocks import CLOCK_TOLERANCE
from apikeys.exceptions import TooManyAttempts
from apikeys.jobs import Sweeper
from console.log_in import auth, devices, limiter
from console.log_in.limiter import Attempt
from console.models import LoginCounter, LoginStreak
from tests.cast import PASSWORD
from tests.conftest import NOON
from tests.markup import page
from tests.static_rules import texts
from tests.test_login import LOGIN, WRONG, guess, log_in, pause_ends
from tests.threads import at_once

PASSWORD_PAGE = "/password/"
NEW_PASSWORD = "staple battery horse correct"
TOKEN = "/identity/token"


def addresses(number: int) -> list[str]:
    return [f"198.51.{index // 250}.{index % 250 + 1}" for index in range(number)]


def wait_of(attempt: Attempt) -> int:
    """Return for how many seconds an attempt is refused, 0 where it would be looked at."""
    try:
        limiter.reserve(attempt)
    except TooManyAttempts as exc:
        return exc.retry_after
    return 0


def spend(times: int, user_id: str = "alice") -> None:
    """Use up attempts on a user ID, each from an address of its own, with time between them."""
    for address in addresses(times):
        assert wait_of(Attempt(address, user_id)) == 0
        pause_ends()


def known_device(username: str = "alice") -> Client:
    """Return a browser on which this person has logged in, and is not logged in any more."""
    client = Client()
    assert log_in(username, client=client, address="192.0.2.50").status_code == 302
    client.post("/logout/")
    return client


def ask_for_token(password: str, address: str = "192.0.2.9") -> int:
    form = {"grant_type": "password", "username": "alice", "password": password}
    return Client().post(TOKEN, form, headers={"Authorization": "Basic Yng6Yng="}, REMOTE_ADDR=address).status_code


# One user ID, from everywhere


@pytest.mark.django_db(transaction=True)
def test_of_two_hundred_guesses_at_once_from_forty_addresses_five_are_looked_at(alice, monkeypatch):
    looked: list[str] = []
    monkeypatch.setattr(auth.ModelBackend, "authenticate", lambda *_, **typed: looked.append(typed["password"]))
    places = addresses(40)
    began = timezone.now()

    answers = at_once(40, lambda: guess(5, address=places.pop()))

    statuses = [status for five in answers for status in five]
    seconds = (timezone.now() - began).total_seconds()
    assert len(statuses) == 200
    assert set(statuses) == {422, 429}
    assert len(looked) == statuses.count(422)
    assert 1 <= len(looked) <= 5 + seconds / limiter.SPACED.total_seconds()


def test_after_a_hundred_in_a_row_the_pauses_double_up_to_an_hour(db):
    spend(99)
    waits = []
    for address in addresses(110)[99:]:
        assert wait_of(Attempt(address, "alice")) == 0
        waits.append(wait_of(Attempt(address.replace("198.51", "203.0"), "alice")))
        pause_ends()

    assert waits[:7] == pytest.approx([60, 120, 240, 480, 960, 1920, 3600], abs=2)
    assert set(waits[7:]) <= {3600, 3601}


def test_who_is_refused_and_goes_on_does_not_make_the_pauses_longer(db):
    spend(100)
    assert wait_of(Attempt("203.0.113.1", "alice")) == 0

    waits = [wait_of(Attempt("203.0.113.2", "alice")) for _ in range(4)]

    assert all(0 < wait <= 121 for wait in waits)


def test_the_number_is_a_setting(settings, db):
    settings.LOGIN_ATTEMPTS_PER_USER = 8
    spend(7)

    assert wait_of(Attempt("203.0.113.1", "alice")) == 0
    assert 10 < wait_of(Attempt("203.0.113.2", "alice")) <= 61


def test_other_user_ids_are_not_slowed_down(db):
    spend(20)
    wait_of(Attempt("203.0.113.1", "alice"))

    assert wait_of(Attempt("203.0.113.1", "alice"))
    assert wait_of(Attempt("203.0.113.1", "bob")) == 0


def test_a_success_begins_anew(alice):
    spend(100)

    assert log_in("alice").status_code == 302

    assert guess(5, address="203.0.113.1") == [422] * 5


def test_known_and_unknown_user_ids_are_slowed_down_alike(alice):
    for user_id in ("alice", "nobody"):
        spend(101, user_id)

    assert guess(1, "alice", address="203.0.113.1") == guess(1, "nobody", address="203.0.113.2") == [422]
    known, unknown = (log_in(user_id, WRONG, address="203.0.113.3") for user_id in ("alice", "nobody"))
    assert known.status_code == unknown.status_code == 429
    assert int(known["Retry-After"]) == pytest.approx(int(unknown["Retry-After"]), abs=2)


def test_programs_and_pages_count_together(alice):
    spend(5)
    assert guess(1, address="203.0.113.1") == [422]

    assert ask_for_token(PASSWORD) == 429
    pause_ends()
    assert ask_for_token(PASSWORD) == 200


def test_every_attempt_is_reserved_and_ends_in_one_place():
    reserves = [path for path, text in texts("console/**/*.py", "apikeys/**/*.py") if "limiter.reserve(" in text]

    assert reserves == ["console/log_in/auth.py"]


def test_an_attempt_that_no_processor_was_free_for_does_not_count(alice, monkeypatch):
    def busy(*_args, **_typed):
        raise auth.HashingBusy

    with monkeypatch.context() as patched:
        patched.setattr(auth.ModelBackend, "authenticate", busy)
        client = Client(raise_request_exception=False)
        assert {log_in("alice", client=client).status_code for _ in range(9)} == {429}

    assert log_in("alice").status_code == 302


@pytest.mark.django_db(transaction=True)
def test_user_ids_that_were_invented_are_forgotten_after_a_day_and_long_rows_of_guesses_after_thirty(db):
    spend(1, "nobody")
    spend(30, "alice")
    ends = dict(LoginStreak.objects.order_by("ends_at").values_list("attempts", "ends_at"))
    assert ends[1] - timezone.now() <= timedelta(days=1)
    assert timedelta(days=29) < ends[30] - timezone.now() <= timedelta(days=30)

    LoginStreak.objects.filter(attempts=1).update(ends_at=timezone.now())
    Sweeper([limiter.forget_ended]).sweep()

    assert list(LoginStreak.objects.values_list("attempts", flat=True)) == [30]


def test_a_pause_from_before_the_clock_was_set_back_is_over(db):
    spend(100)
    LoginStreak.objects.update(next_at=timezone.now() + timedelta(days=2))

    assert wait_of(Attempt("203.0.113.1", "alice")) == 0


@pytest.mark.parametrize(
    "given",
    [{}, {"username": "alice"}, {"password": PASSWORD}, {"username": "ali\0ce", "password": PASSWORD}],
    ids=["nothing", "no password", "no user ID", "no text of a database"],
)
def test_what_is_no_log_in_by_password_is_not_counted(alice, rf, given):
    request = rf.get("/")
    request.client_address = "192.0.2.7"

    assert auth.LimitedModelBackend().authenticate(request, **given) is None
    assert auth.LimitedModelBackend().authenticate(None, username="alice", password=PASSWORD) is None
    assert not LoginCounter.objects.exists()
    assert auth.LimitedModelBackend().authenticate(request, username="alice", password=PASSWORD) == alice


# To the moment

WINDOW, SECOND, MOMENT = timedelta(minutes=15), timedelta(seconds=1), timedelta(microseconds=1)
HERE = Attempt("192.0.2.7", "alice")
OF_OFFICE = Attempt("192.0.2.7", "bob", is_person=False)
DEVICE = Attempt("192.0.2.7", "alice", device="a laptop")


def counted() -> list[int]:
    return sorted(LoginCounter.objects.values_list("attempts", flat=True))


def in_a_row() -> list[int]:
    return list(LoginStreak.objects.values_list("attempts", flat=True))


def test_a_window_is_over_to_the_moment_and_its_wait_is_told_in_seconds(at, db):
    assert [wait_of(OF_OFFICE) for _ in range(6)] == [0, 0, 0, 0, 0, 901]

    at(NOON + WINDOW - SECOND)
    assert wait_of(OF_OFFICE) == 2
    at(NOON + WINDOW - MOMENT)
    assert wait_of(OF_OFFICE) == 1
    at(NOON + WINDOW)

    assert wait_of(OF_OFFICE) == 0
    assert counted() == [1, 1]
    assert set(LoginCounter.objects.values_list("ends_at", flat=True)) == {NOON + 2 * WINDOW}


def test_a_window_from_further_ahead_than_clocks_differ_is_over(at, db):
    for _ in range(6):
        wait_of(OF_OFFICE)

    at(NOON - CLOCK_TOLERANCE)
    assert wait_of(OF_OFFICE) == 961
    at(NOON - CLOCK_TOLERANCE - MOMENT)
    assert wait_of(OF_OFFICE) == 0


def test_the_first_attempts_of_somebody_come_at_once_then_they_are_spaced_then_they_pause(at, db, settings):
    settings.LOGIN_ATTEMPTS_PER_USER = 8
    expected = [0] * 4 + [10] * 3 + [60, 120, 240, 480, 960, 1920, 3600, 3600]

    for number, seconds in enumerate(expected, 1):
        assert wait_of(Attempt(f"198.51.100.{number}", "alice")) == 0, number
        row = LoginStreak.objects.get()
        assert (row.attempts, row.next_at - timezone.now()) == (number, timedelta(seconds=seconds)), number
        assert row.ends_at - timezone.now() == timedelta(days=1 if number < 10 else 30), number
        if seconds:
            at(row.next_at - MOMENT)
            assert wait_of(Attempt(f"203.0.113.{number}", "alice")) == 1, number
        at(row.next_at)


def test_of_the_first_attempts_at_once_one_that_read_the_clock_before_another_is_no_less_welcome(at, db):
    waits = []
    for number in range(6):
        at(NOON - number * MOMENT)
        waits.append(wait_of(Attempt(f"198.51.100.{number}", "alice")))

    assert waits == [0, 0, 0, 0, 0, 11]


def test_a_pause_from_further_ahead_than_clocks_differ_is_over(at, db, settings):
    settings.LOGIN_ATTEMPTS_PER_USER = 2
    for number in range(2):
        assert wait_of(Attempt(f"198.51.100.{number}", "alice")) == 0
        at(LoginStreak.objects.get().next_at)
    next_at = NOON + timedelta(minutes=1)
    assert LoginStreak.objects.get().next_at == next_at

    at(next_at - timedelta(minutes=1) - CLOCK_TOLERANCE)
    assert wait_of(Attempt("203.0.113.1", "alice"))
    at(next_at - timedelta(minutes=1) - CLOCK_TOLERANCE - MOMENT)
    assert wait_of(Attempt("203.0.113.2", "alice")) == 0


def test_a_row_of_attempts_is_forgotten_at_its_end_and_counts_from_one(at, db):
    for _ in range(3):
        assert wait_of(HERE) == 0
    at(NOON + timedelta(days=1) - MOMENT)
    assert (wait_of(HERE), in_a_row()) == (0, [4])

    at(NOON + timedelta(days=2) - MOMENT)
    assert (wait_of(HERE), in_a_row()) == (0, [1])


def test_what_is_over_is_removed_and_nothing_else(at, db):
    wait_of(HERE)

    at(NOON + WINDOW - MOMENT)
    limiter.forget_ended()
    assert (counted(), in_a_row()) == ([1, 1], [1])
    at(NOON + WINDOW)
    limiter.forget_ended()
    assert (counted(), in_a_row()) == ([], [1])
    at(NOON + timedelta(days=1) - MOMENT)
    limiter.forget_ended()
    assert in_a_row() == [1]
    at(NOON + timedelta(days=1))
    limiter.forget_ended()
    assert in_a_row() == []


def test_what_is_from_further_ahead_than_it_can_be_is_removed(at, db):
    wait_of(HERE)
    LoginStreak.objects.update(ends_at=NOON + timedelta(days=30))

    at(NOON - CLOCK_TOLERANCE)
    limiter.forget_ended()
    assert (counted(), in_a_row()) == ([1, 1], [1])
    at(NOON - CLOCK_TOLERANCE - MOMENT)
    limiter.forget_ended()

    assert (counted(), in_a_row()) == ([], [])


def test_a_success_gives_one_attempt_back_to_the_address_and_all_to_its_person(at, db):
    for user_id in ("alice", "alice", "bob"):
        wait_of(Attempt("192.0.2.7", user_id))
    assert (counted(), sorted(in_a_row())) == ([1, 2, 3], [1, 2])

    limiter.forgive(HERE)

    assert (counted(), in_a_row()) == ([1, 2], [1])
    for _ in range(5):
        limiter.forgive(HERE)
    assert counted() == [0, 1]


def rows_locked_by(act: Callable[[], object]) -> list[str]:
    """Return the subjects of rows in the order in which an act writes them."""
    with CaptureQueriesContext(connection) as told:
        act()
    written = [query["sql"] for query in told if not query["sql"].startswith("SELECT")]
    subjects = [re.findall(r"\b[0-9a-f]{64}\b", sql) for sql in written]
    assert all(len(found) <= 1 for found in subjects), "a statement for several has an order of its own"
    return [found[0] for found in subjects if found]


def test_log_ins_of_one_network_lock_its_rows_in_one_order_and_never_wait_for_each_other(db):
    attempt = Attempt("2001:db8::7", "alice")

    order = rows_locked_by(lambda: limiter.reserve(attempt))

    assert len(order) == 5, "of the /64, /56, /48, of alice from there, and of alice in a row"
    assert rows_locked_by(lambda: limiter.give_back(attempt)) == order
    assert rows_locked_by(lambda: limiter.forgive(attempt)) == order
    challenges = rows_locked_by(lambda: limiter.reserve_challenge("2001:db8::7"))
    assert rows_locked_by(lambda: limiter.forgive_challenge("2001:db8::7")) == challenges
    assert len(challenges) == 3


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_what_is_over_and_is_just_counted_on_is_neither_waited_for_nor_removed():
    wait_of(HERE)
    LoginCounter.objects.update(ends_at=NOON)

    with transaction.atomic():
        LoginCounter.objects.filter(subject=LoginCounter.objects.values("subject")[:1]).update(attempts=7)
        answers = at_once(1, limiter.forget_ended)

    assert answers == [None]
    assert counted() == [7]


def test_a_success_on_a_device_gives_back_what_was_tried_on_it_alone(at, db):
    for attempt in (HERE, DEVICE, DEVICE):
        wait_of(attempt)
    assert (counted(), sorted(in_a_row())) == ([1, 1, 2], [1, 2])

    limiter.forgive(DEVICE)

    assert (counted(), in_a_row()) == ([1, 1], [1])


@pytest.mark.parametrize(("attempt", "left"), [(HERE, [1, 1, 2]), (DEVICE, [1, 1, 1])])
def test_an_attempt_that_was_not_judged_is_taken_back_once(at, db, attempt, left):
    stranger = Attempt("192.0.2.7", "bob")
    for _ in range(2):
        wait_of(attempt)
    wait_of(stranger)

    limiter.give_back(attempt)

    assert (counted(), sorted(in_a_row())) == (left, [1, 1])
    for _ in range(4):
        limiter.give_back(attempt)
    assert (wait_of(stranger), max(in_a_row())) == (0, 2)
    assert counted()[0] == 0


def test_each_factor_of_each_person_has_attempts_of_its_own_and_a_right_one_gives_them_back(at, db):
    def wait_for(person: str, factor: str) -> int:
        try:
            limiter.reserve_factor(person, factor)
        except TooManyAttempts as exc:
            return exc.retry_after
        return 0

    assert [wait_for("IBMid-1", "app") for _ in range(6)] == [0] * 5 + [901]
    assert [wait_for("IBMid-1", "recovery"), wait_for("IBMid-2", "app")] == [0, 0]

    limiter.forgive_factor("IBMid-1", "app")

    assert wait_for("IBMid-1", "app") == 0
    assert counted() == [1, 1, 1]


def test_challenges_are_counted_for_a_customer_and_not_as_attempts(at, db, settings):
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 2
    for address in ("2001:db8::1", "2001:db8::2"):
        limiter.reserve_challenge(address)

    with pytest.raises(TooManyAttempts) as refused:
        limiter.reserve_challenge("2001:db8::3")

    assert refused.value.retry_after == 901
    limiter.reserve_challenge("2001:db8:1::1")
    for _ in range(4):
        limiter.forgive_challenge("2001:db8::1")
    assert counted() == [0, 0, 0, 1, 1, 1]
    assert not LoginStreak.objects.exists()


def test_the_longest_of_the_waits_for_wide_networks_is_told(at, db, settings):
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 1
    for number in range(1, 13):  # begins the window of the /48
        assert wait_of(Attempt(f"2001:db8:0:{number << 8:x}::1", "x", is_person=False)) == 0
    at(NOON + WINDOW / 3)
    for number in range(4):  # uses it up, and that of one of its /56, which is over later
        assert wait_of(Attempt(f"2001:db8:0:{number}::1", "x", is_person=False)) == 0

    assert wait_of(Attempt("2001:db8:0:9::1", "x", is_person=False)) == 901
    assert wait_of(Attempt("2001:db8:0:ff00::1", "x", is_person=False)) == 601


def test_one_user_id_has_one_tag_however_it_is_spelled_and_another_under_each_secret(settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "present " * 8, ["former " * 8]

    tags = limiter.person_tags("Alice")

    assert [len(tag) for tag in tags] == [16, 16]
    assert len(set(tags)) == 2
    assert limiter.person_tags(" \uff21LICE ") == tags
    assert limiter.person_tags("bob") != tags
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "former " * 8, []
    assert limiter.person_tags("alice") == tags[1:]


def test_what_stands_for_somebody_is_what_an_earlier_release_stored(db, settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "present " * 8, []

    for attempt in (HERE, DEVICE):
        wait_of(attempt)

    assert limiter.person_tags("alice") == ["c8fe86ea11bb4847"]
    counters = set(LoginCounter.objects.values_list("subject", flat=True))
    assert {subject[:16] for subject in counters} == {"3252cebd51b0572a", "f4f0cbe67716bec5", "d6e2b69b571bd2fc"}
    assert "5430b70acf27437a" in {row.subject[:16] for row in LoginStreak.objects.all()}


def test_a_device_is_known_for_180_days_after_the_last_log_in(at, alice, rf):
    answer = HttpResponse()
    devices.remember(rf.get("/"), answer, "alice")
    request = rf.get("/")
    request.COOKIES = {name: morsel.value for name, morsel in answer.cookies.items()}

    at(NOON + timedelta(days=180))
    assert len(devices.known_device(request, "alice")) == 22
    at(NOON + timedelta(days=180, seconds=1))
    assert devices.known_device(request, "alice") == ""


def test_a_challenge_is_taken_once_and_forgiven_for_the_networks_around_it(at, db):
    limiter.reserve_challenge("2001:db8::1")
    limiter.reserve_challenge("2001:db8::1")
    limiter.forgive_challenge("2001:db8::2")
    assert counted() == [1, 1, 1]

    assert [limiter.take_once(text) for text in ("one", "one", "two")] == [True, False, True]


# A device that somebody logged in on before


def test_strangers_cannot_keep_alice_out_on_a_device_that_she_logged_in_on_before(alice):
    laptop, elsewhere = known_device(), Client()
    spend(101)
    wait_of(Attempt("203.0.113.1", "alice"))
    guess(6, address="192.0.2.50")

    assert log_in("alice", client=elsewhere, address="192.0.2.60").status_code == 429
    assert log_in("alice", client=laptop, address="192.0.2.50").status_code == 302


def test_a_whole_office_of_strangers_at_her_address_cannot_keep_her_out_either(alice, settings):
    laptop = known_device()
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 3
    for index in range(5):
        guess(1, f"person {index}", address="192.0.2.50")

    assert log_in("alice", address="192.0.2.50").status_code == 429
    assert log_in("alice", client=laptop, address="192.0.2.50").status_code == 302


def test_guesses_on_a_known_device_are_limited_by_themselves(alice):
    laptop, phone = known_device(), known_device()

    assert guess(6, client=laptop) == [422] * 5 + [429]

    assert log_in("alice", client=laptop, address="203.0.113.9").status_code == 429, "wherever it is carried"
    assert log_in("alice", client=phone).status_code == 302
    assert log_in("alice").status_code == 302


def test_a_stolen_device_is_slowed_down_as_well(alice, settings):
    settings.LOGIN_ATTEMPTS_PER_USER = 8
    laptop = known_device()
    for _ in range(8):
        assert guess(1, client=laptop) == [422]
        LoginCounter.objects.all().delete()
        pause_ends()

    assert guess(2, client=laptop) == [422, 429]


def test_a_log_in_on_a_known_device_gives_strangers_nothing_back(alice):
    laptop = known_device()
    spend(100)
    wait_of(Attempt("203.0.113.1", "alice"))

    assert log_in("alice", client=laptop).status_code == 302

    assert guess(1, address="203.0.113.7") == [429]


def test_alices_device_is_not_bobs(alice, bob):
    laptop = known_device()
    spend(100, bob.username)
    wait_of(Attempt("203.0.113.1", bob.username))

    assert log_in(bob.username, client=laptop).status_code == 429


def test_a_browser_can_be_known_for_several_people_and_forgets_the_one_of_longest_ago(alice, bob):
    shared = known_device()
    log_in(bob.username, client=shared)
    request = Client().get(LOGIN).wsgi_request
    request.COOKIES = {configured.DEVICE_COOKIE_NAME: shared.cookies[configured.DEVICE_COOKIE_NAME].value}
    assert devices.known_device(request, "alice")
    assert devices.known_device(request, bob.username)

    for index in range(devices.PEOPLE - 1):
        response = Client().get(LOGIN)
        devices.remember(request, response, f"person {index}")
        request.COOKIES = {configured.DEVICE_COOKIE_NAME: response.cookies[configured.DEVICE_COOKIE_NAME].value}

    assert devices.known_device(request, "alice") == ""
    assert devices.known_device(request, bob.username)


def test_a_device_keeps_its_name_at_the_next_log_in(alice):
    client = known_device()
    before = signing.loads(client.cookies[configured.DEVICE_COOKIE_NAME].value, salt=devices.SALT)

    log_in(" ALICE ".strip().lower(), client=client)

    assert signing.loads(client.cookies[configured.DEVICE_COOKIE_NAME].value, salt=devices.SALT) == before


def test_a_device_is_known_after_the_secret_key_was_rotated(alice, settings):
    laptop = known_device()
    before = signing.loads(laptop.cookies[configured.DEVICE_COOKIE_NAME].value, salt=devices.SALT)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another " * 9
    spend(100)
    wait_of(Attempt("203.0.113.1", "alice"))

    assert log_in("alice", client=laptop).status_code == 302

    after = signing.loads(laptop.cookies[configured.DEVICE_COOKIE_NAME].value, salt=devices.SALT)
    assert [*after.values()] == [*before.values()]
    assert [*after] != [*before]


def test_the_cookie_is_out_of_reach_of_scripts_and_holds_no_name(alice):
    cookie = known_device().cookies[configured.DEVICE_COOKIE_NAME]

    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert cookie["max-age"] == 180 * 24 * 60 * 60
    assert "alice" not in str(signing.loads(cookie.value, salt=devices.SALT))


def test_a_wrong_password_makes_no_device_known(alice):
    assert configured.DEVICE_COOKIE_NAME not in log_in("alice", WRONG).cookies


@pytest.mark.parametrize(
    "forge", [lambda text: "", lambda text: "x", lambda text: text[:-2] + "xx", lambda text: "é" * 9]
)
def test_a_cookie_that_this_console_did_not_sign_is_no_device(alice, forge):
    client = known_device()
    client.cookies[configured.DEVICE_COOKIE_NAME] = forge(client.cookies[configured.DEVICE_COOKIE_NAME].value)
    spend(100)
    wait_of(Attempt("203.0.113.1", "alice"))

    assert log_in("alice", client=client).status_code == 429


def test_what_is_stored_of_a_device_is_a_hash(alice):
    client = known_device()
    [name] = signing.loads(client.cookies[configured.DEVICE_COOKIE_NAME].value, salt=devices.SALT).values()
    guess(1, client=client)

    assert len(name) == 22  # 128 random bits
    stored = [
        *LoginCounter.objects.values_list("subject", flat=True),
        *LoginStreak.objects.values_list("subject", flat=True),
    ]
    assert stored
    assert not [subject for subject in stored if name in subject or "alice" in subject]


# Networks


@pytest.mark.parametrize(
    ("network", "limit"),
    [
        (lambda n: f"2001:db8:0:7::{n}", 2),
        (lambda n: f"2001:db8:0:{n:x}::1", 8),
        (lambda n: f"2001:db8:0:{n << 8:x}::1", 32),
    ],
    ids=["/64", "/56", "/48"],
)
def test_networks_of_ipv6_are_limited_in_steps(db, settings, network, limit):
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 2

    answers = [wait_of(Attempt(network(n), f"person {n}")) == 0 for n in range(limit + 3)]

    assert answers == [True] * limit + [False] * 3
    assert wait_of(Attempt("2001:db8:1::1", "alice")) == 0


def test_a_wide_network_beyond_its_limit_makes_no_more_rows(db, settings):
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 1
    for n in range(16):
        wait_of(Attempt(f"2001:db8:0:{n << 8:x}::1", f"person {n}"))
    before = LoginCounter.objects.count()

    for n in range(16, 40):
        assert wait_of(Attempt(f"2001:db8:0:{n << 8:x}::1", f"person {n}"))

    assert LoginCounter.objects.count() == before


def test_what_is_refused_to_one_customer_is_not_counted_against_the_neighbours(db, settings):
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 2
    for n in range(40):
        wait_of(Attempt("2001:db8:0:7::1", f"person {n}"))

    assert wait_of(Attempt("2001:db8:0:8::1", "alice")) == 0


# Change password


def change(client: Client, old: str) -> tuple[int, str]:
    """Return status, and what the page says in its alert, if it says anything there."""
    typed = {"old_password": old, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    response = client.post(PASSWORD_PAGE, typed)
    alerts = page(response).find_all(role="alert") if response.status_code != 302 else []
    return response.status_code, " ".join(alert.text for alert in alerts)


def test_wrong_current_passwords_count_like_log_ins(alice_client):
    answers = [change(alice_client, WRONG)[0] for _ in range(40)]

    assert answers == [422] * 5 + [429] * 35
    status, says = change(alice_client, PASSWORD)
    assert status == 429
    assert "Too many attempts. Wait " in says


def test_a_refusal_at_change_password_says_when_to_come_back(alice_client, settings):
    for _ in range(5):
        change(alice_client, WRONG)

    typed = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    response = alice_client.post(PASSWORD_PAGE, typed)

    assert 0 < int(response["Retry-After"]) <= settings.LOGIN_WINDOW_SECONDS
    assert page(response).find("title").text.startswith("Error:")
    assert PASSWORD not in response.content.decode()


def test_guesses_at_change_password_count_for_the_log_in_and_the_right_one_gives_them_back(alice_client):
    for _ in range(4):
        change(alice_client, WRONG)
    assert change(alice_client, PASSWORD)[0] == 302

    assert guess(1, address="127.0.0.1") == [422]


def test_on_a_known_device_change_password_is_limited_by_that_device(alice):
    laptop = Client()
    log_in("alice", client=laptop)
    spend(100)
    wait_of(Attempt("203.0.113.1", "alice"))

    assert change(laptop, PASSWORD)[0] == 302


# Alike


def test_unknown_wrong_and_disabled_take_the_same_steps(alice, bob, django_assert_num_queries, monkeypatch):
    bob.is_active = False
    bob.save()
    hashed: list[str] = []
    argon2 = auth.Argon2PasswordHasher
    for name in ("encode", "verify"):
        real = getattr(argon2, name)
        monkeypatch.setattr(
            argon2, name, lambda self, *given, real=real: (hashed.append("once"), real(self, *given))[1]
        )
    people = [("alice", WRONG), ("nobody", WRONG), (bob.username, PASSWORD)]
    requests = []
    for index, (username, password) in enumerate(people):
        request = Client().get(LOGIN).wsgi_request
        request.client_address = f"192.0.2.{index + 1}"
        requests.append((request, username, password))

    found = []
    for request, username, password in requests:
        hashed.clear()
        with django_assert_num_queries(STATEMENTS):
            found.append(auth.LimitedModelBackend().authenticate(request, username=username, password=password))
        assert hashed == ["once"]

    assert found == [None] * 3


STATEMENTS = 6  # savepoint or transaction, three counters, its end, the person
