"""Second factors: an app, recovery codes, the log-in in two steps, and who must have one."""

import re
from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.db import transaction
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from apikeys import audit
from apikeys.models import AuditEvent
from console.brand import console_name
from console.factors import enrolled, recovery, totp
from console.factors import second_step as steps
from console.factors.models import Authenticator, Passkey, RecoveryCode
from console.log_in import limiter
from console.models import LoginCounter, LoginStreak
from console.people import links
from console.sessions import BEGAN, SessionStore
from tests.addresses import KEYS, USERS
from tests.cast import PASSWORD
from tests.conftest import NOON, program_of
from tests.log_ins import is_logged_in
from tests.markup import fields, page
from tests.second_factors import (
    APP,
    LOGIN,
    SECOND,
    code_of,
    codes_on,
    give_app,
    half_logged_in,
    log_in,
    make_old,
    second_step,
    wrong_code,
)
from tests.threads import at_once

FACTORS = "/account/factors/"
REMOVE, RECOVERY = "/account/factors/app/remove/", "/account/factors/recovery/"
REFUSAL = "This code is not right, or was used already. Wait for the next one, or use a recovery code."


@pytest.fixture
def app(alice) -> pyotp.TOTP:
    return give_app(alice)


def secret_on(answer) -> str:
    return page(answer).find(id="secret").text.replace(" ", "")


# What is kept, and for how long


def test_recovery_codes_are_ten_of_120_bits_and_each_is_used_up_however_it_is_written(alice, bob):
    codes, others = recovery.renew(alice), recovery.renew(bob)

    assert len({*codes}) == 10
    assert all(re.fullmatch("[a-z2-7]{4}(-[a-z2-7]{4}){5}", code) for code in codes)
    bare = [code.replace("-", "") for code in codes]
    assert recovery.use(alice, bare[0].upper())
    assert not recovery.use(alice, bare[0])
    assert not recovery.use(alice, others[0].replace("-", ""))
    assert not recovery.use(alice, "\ud800")
    assert recovery.use(alice, bare[1])
    assert RecoveryCode.objects.filter(user=alice).count() == 8
    assert RecoveryCode.objects.filter(user=bob).count() == 10


def test_a_recovery_code_that_an_earlier_release_made_works(alice):
    alice.iam_id = "IBMid-ALICE"
    digest = "66b9ea897e10b4289373e4a28ec419e7ccf15cb52d586fb3ca1105b33b9bde51"
    RecoveryCode.objects.create(digest=digest, user=alice)

    assert recovery.use(alice, "ABCDEFGHIJKLMNOPQRSTUVWX")


def test_the_app_shows_the_brand_the_name_of_the_host_or_what_this_is(settings):
    settings.CONSOLE_BRAND, settings.PUBLIC_URL = "Acme", "https://keys.example:8000"
    assert console_name() == "Acme"
    settings.CONSOLE_BRAND = ""
    assert console_name() == "keys.example"
    settings.PUBLIC_URL = ""
    assert console_name() == "API keys"


def test_the_code_that_set_an_app_up_is_used_up_and_each_step_is_taken_once_and_in_order(at, alice):
    secret = totp.new_secret()
    app = pyotp.TOTP(secret)
    assert re.fullmatch("[A-Z2-7]{32}", secret)
    assert not totp.keep(alice, secret, wrong_code(app))

    assert totp.keep(alice, secret, code_of(app))
    row = Authenticator.objects.get()
    assert (row.created_at, row.last_step) == (NOON, int(NOON.timestamp()) // 30)
    assert not totp.use(alice, code_of(app))
    assert not totp.use(alice, code_of(app, -1))
    assert not totp.use(alice, code_of(app, 2))
    assert totp.use(alice, code_of(app, 1))
    assert not totp.use(alice, code_of(app, 1))
    at(NOON + timedelta(seconds=30))
    assert not totp.use(alice, code_of(app))
    at(NOON + timedelta(seconds=60))
    assert totp.use(alice, code_of(app))


def test_no_code_that_an_app_shows_works_after_a_backup_that_nobody_knows(at, alice, app):
    totp.use_up("default")

    assert not any(totp.use(alice, code_of(app, step)) for step in (-1, 0, 1))
    at(NOON + timedelta(seconds=60))
    assert totp.use(alice, code_of(app))


def test_a_secret_is_sealed_for_one_person_and_opens_under_a_former_secret_key(alice, bob, settings):
    sealed = totp.seal("a secret", alice)

    assert totp.unseal(sealed, alice) == ("a secret", False)
    assert totp.unseal(sealed, bob) == ("", False)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "present " * 8, [settings.SECRET_KEY]
    assert totp.unseal(sealed, alice) == ("a secret", True)
    settings.SECRET_KEY_FALLBACKS = []
    assert totp.unseal(sealed, alice) == ("", False)


def test_where_no_secret_key_opens_the_secret_of_an_app_no_code_is_right(alice, app, settings):
    settings.SECRET_KEY = "another secret key that is as long as it has to be, or longer"

    assert not totp.use(alice, "000000")


def test_secrets_are_sealed_again_under_the_present_secret_key_and_counted(alice, bob, app, settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "present " * 8, [settings.SECRET_KEY]
    give_app(bob)
    before = bytes(Authenticator.objects.get(user=bob).sealed)

    assert totp.seal_again() == 2

    settings.SECRET_KEY_FALLBACKS = []
    assert totp.use(alice, code_of(app))
    assert bytes(Authenticator.objects.get(user=bob).sealed) == before


def half_of(person, at_page: str = "/keys/") -> HttpRequest:
    request = HttpRequest()
    request.session, request.user = SessionStore(), AnonymousUser()
    steps.begin(request, person, next_url=at_page, time_zone="Asia/Taipei")
    return request


def test_a_second_step_may_come_for_ten_minutes_to_the_moment(at, alice):
    request = half_of(alice)

    person, half = steps.find(request)
    assert person == alice
    assert (half.person_id, half.began, half.next_url, half.time_zone) == (
        alice.pk, NOON.timestamp(), "/keys/", "Asia/Taipei",
    )  # fmt: skip
    assert half.backend == settings.AUTHENTICATION_BACKENDS[0]
    alice.backend = "another.Backend"
    assert steps.find(half_of(alice))[1].backend == "another.Backend"
    at(NOON + timedelta(seconds=600) - timedelta(milliseconds=1))
    assert steps.find(request)
    at(NOON + timedelta(seconds=600))
    assert steps.find(request) is None
    at(NOON - timedelta(milliseconds=1))
    assert steps.find(request) is None


def test_a_second_step_that_was_finished_or_never_begun_is_none(alice):
    request = half_of(alice)
    key = request.session.session_key

    person, half = steps.find(request)
    request.session[BEGAN] = 1.0
    steps.finish(request, person, replace(half, backend="another.Backend"), "app")

    assert request.user == alice
    assert request.session[BACKEND_SESSION_KEY] == "another.Backend"
    assert BEGAN not in request.session
    alice.refresh_from_db()
    assert alice.time_zone == "Asia/Taipei"
    assert request.session.session_key != key
    assert steps.find(request) is None
    for kept in ("", "x", "AAAA", 7):
        request.session[steps.SESSION_KEY] = kept
        assert steps.find(request) is None


def test_whoever_showed_no_factor_here_is_told_of_with_none(alice):
    request = half_of(alice)

    steps.log_in(request, alice, time_zone="")

    assert request.user == alice
    assert not hasattr(request, "told_of_log_in")


def test_a_second_step_goes_on_after_the_secret_key_was_rotated_and_not_after_it_is_unknown(alice, settings):
    request = half_of(alice)

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "present " * 8, [settings.SECRET_KEY]
    assert steps.find(request)
    settings.SECRET_KEY_FALLBACKS = []

    assert steps.find(request) is None


def test_what_somebody_has_is_told_and_goes_with_the_last_factor(at, alice, bob, app):
    recovery.renew(alice)
    Authenticator.objects.update(created_at=NOON)
    Passkey.objects.create(user=alice, digest="0" * 64, name="Phone", credential=b"x")
    give_app(bob)
    recovery.renew(bob)

    found = enrolled.factors_of(alice)
    assert (found.app_since, found.codes_left, [passkey.name for passkey in found.passkeys]) == (NOON, 10, ["Phone"])
    assert (found.has_one, enrolled.has_app(alice), enrolled.has_passkey(alice)) == (True, True, True)
    enrolled.remove_app(alice)
    found = enrolled.factors_of(alice)
    assert (found.app_since, found.codes_left, found.has_one) == (None, 10, True)
    enrolled.remove_passkey(alice, "1" * 64)
    assert enrolled.has_passkey(alice)
    enrolled.remove_passkey(alice, "0" * 64)

    found = enrolled.factors_of(alice)
    assert (found.app_since, found.codes_left, found.passkeys, found.has_one) == (None, 0, [], False)
    assert (enrolled.has_app(alice), enrolled.has_passkey(alice)) == (False, False)
    assert (enrolled.factors_of(bob).codes_left, enrolled.has_app(bob)) == (10, True)


def test_to_remove_all_ends_the_sessions_of_that_person_alone(alice, bob, app):
    recovery.renew(alice)
    give_app(bob)

    enrolled.remove_all(alice)

    alice.refresh_from_db()
    bob.refresh_from_db()
    assert (re.fullmatch("[0-9a-f]{32}", alice.sessions_mark) is not None, bob.sessions_mark) == (True, "")
    assert not enrolled.factors_of(alice).has_one
    assert enrolled.factors_of(alice).codes_left == 0
    assert enrolled.has_app(bob)


def test_upstream_no_factor_of_this_console_is_asked_for(alice, app, settings):
    assert enrolled.has_one(alice)

    settings.APIKEYS_BACKEND = "ibm-cloud"

    assert not enrolled.has_one(alice)


# Set up


def test_alice_scans_a_code_and_types_what_the_app_shows(alice, alice_client):
    app = pyotp.TOTP(secret_on(alice_client.get(APP)))

    answer = alice_client.post(APP, {"code": f"{code_of(app)[:3]} {code_of(app)[3:]}"})

    assert answer.status_code == 200
    assert len(codes_on(answer)) == recovery.NUMBER
    assert answer["Cache-Control"] == "no-store"
    assert is_logged_in(alice_client)
    assert not is_logged_in(log_in(alice))


def test_the_qr_code_says_what_the_text_says_and_has_nothing_that_the_policy_refuses(alice_client):
    answer = alice_client.get(APP)

    drawn = re.search(r"<svg[^>]*class=\"qr\".*?</svg>", answer.content.decode(), re.DOTALL)
    assert drawn
    assert "style" not in drawn[0]
    assert "href" not in drawn[0]
    assert totp.qr_code("otpauth://totp/a?secret=A") == totp.qr_code("otpauth://totp/a?secret=A")


def test_the_qr_code_is_dark_on_light_and_no_smaller_kind():
    svg = totp.qr_code("otpauth://totp/x")

    assert svg.count("<path") == 2
    assert re.findall(r'(?:fill|stroke)="(#[0-9a-f]+)"', svg) == ["#fff", "#000"]
    assert re.findall(r'class="([^"]*)"', svg) == ["qr"]
    assert "width=" not in svg


def test_the_uri_names_the_console_and_the_user_id(bob):
    uri = totp.uri_of("A" * 32, bob, "Keys & more")

    parsed = pyotp.parse_uri(uri)
    assert (parsed.secret, parsed.name, parsed.issuer) == ("A" * 32, bob.username, "Keys & more")


def test_a_wrong_first_code_sets_nothing_up(alice, alice_client):
    app = pyotp.TOTP(secret_on(alice_client.get(APP)))

    answer = alice_client.post(APP, {"code": wrong_code(app)})

    assert answer.status_code == 422
    assert secret_on(answer) == app.secret, "the same, for the app has it by now"
    assert not Authenticator.objects.exists()
    assert is_logged_in(log_in(alice))


def test_the_first_factor_ends_sessions_and_tokens_that_a_password_alone_has_brought(alice, alice_client):
    elsewhere, token = log_in(alice), program_of(alice)
    app = pyotp.TOTP(secret_on(alice_client.get(APP)))

    alice_client.post(APP, {"code": code_of(app)})

    assert not is_logged_in(elsewhere)
    assert token.get("/v1/apikeys").status_code == 401


def test_another_app_takes_the_place_of_the_first(alice, app, alice_client):
    newer = pyotp.TOTP(secret_on(alice_client.get(APP)))
    answer = alice_client.post(APP, {"code": code_of(newer)})

    assert answer.status_code == 302
    assert second_step(half_logged_in(alice), code_of(app)).status_code == 422
    assert second_step(half_logged_in(alice), code_of(newer, 1)).status_code == 302


def test_neither_secret_nor_codes_are_in_the_database(alice, alice_client):
    secret = secret_on(alice_client.get(APP))
    codes = codes_on(alice_client.post(APP, {"code": code_of(pyotp.TOTP(secret))}))

    rows = [*Authenticator.objects.values(), *RecoveryCode.objects.values(), dict(alice_client.session)]
    kept = str(rows)
    assert secret not in kept
    assert secret.encode().hex() not in kept
    assert not any(code in kept or code.replace("-", "") in kept for code in codes)


# Log in


def test_with_a_factor_the_password_opens_nothing_yet(alice, app):
    client = log_in(alice)

    assert not is_logged_in(client)
    assert client.get(SECOND).status_code == 200


def test_the_code_of_the_app_completes_the_log_in_under_a_new_session_id(alice, app):
    client = log_in(alice, next=KEYS)
    half = client.session.session_key

    answer = second_step(client, code_of(app))

    assert (answer.status_code, answer["Location"]) == (302, KEYS)
    assert is_logged_in(client)
    assert client.session.session_key != half
    assert "second_step" not in client.session


def test_only_the_second_step_makes_a_device_known(alice, app):
    client = log_in(alice)
    assert settings.DEVICE_COOKIE_NAME not in client.cookies

    second_step(client, code_of(app))

    assert client.cookies[settings.DEVICE_COOKIE_NAME]["httponly"]


@pytest.mark.parametrize(("steps", "status"), [(-2, 422), (-1, 302), (0, 302), (1, 302), (2, 422)])
def test_clocks_may_differ_by_one_step(alice, app, steps, status):
    assert second_step(half_logged_in(alice), code_of(app, steps)).status_code == status


def test_a_code_works_once(alice, app):
    second_step(half_logged_in(alice), code_of(app))

    again = second_step(half_logged_in(alice), code_of(app))
    older = second_step(half_logged_in(alice), code_of(app, -1))

    assert (again.status_code, older.status_code) == (422, 422)
    assert page(again).find(role="alert").text == REFUSAL


def test_a_right_code_gives_the_attempts_back(alice, app, settings):
    settings.FACTOR_ATTEMPTS = 2
    code, other, *_rest = recovery.renew(alice)

    for each in (code, other):
        wrong, right = (second_step(half_logged_in(alice), text) for text in ("a" * 24, each))
        assert (wrong.status_code, right.status_code) == (422, 302)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_send_one_code_at_once_one_comes_in(alice, app):
    code, clients = code_of(app), [half_logged_in(alice) for _ in range(4)]

    answers = at_once(4, lambda: second_step(clients.pop(), code).status_code)

    assert sorted(answers) == [302, 422, 422, 422]


def test_a_recovery_code_works_once_however_it_is_written(alice, app):
    code, other, *_rest = recovery.renew(alice)

    first = second_step(half_logged_in(alice), f" {code.upper()} ")
    again = second_step(half_logged_in(alice), code)
    bare = second_step(half_logged_in(alice), other.replace("-", ""))

    assert (first.status_code, again.status_code, bare.status_code) == (302, 422, 302)
    assert RecoveryCode.objects.filter(user=alice).count() == recovery.NUMBER - 2


def test_the_event_of_a_log_in_tells_which_factor_was_shown_and_how_many_recovery_codes_are_left(alice, bob, app):
    recovery_code, *_rest = recovery.renew(alice)

    log_in(bob)
    second_step(half_logged_in(alice), code_of(app))
    second_step(half_logged_in(alice), recovery_code)

    told = AuditEvent.objects.filter(action=audit.LOG_IN).order_by("event_time", "id")
    assert [{**event.request_data, "new_device": None} for event in told] == [
        {"new_device": None},
        {"factor": "app", "new_device": None},
        {"factor": "recovery code", "codes_left": 9, "new_device": None},
    ]
    assert recovery_code not in str([*told.values()])


@pytest.mark.parametrize(
    ("left", "level", "words"),
    [
        (9, "info", "9 recovery codes are left."),
        (9, "info", "還剩 9 個復原碼。"),
        (4, "info", "4 recovery codes are left."),
        (3, "warning", "Only 3 recovery codes are left. Make new ones soon"),
        (1, "warning", "Only 1 recovery code is left. Make new ones soon"),
        (1, "warning", "只剩 1 個復原碼。請盡快產生新的"),
        (0, "warning", "That was your last recovery code. Make new ones now"),
    ],
)
def test_who_logs_in_with_a_recovery_code_is_told_how_many_are_left(alice, app, left, level, words):
    code, *rest = recovery.renew(alice)
    for other in rest[left:]:
        recovery.use(alice, other.replace("-", ""))
    client = half_logged_in(alice)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en" if words.isascii() else "zh-hant"

    second_step(client, code)

    (told,) = page(client.get(KEYS)).find(id="toasts").find_all(class_=f"msg msg--{level}")
    assert told.text.strip().startswith(words)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    assert ("Few recovery codes are left." in page(client.get(FACTORS)).text) == (left <= 3)


def test_who_logs_in_with_the_app_is_told_nothing_of_recovery_codes(alice, app):
    client = half_logged_in(alice)

    second_step(client, code_of(app))

    assert page(client.get(KEYS)).find(id="toasts").text == ""


def test_bobs_codes_do_not_log_alice_in(alice, bob, app):
    bobs_app, bobs_codes = give_app(bob), recovery.renew(bob)

    answers = [second_step(half_logged_in(alice), code).status_code for code in (code_of(bobs_app), bobs_codes[0])]

    assert answers == [422, 422]


def test_after_five_wrong_codes_the_right_one_is_not_looked_at_from_anywhere(alice, app):
    for _ in range(5):
        second_step(half_logged_in(alice), wrong_code(app))

    answer = half_logged_in(alice).post(SECOND, {"code": code_of(app)}, REMOTE_ADDR="192.0.2.99")

    assert answer.status_code == 429
    assert int(answer["Retry-After"]) <= 900
    assert Authenticator.objects.get().last_step == 0
    assert second_step(half_logged_in(alice), recovery.renew(alice)[0]).status_code == 302, (
        "each factor is counted for itself"
    )


def test_strangers_with_her_password_do_not_keep_alice_out_where_she_logged_in_before(alice, app):
    known = half_logged_in(alice)
    second_step(known, code_of(app))
    device = known.cookies[settings.DEVICE_COOKIE_NAME].value
    for _ in range(6):
        second_step(half_logged_in(alice), wrong_code(app))

    elsewhere, there = half_logged_in(alice), half_logged_in(alice)
    there.cookies[settings.DEVICE_COOKIE_NAME] = device

    assert second_step(elsewhere, code_of(app, 1)).status_code == 429
    assert second_step(there, code_of(app, 1)).status_code == 302
    assert second_step(elsewhere, code_of(app, 1)).status_code == 429, "her success gives strangers nothing back"


def test_codes_that_are_wrong_a_hundred_times_in_a_row_are_looked_at_less_and_less_often(alice, app):
    half_logged_in(alice)
    for _ in range(100):
        limiter.reserve_factor(alice.iam_id, "app")
        LoginCounter.objects.update(attempts=0)
        LoginStreak.objects.update(next_at=timezone.now())
    limiter.reserve_factor(alice.iam_id, "app")
    LoginCounter.objects.update(attempts=0)

    answer = second_step(half_logged_in(alice), code_of(app))

    assert answer.status_code == 429
    assert 60 < int(answer["Retry-After"]) <= 121


def test_wrong_codes_do_not_use_up_attempts_with_the_password(alice, app):
    for _ in range(6):
        second_step(half_logged_in(alice), wrong_code(app))

    assert log_in(alice).get(SECOND).status_code == 200


def test_a_wrong_password_is_answered_alike_with_and_without_a_factor(alice, bob, app):
    answers = [Client().post(LOGIN, {"username": person.username, "password": "wrong"}) for person in (alice, bob)]

    assert {answer.status_code for answer in answers} == {422}
    assert len({page(answer).find(role="alert").text for answer in answers}) == 1


def test_a_link_to_choose_a_password_does_not_lead_round_the_factor(alice, app):
    with transaction.atomic():
        code = links.make(alice, "")
    chosen = "another sentence of that kind"

    Client().post("/password/choose/", {"code": code, "new_password1": chosen, "new_password2": chosen})

    client = log_in(alice, password=chosen)
    assert not is_logged_in(client)
    assert second_step(client, code_of(app)).status_code == 302
    assert is_logged_in(client)


def test_the_second_step_needs_a_first_one(client, alice, app):
    answer = second_step(client, code_of(app))

    assert (answer.status_code, answer["Location"]) == (302, f"{LOGIN}?late=1")


@pytest.mark.parametrize("ended", ["time", "password", "person"])
def test_a_half_log_in_ends_with_what_it_was_made_from(alice, app, ended, monkeypatch):
    client = half_logged_in(alice)
    if ended == "time":
        monkeypatch.setattr("console.factors.second_step.LIFETIME_SECONDS", 0)
    if ended == "password":
        alice.set_password("another sentence for the tests")
        alice.save()
    if ended == "person":
        get_user_model().objects.filter(pk=alice.pk).update(is_active=False)

    answer = second_step(client, code_of(app))

    assert (answer.status_code, answer["Location"]) == (302, f"{LOGIN}?late=1")
    assert not is_logged_in(client)


def test_the_page_of_the_second_step_has_a_field_for_the_code(alice, app):
    form = page(half_logged_in(alice).get(SECOND)).find("form", action=SECOND)

    assert "code" in fields(form)


def test_the_session_between_the_steps_names_nobody(alice, app):
    client = log_in(alice)

    assert "_auth_user_id" not in client.session
    assert alice.username not in str(dict(client.session))


def test_a_secret_sealed_with_an_earlier_secret_key_works_and_is_sealed_anew(alice, app, settings):
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another secret key of the tests" * 3

    assert second_step(half_logged_in(alice), code_of(app)).status_code == 302

    settings.SECRET_KEY_FALLBACKS = []
    assert second_step(half_logged_in(alice), code_of(app, 1)).status_code == 302


# Account > Second factors


def test_alice_sees_what_she_has(alice, app, alice_client):
    recovery.renew(alice)

    text = page(alice_client.get(FACTORS)).text

    assert "10 codes are left." in text
    assert "Set up another app" in text


def test_new_recovery_codes_end_those_from_before(alice, app, alice_client):
    before = recovery.renew(alice)

    now = codes_on(alice_client.post(RECOVERY))

    assert second_step(half_logged_in(alice), before[0]).status_code == 422
    assert second_step(half_logged_in(alice), now[0]).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_of_many_who_make_new_codes_at_once_those_of_one_work(alice):
    made = at_once(4, lambda: recovery.renew(alice))

    assert recovery.left(alice) == recovery.NUMBER
    works = [[recovery.use(alice, code.replace("-", "")) for code in codes] for codes in made]
    assert sorted(map(sum, works)) == [0, 0, 0, recovery.NUMBER]


def test_without_a_factor_there_is_nothing_to_recover(alice, alice_client):
    answer = alice_client.post(RECOVERY)

    assert answer.status_code == 302
    assert not RecoveryCode.objects.exists()


def test_removing_the_last_factor_removes_the_recovery_codes(alice, app, alice_client):
    recovery.renew(alice)

    alice_client.post(REMOVE)

    assert not RecoveryCode.objects.exists()
    assert is_logged_in(log_in(alice))


def test_each_change_of_factors_is_audited_without_a_secret(alice, alice_client):
    secret = secret_on(alice_client.get(APP))
    alice_client.post(APP, {"code": wrong_code(pyotp.TOTP(secret))})
    alice_client.post(APP, {"code": code_of(pyotp.TOTP(secret))})
    alice_client.post(RECOVERY)
    alice_client.post(REMOVE)

    events = AuditEvent.objects.filter(action__startswith="console.factor.").order_by("event_time", "id")
    told = [(event.action.rpartition(".")[2], event.request_data["factor"], event.outcome) for event in events]
    assert told == [
        ("create", "app", "failure"),
        ("create", "app", "success"),
        ("update", "recovery codes", "success"),
        ("delete", "app", "success"),
    ]
    assert {(event.target_id, event.target_name) for event in events} == {(alice.iam_id, "alice")}
    assert [event.reason for event in events] == ["CodeRefused", "", "", ""]
    assert secret not in str([*events.values()])


def test_a_change_of_factors_asks_who_somebody_is_after_fifteen_minutes(alice, app, alice_client, settings):
    settings.REAUTHENTICATE_MINUTES = 0  # for everything else
    make_old(alice_client)

    opened, sent = alice_client.get(APP), alice_client.post(REMOVE)
    wrong = alice_client.post(REMOVE, {"proof_code": wrong_code(app)})
    right = alice_client.post(REMOVE, {"proof_code": code_of(app)})

    assert (opened.status_code, opened["Location"]) == (302, f"/account/prove/?next={APP.replace('/', '%2F')}")
    assert page(sent).find("h1").text == "Is it still you?"
    assert wrong.status_code == 422
    assert page(wrong).find(id="refusal").text == REFUSAL
    assert (right.status_code, right["Location"]) == (302, FACTORS)
    assert not Authenticator.objects.exists()


def test_the_page_that_asks_leads_on_and_nowhere_else(alice, app, alice_client):
    make_old(alice_client)

    on = alice_client.post("/account/prove/", {"next": APP, "proof_code": code_of(app)})
    away = alice_client.post("/account/prove/", {"next": "https://example.com/", "proof_password": PASSWORD})

    assert (on.status_code, on["Location"]) == (302, APP)
    assert away["Location"] == "/"
    assert alice_client.get(APP).status_code == 200


# Who must have one


def test_everybody_must_have_a_second_factor_where_the_setting_says_so(alice, alice_client, settings):
    settings.SECOND_FACTOR = "everybody"

    led = [alice_client.get(path) for path in ("/", KEYS)]
    htmx = alice_client.get(KEYS, headers={"HX-Request": "true"})

    assert {(answer.status_code, answer["Location"]) for answer in led} == {(302, FACTORS)}
    assert htmx["HX-Redirect"] == FACTORS
    assert "You must have a second factor here." in page(alice_client.get(FACTORS)).text
    app = pyotp.TOTP(secret_on(alice_client.get(APP)))
    alice_client.post(APP, {"code": code_of(app)})
    assert is_logged_in(alice_client)


def test_administrators_alone_must_where_the_setting_says_that(alice_client, dora_client, settings):
    settings.SECOND_FACTOR = "administrators"

    assert is_logged_in(alice_client)
    assert dora_client.get(KEYS)["Location"] == FACTORS


def test_who_must_have_a_factor_keeps_the_last_one(alice, app, alice_client, settings):
    settings.SECOND_FACTOR = "everybody"

    answer = alice_client.post(REMOVE)

    assert answer.status_code == 409
    assert Authenticator.objects.filter(user=alice).exists()


# Lost


def test_an_administrator_resets_factors_and_ends_the_sessions(alice, app, dora_client):
    recovery.renew(alice)
    session = log_in(alice)
    second_step(session, code_of(app))

    answer = dora_client.post(f"{USERS}{alice.iam_id}/reset-factors/")

    assert answer.status_code == 302
    assert not is_logged_in(session)
    assert not RecoveryCode.objects.exists()
    assert is_logged_in(log_in(alice))


def test_nobody_else_can_reset_factors(alice, app, bob_client):
    answer = bob_client.post(f"{USERS}{alice.iam_id}/reset-factors/")

    assert answer.status_code == 403
    assert Authenticator.objects.exists()


def test_an_operator_resets_factors(alice, app, capsys):
    call_command("reset_factors", "alice")

    assert capsys.readouterr().out == "alice has no second factor any more, and is logged out everywhere.\n"
    assert is_logged_in(log_in(alice))


def test_sessions_from_before_the_column_live_on(alice):
    stamp = alice.get_session_auth_hash()

    plain = super(get_user_model(), alice)._get_session_auth_hash()

    assert stamp == plain
