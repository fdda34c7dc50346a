"""The log-in of a program by passcode; a session never begins so."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from apikeys.exceptions import ApiKeyError
from apikeys.identity.request import Request
from console.factors import passcodes
from console.log_in.auth import HashingBusy, judge
from console.log_in.limiter import Attempt
from console.models import User

# In place of a user ID, for the limit on attempts: whose it is, is not known yet. Each passcode is counted for itself,
# and all of an address together: five wrong ones of a colleague must not keep a whole office out.
COUNTED = "a one-time passcode"


class PasscodeBackend(BaseBackend):
    """Takes a one-time passcode. The name of the argument is one that Django hides where a log-in is refused.

    Who logs in so says what comes of it: `then` is called with the person before anybody can end their sessions.
    """

    @sensitive_variables("one_time_password", "about", "attempt")
    def authenticate(
        self,
        request: HttpRequest | None,
        one_time_password: str | None = None,
        then: Callable[[User], object] | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the person of a passcode, None where it does not work. Raises TooManyAttempts."""
        if request is None or one_time_password is None or then is None:
            return None
        about = f"{COUNTED} {one_time_password}"
        attempt = Attempt(cast("Request", request).client_address, about, is_person=False)
        # What `then` refuses was asked for with a passcode that is right.
        return judge(attempt, lambda: passcodes.use(one_time_password, then), not_looked=(HashingBusy, ApiKeyError))
