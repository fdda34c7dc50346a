"""Programs pass fewer middleware than people, and are told the same: the answers are compared header by header."""

import re

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from console.doors import ProgramsHandler

pytestmark = pytest.mark.django_db

OF_ONE_REQUEST = re.compile(rb"[0-9a-f]{32}|\d\d\.\d\d\.\d{4} [\d:]+ UTC|\"elapsedTime\": \"\d+\"")
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
    headers = {name: OF_ONE_REQUEST.sub(b"", text.encode()) for name, text in answer.headers.items()}
    cookies = {name: {**morsel, "value": morsel.value[:2]} for name, morsel in answer.cookies.items()}
    return answer.status_code, headers, cookies, OF_ONE_REQUEST.sub(b"", answer.content)


@pytest.mark.parametrize("https", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("name", REQUESTS)
def test_a_program_is_told_what_it_would_be_told_at_the_other_door(settings, name, https):
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = https, 3600 * https
    at_programs = told(Client(), *REQUESTS[name])
    settings.MIDDLEWARE = settings.MIDDLEWARE[1:]
    at_pages = told(Client(), *REQUESTS[name])

    assert at_programs == at_pages


def test_https_is_demanded_of_programs_and_then_kept(settings):
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 3600

    plain = Client().get("/v1/apikeys")
    secure = Client().get("/v1/apikeys", secure=True)

    assert (plain.status_code, plain.headers["Location"]) == (301, "https://testserver/v1/apikeys")
    assert (secure.status_code, secure.headers["Strict-Transport-Security"]) == (401, "max-age=3600")


@pytest.mark.parametrize("path", ["//v1/apikeys", "/v1/apikeys/", "///identity/keys/"])
def test_slashes_too_many_lead_to_the_same_door(path):
    status = Client().get("/", PATH_INFO=path).status_code

    assert status == (401 if "v1" in path else 200)


def test_programs_pass_nothing_that_people_do_not_pass():
    # CommonMiddleware sets the same header, and looks for addresses that lack a slash.
    own = {"console.middleware.content_length_header"}

    assert set(django_settings.PROGRAMS_MIDDLEWARE) - own <= set(django_settings.MIDDLEWARE)


def test_middleware_whose_hooks_would_be_passed_over_is_refused(settings):
    settings.PROGRAMS_MIDDLEWARE = [*settings.PROGRAMS_MIDDLEWARE, "console.middleware.LoginRequired"]

    with pytest.raises(ImproperlyConfigured, match="LoginRequired has hooks"):
        ProgramsHandler()
