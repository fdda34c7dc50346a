"""The backend that sessions of single sign-on name: without it among the settings, nobody goes on with one."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest


class SignOnBackend(ModelBackend):
    """People who logged in at the provider; it judges no secret."""

    def authenticate(self, request: HttpRequest | None, **kwargs: Any) -> None:  # type: ignore[override]
        return None
