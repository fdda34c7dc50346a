"""Cookies: plain on plain http, whatever the host; Secure and of this host alone over TLS; older ones go on."""

import pytest
import requests
from django.contrib.sessions.models import Session
from django.test import Client

from tests.addresses import CREATE, KEYS
from tests.cast import ADMIN, PASSWORD
from tests.http_person import HttpPerson
from tests.markup import fields, page
from tests.server import ConsoleServer

PREFIX = "__Host-"  # which this machine's browsers were given on plain http, too
NAMES = ("session", "csrf", "language", "theme")


def set_cookies(response: requests.Response) -> list[str]:
    return response.raw.headers.getlist("Set-Cookie")


def submit(client: Client, at: str, action: str, **typed: str):
    """Open a page, fill in its form that goes to `action`, and send it."""
    form = page(client.get(at)).find_all("form", action=action)[0]
    return client.post(action, fields(form) | typed)


def with_prefix(client: Client) -> Client:
    """Give the browser its cookies under the prefixed names instead."""
    for name in NAMES:
        if name in client.cookies:
            client.cookies[PREFIX + name] = client.cookies.pop(name).value
    return client


@pytest.fixture
def older(alice) -> Client:
    """Alice's browser, logged in, with Chinese and dark chosen, whose cookies all have the prefix."""
    client = Client(enforce_csrf_checks=True)
    answers = [
        submit(client, "/login/", "/login/", username="alice", password=PASSWORD),
        submit(client, "/", "/language/", language="zh-hant"),
        submit(client, "/", "/theme/", theme="dark"),
    ]
    assert [answer.status_code for answer in answers] == [302, 302, 302]
    return with_prefix(client)


# Plain http, and TLS


@pytest.mark.once
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_browser_that_refuses_secure_cookies_on_plain_http_logs_in(console_server: ConsoleServer, host):
    # Python's cookie jar is as strict as WebKit: it sends no Secure cookie to http://, this machine included.
    person = HttpPerson(f"http://{host}:{console_server.port}")

    person.log_in(*ADMIN)

    assert person.get(KEYS).status_code == 200
    assert {cookie.name for cookie in person.cookies} == {"session", "csrf", "device"}
    assert not any(cookie.secure for cookie in person.cookies)


@pytest.mark.once
def test_log_in_at_an_address_of_ipv6(tmp_path):
    with ConsoleServer(tmp_path / "data", HOST="::1") as console:
        person = HttpPerson(console.url)
        person.log_in(*ADMIN)

        assert person.get(KEYS).status_code == 200
        assert "cross the network in clear" not in console.log


def test_over_tls_every_cookie_is_secure_and_of_this_host_alone(https_console):
    person = HttpPerson(https_console.url)
    person.headers["X-Forwarded-Proto"] = "https"
    person.headers["Origin"] = https_console.url.replace("http:", "https:")

    opened = person.get("/login/")
    person.headers["Cookie"] = f"__Host-csrf={opened.cookies['__Host-csrf']}"  # which its own jar keeps for TLS
    entered = person.submit(opened, "/login/", username=ADMIN[0], password=ADMIN[1])

    assert entered.status_code == 302
    given = set_cookies(opened) + set_cookies(entered)
    assert {cookie.partition("=")[0] for cookie in given} == {"__Host-session", "__Host-csrf", "__Host-device"}
    for cookie in given:
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
        assert "Domain=" not in cookie


# Cookies that were given with the prefix


def test_an_older_session_goes_on_with_its_language_its_theme_and_its_open_form(older):
    tree = page(older.get(CREATE))
    created = older.post(CREATE, fields(tree.find("form", id="create-form")) | {"name": "terraform"})

    assert (tree.find("html")["lang"], tree.find("html")["data-theme"]) == ("zh-Hant", "dark")
    assert created.status_code == 200
    assert "session" not in older.cookies


def test_what_is_chosen_now_comes_before_what_was_chosen_then(older):
    submit(older, "/", "/theme/", theme="light")

    assert page(older.get("/")).find("html")["data-theme"] == "light"


def test_log_out_ends_an_older_session(older):
    submit(older, "/", "/logout/")

    assert older.get(KEYS).status_code == 302
    assert Session.objects.count() == 0


def test_log_out_ends_the_older_session_beside_the_new_one_too(older, alice):
    now = Client(enforce_csrf_checks=True)
    submit(now, "/login/", "/login/", username="alice", password=PASSWORD)
    now.cookies["__Host-session"] = older.cookies["__Host-session"].value
    assert Session.objects.count() == 2

    submit(now, "/", "/logout/")

    assert now.get(KEYS).status_code == 302
    assert older.get(KEYS).status_code == 302
    assert Session.objects.count() == 0


def test_a_prefixed_session_of_another_console_on_this_machine_is_left_to_it(alice_client):
    alice_client.cookies["__Host-session"] = "another0consoles0session0key0000"

    assert alice_client.get(KEYS).status_code == 200
    assert "__Host-session" not in alice_client.post("/theme/", {"theme": "dark"}).cookies


def test_an_older_session_outlives_a_change_that_writes_it_again(older, alices_key):
    disabled = older.post(
        f"{KEYS}{alices_key.key.id}/disable/",
        fields(page(older.get(KEYS)).find("template", id="actions").find("form")),
    )

    seen = older.get(KEYS)

    assert disabled.status_code == 303
    assert seen.status_code == 200
    assert older.cookies["session"].value == older.cookies[PREFIX + "session"].value
