"""Second factors of people in tests: their apps, the log-in up to the second step, and proofs that grow old."""

from datetime import timedelta

import pyotp
from django.conf import settings
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from console.factors import second_step as steps
from console.factors import totp
from console.factors.models import Authenticator
from tests.cast import PASSWORD
from tests.markup import page

LOGIN, SECOND, APP = "/login/", "/login/second/", "/account/factors/app/"


def give_app(person) -> pyotp.TOTP:
    """Return the app of somebody who has had one for a while."""
    secret = totp.new_secret()
    Authenticator.objects.create(user=person, sealed=totp.seal(secret, person))
    return pyotp.TOTP(secret)


def code_of(app: pyotp.TOTP, steps: int = 0) -> str:
    """Return the code that an app shows now, or so many steps of 30 seconds later."""
    return app.at(timezone.now() + timedelta(seconds=totp.STEP_SECONDS * steps))


def wrong_code(app: pyotp.TOTP) -> str:
    right = [code_of(app, steps) for steps in (-1, 0, 1, 2)]
    return next(code for code in ("000000", "111111", "222222", "333333", "444444") if code not in right)


def log_in(person, client: Client | None = None, **fields: str) -> Client:
    """Return a browser in which a person has sent the right password."""
    client = client or Client()
    client.post(LOGIN, {"username": person.username, "password": PASSWORD} | fields)
    return client


def half_logged_in(person) -> Client:
    """Return a browser as `log_in` does, without hashing a password for it."""
    client, request = Client(), HttpRequest()
    request.session = client.session
    steps.begin(request, person, next_url="/", time_zone="")
    request.session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = request.session.session_key
    return client


def second_step(client: Client, code: str):
    return client.post(SECOND, {"code": code})


def codes_on(answer) -> list[str]:
    return [item.text for item in page(answer).find(id="codes").find_all("code")]


def make_old(client: Client, minutes: int = 16) -> None:
    """Let so many minutes pass since somebody proved who they are."""
    session = client.session
    session["proved_at"] = timezone.now().timestamp() - minutes * 60
    session.save()
