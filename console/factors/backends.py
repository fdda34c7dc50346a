"""The log-in of a program by passcode; a session never begins so."""

from typing import Any, cast

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from apikeys.identity.request import Request
from console.factors import passcodes
from console.log_in import limiter
from console.models import User

COUNTED = "a one-time passcode"  # in place of a user ID, for the limit on attempts: whose it is, is not known yet


class PasscodeBackend(BaseBackend):
    """Takes a one-time passcode. The name of the argument is one that Django hides where a log-in is refused."""

    def authenticate(
        self, request: HttpRequest | None, one_time_password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Return the person of a passcode, None where it does not work. Raises TooManyAttempts."""
        if request is None or one_time_password is None:
            return None
        attempt = limiter.Attempt(cast("Request", request).client_address, COUNTED, is_person=False)
        limiter.reserve(attempt)
        person = passcodes.use(one_time_password)
        if person is not None:
            limiter.forgive(attempt)
        return person
