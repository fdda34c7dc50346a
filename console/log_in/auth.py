"""Log-in with a limit on attempts, and passwords by Argon2id, never more hashes at once than processors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any, cast

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.http import HttpRequest

from apikeys.identity.request import Request
from console.log_in import limiter

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


class LimitedModelBackend(ModelBackend):
    """Django's, with each attempt counted before the password is looked at, whatever page or API it came by."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        if request is None or username is None or password is None or "\0" in username:
            return None
        address = cast("Request", request).client_address
        limiter.reserve(username, address)
        user = super().authenticate(request, username=username, password=password, **kwargs)
        if user is not None:
            limiter.forgive(username, address)
        return user


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
