"""A form that the console cannot know for its own is refused, and the person is told which of the causes it was."""

import logging

import pytest
from django.test import Client

from apikeys.models import ApiKeyRecord
from apikeys.web.forms import new_nonce
from console import csrf
from tests.addresses import CREATE
from tests.cast import PASSWORD
from tests.markup import fields, page

HTMX = {"HX-Request": "true"}
BROWSER = {"Host": "console.example.com", "Sec-Fetch-Site": "same-origin"}
TYPED = {"username": "alice", "password": PASSWORD}

# What a browser, or a proxy before the console, makes of the log-in form, and what that is called.
CAUSES = [
    pytest.param({"Origin": "http://console.example.com"}, csrf.NO_COOKIE, id="cookies are off"),
    pytest.param({"Origin": "null"}, csrf.NO_ORIGIN, id="Origin: null"),
    pytest.param({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, csrf.NO_ORIGIN, id="a sandboxed frame"),
    pytest.param({"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, csrf.OTHER_SITE, id="another site"),
    pytest.param(
        {"Origin": "http://evil.example.com", "Sec-Fetch-Site": "same-site"}, csrf.OTHER_SITE, id="a neighbour"
    ),
    pytest.param(
        {"Origin": "http://console.example.com", "Host": "127.0.0.1:8000"}, csrf.OTHER_HOST, id="Host rewritten"
    ),
    pytest.param(
        {"Origin": "https://console.example.com", "Host": "127.0.0.1:8000"}, csrf.OTHER_HOST, id="rewritten under TLS"
    ),
    pytest.param({"Origin": "http://console.example.com:8080"}, csrf.OTHER_HOST, id="the port was lost"),
    pytest.param({"Origin": "https://console.example.com"}, csrf.UNKNOWN_HTTPS, id="HTTPS=true is missing"),
    pytest.param({"Origin": "https://[evil"}, csrf.OTHER_HOST, id="no origin at all"),
]
# Over TLS a browser that sends no Origin is known by its Referer.
REFERERS = [
    pytest.param({}, csrf.NO_ORIGIN, id="neither"),
    pytest.param({"Referer": "nonsense"}, csrf.NO_ORIGIN, id="malformed"),
    pytest.param({"Referer": "https://evil.example/", "Sec-Fetch-Site": "cross-site"}, csrf.OTHER_SITE, id="another"),
    pytest.param(
        {"Referer": "http://console.example.com/", "Sec-Fetch-Site": "cross-site"}, csrf.OTHER_SITE, id="http"
    ),
    pytest.param({"Referer": "https://other.example/"}, csrf.OTHER_HOST, id="rewritten"),
]


@pytest.fixture(autouse=True)
def hosts(settings):
    settings.ALLOWED_HOSTS = ["console.example.com", "127.0.0.1", "testserver"]


def refused(client: Client, sent: dict[str, str], caplog: pytest.LogCaptureFixture, **request: object):
    """Send the log-in form and return the page that refuses it, and the one line of the log about it."""
    with caplog.at_level(logging.INFO):
        response = client.post("/login/", TYPED, headers=BROWSER | sent, **request)
    assert response.status_code == 403
    [line] = [record.getMessage() for record in caplog.records]
    return page(response), line


def assert_says(tree, line: str, refusal: csrf.Refusal) -> None:
    assert tree.find("h1").text == refusal.title
    assert str(refusal.message) in tree.text
    assert str(refusal.advice) in tree.text
    assert refusal.cause in line
    assert not [word for word in TYPED.values() if word in line or word in tree.text]


@pytest.mark.parametrize(("sent", "refusal"), CAUSES)
def test_a_log_in_form_that_is_refused_says_why_to_the_person_and_to_the_log(db, caplog, sent, refusal):
    tree, line = refused(Client(enforce_csrf_checks=True), sent, caplog)

    assert_says(tree, line, refusal)
    assert f"Host: {(BROWSER | sent)['Host']}, Origin: {sent['Origin']}" in line


@pytest.mark.parametrize(("sent", "refusal"), REFERERS)
def test_over_tls_the_referer_says_why(db, caplog, sent, refusal):
    tree, line = refused(Client(enforce_csrf_checks=True), sent, caplog, secure=True)

    assert_says(tree, line, refusal)


def test_an_old_token_is_something_else_than_a_cookie_that_did_not_come_back(db, caplog):
    client = Client(enforce_csrf_checks=True)
    client.get("/login/")
    with_cookie, line = refused(client, {"Origin": "http://console.example.com"}, caplog)

    assert_says(with_cookie, line, csrf.OUT_OF_DATE)


def test_each_cause_has_words_of_its_own():
    causes = [value for value in vars(csrf).values() if isinstance(value, csrf.Refusal)]

    for part in ("cause", "title", "message", "advice"):
        assert len({str(getattr(one, part)) for one in causes}) == len(causes) == 6


def test_under_htmx_the_open_page_tells_it(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)

    response = client.post(CREATE, {"name": "terraform"}, headers=HTMX | {"Host": "127.0.0.1", "Origin": "null"})

    assert response.status_code == 403
    assert page(response).text.startswith(f"{csrf.NO_ORIGIN.title}. {csrf.NO_ORIGIN.message}")
    assert str(csrf.NO_ORIGIN.advice) in page(response).text


def test_what_was_typed_stays_where_a_cookie_was_lost_and_the_button_that_keeps_it_comes_first(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    typed = {"name": "terraform", "description": "Applies changes", "nonce": new_nonce()}

    tree = page(client.post(CREATE, typed, headers={"Sec-Fetch-Site": "same-origin"})).find("main")
    sent_again = client.post(CREATE, fields(tree.find("form")), headers={"Sec-Fetch-Site": "same-origin"})

    assert tree.find("form").find("button")["class"] == "btn"
    assert tree.find("a", class_="btn btn--secondary")["href"] == "/"
    assert sent_again.status_code == 200
    assert ApiKeyRecord.objects.get().description == "Applies changes"
