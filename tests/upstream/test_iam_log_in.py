"""Logging in at a console whose people are upstream: by password, one-time passcode or API key."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from apikeys.exceptions import ApiKeyError
from apikeys.upstream import discovery, login
from apikeys.upstream.login import LoginMethod
from tests import fault_server as faults
from tests.addresses import KEYS
from tests.cast import PASSWORD
from tests.fault_server import NOT_IAMS, Fault
from tests.markup import fields, page
from tests.recorded_iam import PASSCODE, token_error
from tests.upstream import ATTEMPTS, PATIENCE, ConsoleWithUpstream, Visitor, value_of

WRONG = "a password that is wrong"
ADDRESSES = itertools.count(1)
USERS = "SELECT count(*) FROM console_user WHERE iam_id = ?"

LOCKED = {"code": "SoftLayer_Exception_User_Customer_AccountLocked", "error": "Account has been locked for 30 minutes"}
QUESTION = {"code": "SoftLayer_Exception_User_Customer_InvalidSecurityQuestion", "error": "Invalid answer"}
UNKNOWN = "Cannot find user"

# What IAM answers to a password, and the sentence.
REFUSALS = {
    "wrong credentials": (
        token_error(401, "BXNIM0602E", "The credentials you entered for the user are incorrect."),
        "refused this user ID and password. Check them and try again.",
    ),
    "unknown user": (token_error(400, "BXNIM0602E", UNKNOWN), "refused this user ID and password."),
    "federated": (
        token_error(400, "BXNIM0601E", "You are using a federated user ID, please use one time passcode."),
        "through your company. Use a one-time passcode instead of your password.",
    ),
    "second factor": (
        token_error(400, "BXNIM0428E", "A second factor is required.", errorDetails="TOTP"),
        "requires a second factor, which this console can't ask for.",
    ),
    "security question": (
        token_error(400, "BXNIM0400E", "Login failed.", requirements=QUESTION),
        "requires a second factor, which this console can't ask for.",
    ),
    "account locked": (
        token_error(400, "BXNIM0400E", "Login failed.", requirements=LOCKED),
        "has locked this account after too many attempts.",
    ),
    "blocked, not locked": (
        token_error(403, "BXNIM0999E", "Your address is blocked."),
        "refused the log-in: Your address is blocked.",
    ),
    "something else": (
        token_error(403, "BXNIM0999E", "The account is <b>suspended</b>."),
        "refused the log-in: The account is <b>suspended</b>.",
    ),
}


@pytest.fixture
def console(strict_console) -> ConsoleWithUpstream:
    return strict_console


def arrive(console: ConsoleWithUpstream, kind: str = "anna") -> Visitor:
    """Return somebody at an address of their own, who has yet to log in."""
    visitor = Visitor(console, kind, logs_in=False)
    visitor.headers["X-Forwarded-For"] = f"192.0.2.{next(ADDRESSES)}"
    return visitor


@pytest.fixture
def anna(console) -> Visitor:
    return arrive(console)


def enter(person: Visitor, method: str = "password", next_page: str = "", **typed: str):
    form = person.get(f"/login/?with={method}" + (f"&next={next_page}" if next_page else ""))
    if method == "password":
        typed = {"username": person.username, "password": PASSWORD} | typed
    return person.submit(form, "/login/", **typed)


def is_logged_in(person: Visitor) -> bool:
    return person.get(KEYS, allow_redirects=False).status_code == 200


# The three methods


def test_anna_logs_in_with_her_password(console, anna):
    entered = enter(anna, next_page=KEYS)

    tree = page(anna.get(entered.headers["Location"]))
    assert (entered.status_code, entered.headers["Location"]) == (302, KEYS)
    assert f"{anna.username.title()} Example" in tree.raw


def test_anna_logs_in_with_a_passcode_that_works_once(console, anna):
    passcode = f"{PASSCODE}-{anna.username}"
    bob = arrive(console)

    entered = enter(anna, "passcode", passcode=passcode)
    again = enter(bob, "passcode", passcode=passcode)

    repeated = passcode in again.text
    assert entered.status_code == 302
    assert is_logged_in(anna)
    assert again.status_code == 422
    assert "refused this passcode. A passcode works once and expires soon." in page(again).find(id="refusal").raw
    assert not repeated


def test_anna_logs_in_with_an_api_key(console, anna):
    value = value_of(console, anna)

    unknown = enter(anna, "apikey", apikey=f"{value}x")
    entered = enter(anna, "apikey", apikey=value)

    repeated = value in unknown.text
    assert unknown.status_code == 422
    assert "has no usable API key with this value." in page(unknown).find(id="refusal").raw
    assert not repeated
    assert entered.status_code == 302
    assert is_logged_in(anna)


def test_the_page_of_each_way_leads_to_the_others_and_keeps_where_anna_was_going(console, anna):
    tree = page(anna.get(f"/login/?with=passcode&next={KEYS}"))

    links = {link.text: link["href"] for link in tree.find("nav", class_="switch").find_all("a")}
    passcodes = tree.find("a", target="_blank")
    assert links == {
        "Password": f"/login/?with=password&next={KEYS}",
        "One-time passcode": f"/login/?with=passcode&next={KEYS}",
        "API key": f"/login/?with=apikey&next={KEYS}",
    }
    assert (passcodes["href"], passcodes["rel"]) == (f"{console.iam.url}/passcode", "noopener noreferrer")


def test_the_zone_of_the_browser_is_kept_and_can_be_chosen_anew(console, anna):
    entered = enter(anna, time_zone="Asia/Kathmandu", next_page="/time-zone/")

    form = page(anna.get(entered.headers["Location"])).find("form", action="/time-zone/")
    anna.submit(anna.get("/time-zone/"), "/time-zone/", time_zone="Europe/Berlin")
    anna.submit(anna.get("/"), "/logout/")
    enter(anna, time_zone="Asia/Taipei")

    assert fields(form)["time_zone"] == "Asia/Kathmandu"
    assert fields(page(anna.get("/time-zone/")).find("form", action="/time-zone/"))["time_zone"] == "Europe/Berlin"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:1"])
@pytest.mark.parametrize("method", ["password", "passcode"])
def test_nobody_is_led_to_another_site(console, anna, elsewhere, method):
    typed = {"passcode": f"{PASSCODE}-{anna.username}"} if method == "passcode" else {}

    entered = enter(anna, method, elsewhere, **typed)

    assert (entered.status_code, entered.headers["Location"]) == (302, "/")


# Refused


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_explained_the_user_id_stays_and_the_password_is_not_repeated(console, anna, name):
    reply, said = REFUSALS[name]
    console.iam.refusals[anna.username] = reply

    refused = enter(anna, password=WRONG)

    tree = page(refused)
    assert refused.status_code == 422
    assert said in tree.find(id="refusal").raw
    assert tree.find("input", name="username")["value"] == anna.username
    assert "value" not in tree.find("input", name="password").attributes
    assert WRONG not in refused.text
    assert WRONG not in console.log
    assert not is_logged_in(anna)
    assert console.sql(USERS, anna.iam_id) == [(0,)]


@pytest.mark.parametrize("typed", [{"username": ""}, {"password": ""}, {"way": "telepathy"}, {"username": "a\0b"}])
def test_a_form_that_is_not_filled_in_is_not_sent_to_iam(console, anna, typed):
    console.iam.forget_requests()

    refused = enter(anna, **typed)

    assert refused.status_code == 422
    assert "Enter your log-in details." in page(refused).find(id="refusal").raw
    assert console.iam.asked == []


DOWN = {
    "a reset": (faults.RESET, "closed the connection before it answered."),
    "429": (faults.TOO_MANY, "is receiving too many requests."),
    "500": (faults.TOKEN_ERROR_500, "An internal error occurred."),
    "502": (faults.ERROR_502, "The server answered with status 502 and no explanation."),
    "a website": (faults.HTML_200, NOT_IAMS),
    "JSON that ends early": (faults.CUT_JSON, NOT_IAMS),
    "no tokens": (faults.EMPTY_OBJECT, NOT_IAMS),
    "nobody": (Fault((200, {}, {"access_token": "a.b.c", "refresh_token": "r", "expiration": 1})), NOT_IAMS),
    "a redirect": (faults.REDIRECT, "The server answered with status 302 and no explanation."),
}


@pytest.mark.parametrize("name", DOWN)
def test_a_fault_of_iam_is_said_costs_no_attempt_and_passes(console, anna, name):
    fault, said = DOWN[name]
    console.iam.fail("token", fault, times=ATTEMPTS + 1)

    refused = [enter(anna) for _time in range(ATTEMPTS + 1)][-1]
    entered = enter(anna)

    tree = page(refused)
    assert refused.status_code == 503
    assert said in tree.find(id="refusal").raw
    assert tree.find("input", name="username")["value"] == anna.username
    assert PASSWORD not in refused.text
    assert entered.status_code == 302


@pytest.mark.once
def test_all_that_a_log_in_waits_for_has_one_end_and_then_it_says_so(console, anna):
    ben = arrive(console, "ben")
    console.iam.fail("token", Fault(wait=PATIENCE / 2), faults.SILENT)
    console.iam.fail("list", faults.SILENT)

    with ThreadPoolExecutor(2) as pool:
        bens = pool.submit(enter, ben)
        assert console.iam.entered.acquire(timeout=30)
        time.sleep(PATIENCE / 4)
        annas = enter(anna)  # Ben, who came before her and waits twice, is through before she is
        is_ben_through = bens.done()

    assert annas.status_code == 503
    assert "did not answer in time." in page(annas).find(id="refusal").raw
    assert is_ben_through
    assert bens.result().status_code == 302
    assert is_logged_in(ben)


# Limits


def test_after_five_wrong_passwords_iam_is_not_asked_any_more(console, anna):
    wrong = [enter(anna, password=WRONG).status_code for _time in range(ATTEMPTS)]
    console.iam.forget_requests()

    limited = enter(anna)

    assert wrong == [422] * ATTEMPTS
    assert limited.status_code == 429
    assert int(limited.headers["Retry-After"]) > 0
    assert "Too many attempts." in page(limited).find(id="refusal").raw
    assert page(limited).find("input", name="username")["value"] == anna.username
    assert console.iam.asked == []


def test_wrong_passcodes_use_up_the_attempts_of_their_address_only(console, anna):
    wrong = [enter(anna, "passcode", passcode="wrong").status_code for _time in range(ATTEMPTS + 1)]
    bob = arrive(console, "bob")

    entered = enter(bob, "passcode", passcode=f"{PASSCODE}-{bob.username}")

    assert wrong == [422] * ATTEMPTS + [429]
    assert entered.status_code == 302


# People of this console


def test_who_was_deactivated_here_is_not_let_in_and_what_they_had_open_ends(console, anna):
    enter(anna)
    before = is_logged_in(anna)
    console.sql("UPDATE console_user SET is_active = false WHERE iam_id = ?", anna.iam_id)

    afterwards, refused = is_logged_in(anna), enter(anna)

    assert (before, afterwards) == (True, False)
    assert refused.status_code == 422
    assert "You are not allowed to log in here." in page(refused).find(id="refusal").raw


def test_a_second_log_in_is_the_same_person_with_the_name_that_iam_knows_now(console, anna):
    enter(anna)
    console.sql("UPDATE console_user SET first_name = 'Before' WHERE iam_id = ?", anna.iam_id)
    anna.cookies.clear()

    enter(anna)

    assert console.sql(USERS, anna.iam_id) == [(1,)]
    [(name,)] = console.sql("SELECT first_name FROM console_user WHERE iam_id = ?", anna.iam_id)
    assert name == anna.username.title()


def test_administrators_at_iam_see_all_users_keys_here(console, anna):
    console.iam.administrators.add(anna.iam_id)
    console.iam.add_key(Visitor(console, "ben", logs_in=False).iam_id, "ben's")

    enter(anna)

    assert "ben's" in page(anna.get(f"{KEYS}?view=all")).raw


# What IAM offers


def test_passcodes_are_not_offered_where_iam_has_none(iam):
    iam.offers_passcodes = False

    before = login.offered_methods()
    discovery.discover()

    assert before == [LoginMethod.PASSWORD, LoginMethod.PASSCODE, LoginMethod.API_KEY]
    assert login.offered_methods() == [LoginMethod.PASSWORD, LoginMethod.API_KEY]


@pytest.mark.parametrize("endpoint", ["javascript:alert(1)", "data:text/html,x", "/passcode", "http://[::1", 7, None])
def test_what_is_no_link_is_none_in_the_page(iam, endpoint):
    iam.fail("discovery", Fault((200, {}, {"passcode_endpoint": endpoint})))

    discovery.discover()

    assert discovery.offer.passcode_url == ""


def test_what_iam_offers_stays_open_while_it_does_not_answer(iam):
    iam.fail("discovery", faults.ERROR_503, times=3)

    with pytest.raises(ApiKeyError):
        discovery.discover()

    assert discovery.offer.passcode_url is None
    assert LoginMethod.PASSCODE in login.offered_methods()
