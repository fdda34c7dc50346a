"""Log in, log out, and the limits that slow down guessing."""

import os
import re
import unicodedata
from contextlib import ExitStack
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.jobs import Sweeper
from console.log_in import auth, limiter
from console.models import LoginCounter, LoginStreak
from tests.addresses import CREATE, KEYS, UNKNOWN_ID, delete_address, edit_address
from tests.cast import PASSWORD
from tests.conftest import make_person
from tests.log_ins import is_logged_in
from tests.markup import fields, page
from tests.threads import at_once

LOGIN, LOGOUT = "/login/", "/logout/"
WRONG = "not the password, sorry"
REFUSAL = "Incorrect user ID or password. Check them and try again."


def log_in(username: str, password: str = PASSWORD, *, client: Client | None = None, address="192.0.2.1", **more):
    """Send the log-in form from an address; `more` are further fields, or headers in capitals."""
    headers = {name: text for name, text in more.items() if name.isupper()}
    typed = {"username": username, "password": password} | {n: t for n, t in more.items() if not n.isupper()}
    return (client or Client()).post(LOGIN, typed, REMOTE_ADDR=address, **headers)


def guess(times: int, username: str = "alice", **more) -> list[int]:
    return [log_in(username, WRONG, **more).status_code for _ in range(times)]


def pause_ends() -> None:
    """Let the time pass that is kept between attempts on one user ID, wherever they come from."""
    LoginStreak.objects.update(next_at=timezone.now())


# Log in


def test_alice_logs_in_and_comes_to_the_dashboard(alice):
    client = Client()

    response = log_in("alice", client=client)

    assert (response.status_code, response["Location"]) == (302, "/")
    assert is_logged_in(client)


def test_the_log_in_page_is_a_form_with_labels_that_a_password_manager_understands(client, db):
    tree = page(client.get(LOGIN))

    form = tree.find("form", action=LOGIN)
    assert form["method"] == "post"
    assert set(fields(form)) == {"csrfmiddlewaretoken", "next", "time_zone", "username", "password"}
    assert tree.find("label", for_="username").text == "User ID"
    assert tree.find("label", for_="password").text == "Password"
    assert form.find("input", id="username")["autocomplete"] == "username"
    secret = form.find("input", id="password")
    assert (secret["type"], secret["autocomplete"], secret["spellcheck"]) == ("password", "current-password", "false")
    assert not {"maxlength", "onpaste", "readonly"} & secret.attributes.keys()


@pytest.mark.parametrize("path", ["/", KEYS, CREATE, edit_address(UNKNOWN_ID), "/password/", "/manage/"])
def test_a_stranger_is_led_to_the_log_in_page_and_back(client, db, path):
    response = client.get(path, {"q": "a b"})

    assert response.status_code == 302
    assert response["Location"] == f"/login/?next={quote(path)}%3Fq%3Da%2Bb"


def test_a_stranger_can_change_nothing(client, alice, alices_key):
    answers = [
        client.post(CREATE, {"name": "theirs", "nonce": "x" * 32}),
        client.post(delete_address(alices_key.key.id)),
        client.post(edit_address(alices_key.key.id), {"name": "theirs"}),
    ]

    assert [(answer.status_code, answer["Location"][:7]) for answer in answers] == [(302, "/login/")] * 3


# Refused


@pytest.fixture
def emil(db):
    """He has left; his password is still right."""
    return make_person("emil", is_active=False)


def refused_body(username: str, password: str) -> tuple[int, str]:
    """Return status and page of a refusal, without what differs between any two log-in pages."""
    response = log_in(username, password)
    tree = page(response)
    body = response.content.decode()
    for token in {field["value"] for field in tree.find_all("input", name="csrfmiddlewaretoken")}:
        body = body.replace(token, "TOKEN")
    return response.status_code, body.replace(f'value="{username}"', 'value="USER"')


def test_wrong_unknown_and_disabled_get_the_very_same_answer(alice, emil):
    wrong = refused_body("alice", WRONG)

    unknown = refused_body("nobody", WRONG)
    disabled = refused_body("emil", PASSWORD)
    disabled_and_wrong = refused_body("emil", WRONG)

    assert wrong[0] == 422
    assert unknown == disabled == disabled_and_wrong == wrong


def test_a_refusal_says_one_plain_sentence_and_keeps_the_user_id(alice):
    response = log_in("alice", WRONG)

    tree = page(response)
    assert tree.find(role="alert").text == REFUSAL
    assert tree.find("input", id="username")["value"] == "alice"
    assert "value" not in tree.find("input", id="password")
    assert WRONG not in response.content.decode()
    assert tree.find("title").text.startswith("Error: Log in")


def test_bobs_user_id_is_kept_as_he_typed_it(bob):
    alices, bobs = (page(log_in(username, WRONG)) for username in ("alice", "o'neill<b>&\""))

    assert bobs.find("input", id="username")["value"] == "o'neill<b>&\""
    assert len(bobs.find_all()) == len(alices.find_all()), "no markup of his gets in"


ODD_USER_IDS = [
    "",
    " ",
    "alice\0",
    "a" * 10_000,
    "alice\r\nX-Header: 1",
    "🔑",
    "\udc80".encode("utf-8", "surrogatepass"),
]


@pytest.mark.parametrize(("username", "password"), [*((odd, WRONG) for odd in ODD_USER_IDS), ("alice", "")])
def test_odd_user_ids_and_an_empty_password_are_refused_like_any_other(alice, username, password):
    response = log_in(username, password)

    assert response.status_code == 422
    assert page(response).find(role="alert").text == REFUSAL


# Where it leads


@pytest.mark.parametrize("target", [KEYS, f"{KEYS}?q=a+b&sort=name", CREATE, "/password/"])
def test_next_is_followed_on_this_host(alice, target):
    assert log_in("alice", next=target)["Location"] == target


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/", "http://evil.example/", "//evil.example/", "///evil.example", "/\\evil.example",
        "\\\\evil.example", "https:evil.example", "https:///evil.example", "javascript:alert(1)", "data:text/html,x",
        "http://testserver@evil.example/", "http://testserver.evil.example/", " //evil.example", "\t//evil.example",
        "http://[evil", "\x08//evil.example", "ftp://testserver/", "",
    ],
)  # fmt: skip
def test_next_is_not_followed_to_anywhere_else(alice, target):
    assert log_in("alice", next=target)["Location"] == "/"


def test_next_survives_a_wrong_password(alice):
    tree = page(log_in("alice", WRONG, next=f"{KEYS}?q=x"))

    assert fields(tree.find("form", action=LOGIN))["next"] == f"{KEYS}?q=x"


# Log out


def test_log_out_is_a_post_that_ends_the_session_and_leads_to_the_log_in_page(alice_client):
    response = alice_client.post(LOGOUT)

    assert (response.status_code, response["Location"]) == (302, LOGIN)
    assert not is_logged_in(alice_client)


def test_a_link_cannot_log_alice_out(alice_client):
    response = alice_client.get(LOGOUT)

    assert response.status_code == 405
    assert is_logged_in(alice_client)


# Limits


def test_the_sixth_attempt_on_one_user_id_from_one_address_is_refused_even_with_the_right_password(alice):
    client = Client()

    assert guess(6) == [422] * 5 + [429]

    assert log_in("alice", client=client).status_code == 429
    assert not is_logged_in(client)


def test_a_refusal_by_the_limit_says_when_to_come_back_and_keeps_the_user_id(bob, settings):
    guess(5, bob.username)

    response = log_in(bob.username)

    tree = page(response)
    wait = re.fullmatch(r"Too many attempts\. Wait (\d+) minutes, then try again\.", tree.find(role="alert").text)
    assert 0 < int(response["Retry-After"]) <= settings.LOGIN_WINDOW_SECONDS
    assert int(wait[1]) == -(-int(response["Retry-After"]) // 60)
    assert tree.find("input", id="username")["value"] == bob.username


def test_the_limit_does_not_tell_who_exists(alice):
    guess(5, "alice")
    guess(5, "nobody")

    known, unknown = (refused_body(username, WRONG) for username in ("alice", "nobody"))

    assert known[0] == unknown[0] == 429
    assert known == unknown


def test_neither_alice_at_another_address_nor_bob_at_the_same_is_locked_out(alice, bob):
    guess(6, "alice", address="198.51.100.9")
    pause_ends()

    assert log_in("alice", address="192.0.2.1").status_code == 302
    assert log_in(bob.username, address="198.51.100.9").status_code == 302


def test_success_gives_the_attempts_back(alice):
    guess(4)
    log_in("alice")

    answers = guess(6)

    assert answers == [422] * 5 + [429]


@pytest.mark.parametrize(
    "spelling", ["ALICE", " alice ", "Alice", "\u00a0alice", "ａlice", "ａｌｉｃｅ", "𝐚lice", "ⓐlice"]
)
def test_another_spelling_of_the_same_user_id_counts_as_the_same(alice, spelling):
    assert unicodedata.normalize("NFKC", spelling).strip().lower() == "alice"
    guess(5, spelling)

    assert log_in("alice").status_code == 429


def test_many_user_ids_from_one_address_are_limited_together(db, settings):
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 8

    answers = [guess(1, f"person {index}")[0] for index in range(10)]

    assert answers == [422] * 8 + [429] * 2
    assert guess(1, "person 1", address="198.51.100.9") == [422]


def test_an_address_beyond_its_limit_fills_no_table_with_user_ids_that_it_invents(db, settings):
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 2
    guess(2, "alice")

    for index in range(20):
        guess(1, f"person {index}")

    assert LoginCounter.objects.count() == 2, "one for the address, one for Alice"


def test_when_the_window_ends_alice_can_try_again(alice):
    guess(6)

    LoginCounter.objects.update(ends_at=timezone.now())
    LoginStreak.objects.update(ends_at=timezone.now())

    assert guess(6) == [422] * 5 + [429]
    LoginCounter.objects.update(ends_at=timezone.now())
    pause_ends()
    assert log_in("alice").status_code == 302


def test_guessing_on_does_not_make_the_window_longer(alice):
    guess(5)
    ends = sorted(LoginCounter.objects.values_list("ends_at", flat=True))

    guess(5)

    assert sorted(LoginCounter.objects.values_list("ends_at", flat=True)) == ends


@pytest.mark.django_db(transaction=True)
def test_counters_whose_window_is_over_are_forgotten_at_the_next_sweep(alice):
    guess(1, address="198.51.100.8")
    LoginCounter.objects.update(ends_at=timezone.now())
    guess(1, address="198.51.100.9")

    Sweeper([limiter.forget_ended]).sweep()

    assert LoginCounter.objects.filter(attempts__gt=0).count() == 2, "those of the second guess"


def test_the_counters_hold_neither_user_ids_nor_addresses(alice):
    guess(2)

    subjects = list(LoginCounter.objects.values_list("subject", flat=True))
    assert len(subjects) == 2
    assert not [subject for subject in subjects if "alice" in subject or "192.0.2.1" in subject]


def test_ipv4_clients_of_a_server_that_listens_on_ipv6_count_each_by_itself(alice):
    answers = guess(6, address="::ffff:192.0.2.1")

    assert answers == [422] * 5 + [429]
    pause_ends()
    assert log_in("alice", address="::ffff:198.51.100.9").status_code == 302
    assert log_in("alice", address="192.0.2.1").status_code == 429, "the same client by its other name"


@pytest.mark.django_db(transaction=True)
def test_of_forty_guesses_at_once_at_most_five_are_looked_at(alice):
    # All wrong: a right one among the first five would give its attempts back, as it should.
    responses = at_once(40, lambda: log_in("alice", WRONG))

    statuses = [response.status_code for response in responses]
    assert 1 <= len([status for status in statuses if status != 429]) <= 5
    assert set(statuses) <= {422, 429}


# Who counts as one client


def forwarded(addresses: str, by: str = "10.0.0.1") -> dict[str, str]:
    return {"address": by, "HTTP_X_FORWARDED_FOR": addresses}


NO_ADDRESSES = ["", " , ", "unknown", "not an address", "198.51.100.9:port", "x" * 5000]
# How many proxies are trusted, from where the nth log-in of one client comes, and from where one of another client.
CLIENTS = {
    "one customer's IPv6 network": (0, lambda n: {"address": f"2001:db8:1:2::{n}"}, {"address": "2001:db8:1:3::1"}),
    "one that claims to be many": (0, lambda n: forwarded(f"198.51.100.{n}"), {"address": "10.0.0.2"}),
    "the one that the only proxy saw": (
        1,
        lambda n: forwarded(f"203.0.113.{n}, 198.51.100.9"),
        forwarded("203.0.113.1, 198.51.100.10"),
    ),
    "the one that the outer of two proxies saw": (
        2,
        lambda n: forwarded(f"203.0.113.{n}, 198.51.100.9, 10.0.0.{n}"),
        forwarded("203.0.113.1, 198.51.100.10, 10.0.0.1"),
    ),
    **{
        f"a proxy that forwards {text[:20]!r}": (1, lambda _n, text=text: forwarded(text), forwarded(text, "10.0.0.2"))
        for text in NO_ADDRESSES
    },
}


@pytest.mark.parametrize(("proxies", "from_where", "elsewhere"), CLIENTS.values(), ids=CLIENTS)
def test_attempts_count_by_client_whatever_it_claims(alice, settings, proxies, from_where, elsewhere):
    settings.TRUSTED_PROXIES = proxies

    answers = [guess(1, **from_where(number))[0] for number in range(1, 7)]

    assert answers == [422] * 5 + [429]
    pause_ends()
    assert guess(1, **elsewhere) == [422]


def test_somebody_logged_in_is_led_on_from_the_log_in(dora_client):
    response = dora_client.get(LOGIN, {"next": "https://evil.example/"})

    assert (response.status_code, response["Location"]) == (302, "/")


def test_while_too_many_passwords_are_hashed_the_next_is_asked_to_wait(client, alice, monkeypatch):
    monkeypatch.setattr(auth, "WAIT_SECONDS", 0)
    client.raise_request_exception = False
    with ExitStack() as held:
        for _slot in range(os.cpu_count() or 1):
            held.enter_context(auth._slot())
        answer = client.post("/login/", {"username": "alice", "password": PASSWORD})

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
    assert "Wait a moment" in page(answer).text
