"""Programs have a door of their own, and are told the same at each: answers are compared header by header."""

import logging
import re
from http.cookies import SimpleCookie

import pytest
from django.test import Client, RequestFactory

from apikeys.iam import oauth
from console.doors import ProgramsApplication
from tests.conftest import program_of

pytestmark = pytest.mark.django_db(transaction=True)

OF_ONE_REQUEST = re.compile(
    rb"[0-9a-f]{32}|[0-9a-f-]{36}|\d\d\.\d\d\.\d{4} [\d:]+ UTC|\"elapsedTime\": \"\d+\"|eyJ[\w.-]+|\"expiration\": \d+"
)
FORM = "application/x-www-form-urlencoded"
REQUESTS = {
    "a list without a token": ("GET", "/v1/apikeys", {}),
    "an unknown address": ("GET", "/v1/nothing", {}),
    "an unknown address below the tokens": ("POST", "/identity/nothing", {}),
    "the bare prefix": ("GET", "/v1", {}),
    "a method that is not there": ("PATCH", "/v1/apikeys", {}),
    "a method that a page never gets": ("TRACE", "/identity/token", {}),
    "options": ("OPTIONS", "/v1/apikeys", {}),
    "only the head": ("HEAD", "/identity/keys", {}),
    "public keys": ("GET", "/identity/keys", {}),
    "the description": ("GET", "/v1/openapi.json", {}),
    "a form without anything": ("POST", "/identity/token", {"content_type": FORM}),
    "a form in another encoding": ("POST", "/identity/token", {"content_type": f"{FORM}; charset=utf-16"}),
    "too large": ("POST", "/v1/apikeys", {"CONTENT_LENGTH": "999999"}),
    "compressed": ("POST", "/identity/token", {"data": b"x", "HTTP_CONTENT_ENCODING": "gzip"}),
    "prefetched": ("GET", "/identity/keys", {"HTTP_SEC_PURPOSE": "prefetch"}),
    "another host": ("GET", "/v1/apikeys", {"HTTP_HOST": "evil.example"}),
    "another language": ("GET", "/v1/apikeys", {"HTTP_ACCEPT_LANGUAGE": "zh-hant"}),
    "the language of a cookie": ("GET", "/v1/apikeys", {"HTTP_COOKIE": "language=zh-hant"}),
    "the language of a prefixed cookie": ("GET", "/v1/nothing", {"HTTP_COOKIE": "__Host-language=zh-hant"}),
    "a document after a page with a value": ("GET", "/v1/openapi.json", {"HTTP_COOKIE": "shown=1.abc"}),
    "cookies that are of no use": ("GET", "/v1/apikeys", {"HTTP_COOKIE": f"session={'s' * 32}; csrf={'c' * 32}"}),
}


def told(client: Client, method: str, path: str, how: dict) -> tuple:
    """Return status, headers, cookies and body of an answer, without what no two answers have in common."""
    answer = client.generic(method, path, **how)
    return compared(answer.status_code, dict(answer.headers.items()), answer.cookies, answer.content)


def told_by_the_server(client: Client, method: str, path: str, how: dict) -> tuple:
    """Return the same of the answer that the server gets without Django's handler."""
    environ = RequestFactory(**client.defaults).generic(method, path, **how).environ
    status, headers, body = ProgramsApplication()(environ)
    cookies = SimpleCookie("; ".join(text for name, text in headers if name == "Set-Cookie"))
    plain = [(name, text) for name, text in headers if name != "Set-Cookie"]
    assert len({name.lower() for name, _text in plain}) == len(plain)
    return compared(status, dict(plain), cookies, b"" if method == "HEAD" else body)  # the server leaves it out


def compared(status: int, headers: dict[str, str], cookies: SimpleCookie, body: bytes) -> tuple:
    told = {name: OF_ONE_REQUEST.sub(b"", text.encode()) for name, text in headers.items()}
    if OF_ONE_REQUEST.sub(b"", body) != body:
        told.pop("Content-Length", None)  # of what differs
    set_ = {name: {**morsel, "value": morsel.value[:2]} for name, morsel in cookies.items()}
    return status, told, set_, OF_ONE_REQUEST.sub(b"", body)


@pytest.mark.parametrize("https", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("name", REQUESTS)
def test_a_program_is_told_what_it_would_be_told_at_the_other_door(settings, name, https):
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = https, 3600 * https
    check_doors(settings, Client(), *REQUESTS[name])


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("name", ["introspection", "details", "exchange", "list", "creation", "deletion"])
def test_so_is_a_program_that_gets_what_it_asks_for(settings, alice, create_key, name, secure):
    settings.SECURE_HSTS_SECONDS = 3600
    value = create_key(alice, "deploy").value
    exchange = f"grant_type={oauth.GRANT_API_KEY}"
    gone = create_key(alice, "old").key.id
    answers = {
        "introspection": ("POST", "/identity/introspect", {"data": f"apikey={value}", "content_type": FORM}),
        "details": ("GET", "/v1/apikeys/details", {"HTTP_IAM_APIKEY": value}),
        "exchange": ("POST", "/identity/token", {"data": f"{exchange}&apikey={value}", "content_type": FORM}),
        "list": ("GET", "/v1/apikeys?sort=name&pagesize=1", {"HTTP_ACCEPT_LANGUAGE": "zh-hant"}),
        "creation": (
            "POST", "/v1/apikeys",
            {"data": f'{{"name": "deploy", "iam_id": "{alice.iam_id}", "store_value": true}}',
             "content_type": "application/json"},
        ),
        "deletion": ("DELETE", f"/v1/apikeys/{gone}", {}),
    }  # fmt: skip
    method, path, how = answers[name]
    client = Client() if name == "exchange" else program_of(alice)
    status, *_rest = check_doors(settings, client, method, path, how | {"secure": secure})

    assert status == {"creation": 400, "deletion": 404}.get(name, 200)


def check_doors(settings, client: Client, method: str, path: str, how: dict) -> tuple:
    """Ask at the programs' door, as the server does and as middleware does, and at the pages'; return the answer."""
    if method == "DELETE":
        told(client, method, path, how)
    by_middleware = told(client, method, path, how)
    by_server = told_by_the_server(client, method, path, how)
    settings.MIDDLEWARE = settings.MIDDLEWARE[1:]
    at_pages = told(Client(**client.defaults), method, path, how)

    assert by_middleware == at_pages
    assert by_server == at_pages
    return at_pages


@pytest.mark.parametrize(
    ("method", "path"), [("get", "/v1/apikeys"), ("post", "/v1/apikeys"), ("get", "/identity/userinfo")]
)
def test_a_session_of_a_browser_is_nobody_here(alice_client, method, path):
    assert getattr(alice_client, method)(path).status_code == 401


@pytest.mark.parametrize(
    ("path", "member"), [("/v1/apikeys", "errors"), ("/identity/token", "errorMessage"), ("/v1", "errors")]
)
def test_a_program_without_tls_is_refused_and_not_led_on(settings, path, member):
    settings.SECURE_SSL_REDIRECT = True

    answer = Client().post(path, {"grant_type": oauth.GRANT_API_KEY, "apikey": "sent in clear"})

    assert answer.status_code == 403
    assert "Location" not in answer.headers
    told = answer.json()[member]
    assert "replace it" in (told if member == "errorMessage" else told[0]["message"])


@pytest.mark.parametrize(
    ("path", "how", "status"),
    [
        ("/v1/apikeys", {}, 401),
        ("/v1/apikeys", {"HTTP_HOST": "evil.example"}, 400),
        ("/login/", {}, 200),
        ("/login/", {"HTTP_HOST": "evil.example"}, 400),
        ("/nowhere/", {}, 404),
    ],
)
def test_whatever_is_answered_over_tls_says_that_it_stays_so(settings, path, how, status):
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = 3600, True

    plain, secure = Client().get(path, **how), Client().get(path, secure=True, **how)

    assert (secure.status_code, secure.headers["Strict-Transport-Security"]) == (
        status, "max-age=3600; includeSubDomains"
    )  # fmt: skip
    assert "Strict-Transport-Security" not in plain.headers


@pytest.mark.parametrize("path", ["//v1/apikeys", "/v1/apikeys/", "///identity/keys/"])
def test_slashes_too_many_lead_to_the_same_door(path):
    status = Client().get("/", PATH_INFO=path).status_code

    assert status == (401 if "v1" in path else 200)


def test_what_the_pages_serve_is_left_to_them():
    environ = RequestFactory().get("/healthz").environ

    assert ProgramsApplication()(environ) is None


def test_a_refusal_and_an_error_are_logged_once(monkeypatch, caplog):
    def fail(*_arguments: object) -> None:
        raise RuntimeError("a bug")

    application = ProgramsApplication()
    with caplog.at_level(logging.WARNING):
        application(RequestFactory().get("/v1/apikeys").environ)
        application(RequestFactory().get("/v1/nothing").environ)
        monkeypatch.setattr("apikeys.identity.signing.public_keys", fail)
        status, _headers, _body = application(RequestFactory().get("/identity/keys").environ)

    assert status == 500
    assert [record.getMessage() for record in caplog.records if record.name == "django.request"] == [
        "Unauthorized: /v1/apikeys", "Not Found: /v1/nothing", "Internal Server Error: /identity/keys",
    ]  # fmt: skip
