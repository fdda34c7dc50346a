"""Persons of the embedded store, as identities."""

import hashlib
from typing import Any

from django.contrib.auth import authenticate, get_user_model
from django.http import HttpRequest

from apikeys.domain import Identity


def identity_of(user: Any) -> Identity:
    """Return who a user of the console is to the stores."""
    return Identity(
        iam_id=user.iam_id,
        account_id=user.account_id,
        name=user.get_full_name() or user.get_username(),
        email=user.email,
        is_administrator=user.is_superuser,
    )


def active_person(iam_id: str) -> Any | None:
    """Return the user with this IAM ID, or None when there is none or it is deactivated."""
    return get_user_model().objects.filter(iam_id=iam_id, is_active=True).first()


def with_password(request: HttpRequest, username: str, password: str) -> Any | None:
    """Return the active user with these credentials, or None. Raises TooManyAttempts."""
    return authenticate(request, username=username, password=password)


def password_stamp(user: Any) -> str:
    """Return 32 hex digits that change with the password, are nobody else's, and tell nothing of it."""
    return hashlib.sha256(f"{user.iam_id} {user.get_session_auth_hash()}".encode()).hexdigest()[:32]
