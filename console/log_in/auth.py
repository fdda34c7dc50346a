"""Log-in with a limit on attempts, and passwords by Argon2id, never more hashes at once than processors."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any, TypeVar, cast

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from apikeys.exceptions import TooManyAttempts
from apikeys.identity.request import Request
from console.log_in import events, limiter
from console.log_in.devices import known_device
from console.log_in.limiter import Attempt

Found = TypeVar("Found")

WAIT_SECONDS = 3

_slots = BoundedSemaphore(os.cpu_count() or 1)


class HashingBusy(Exception):
    """Too many passwords are being verified; the caller should answer 429."""


@contextmanager
def _slot() -> Iterator[None]:
    if not _slots.acquire(timeout=WAIT_SECONDS):
        raise HashingBusy
    try:
        yield
    finally:
        _slots.release()


def attempt_of(request: HttpRequest, user_id: str) -> Attempt:
    """Return what an attempt of whoever sent a request to be this person is counted by."""
    return Attempt(cast("Request", request).client_address, user_id, device=known_device(request, user_id))


def judge(
    attempt: Attempt, look: Callable[[], Found], not_looked: tuple[type[Exception], ...] = (HashingBusy,)
) -> Found:
    """Return what `look` finds, which is falsy for a wrong secret. Nothing else reserves an attempt: each ends here.

    Raises TooManyAttempts without having looked, and what `look` raises; of `not_looked`, such as HashingBusy where
    there was no processor for it, the attempt does not count.
    """
    limiter.reserve(attempt)
    try:
        found = look()
    except not_looked:
        limiter.give_back(attempt)
        raise
    if found:
        limiter.forgive(attempt)
    return found


@sensitive_variables("password")
def is_own_password(request: HttpRequest, password: str) -> bool:
    """Tell whether it is the password of the person who is logged in, which counts as an attempt to log in.

    Raises TooManyAttempts, HashingBusy.
    """
    person = cast("Request", request).user
    return judge(attempt_of(request, person.get_username()), lambda: person.check_password(password))


class LimitedModelBackend(ModelBackend):
    """Django's, with each attempt counted before the password is looked at, whatever page or API it came by."""

    @sensitive_variables("password")
    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        if request is None or username is None or password is None or "\0" in username or settings.OIDC_ONLY:
            return None
        look = super().authenticate
        attempt = attempt_of(request, username)
        try:
            return judge(attempt, lambda: look(request, username=username, password=password, **kwargs))
        except TooManyAttempts as exc:
            events.record_limit(request, exc, username)
            raise


class IAMBackend(ModelBackend):
    """People who logged in upstream: their passwords are checked there, never here."""

    def authenticate(self, request: HttpRequest | None, **kwargs: Any) -> None:  # type: ignore[override]
        return None


class Argon2idHasher(Argon2PasswordHasher):
    """19 MiB, two passes, one lane: about 26 ms on the machines it was measured on."""

    memory_cost = 19 * 1024  # KiB
    time_cost = 2
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with _slot():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _slot():
            return super().verify(password, encoded)
