"""Sessions in the database under the SHA-256 of their key: with a copy of the database nobody can use a session."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import Error
from django.utils import timezone

from apikeys.clocks import CLOCK_SET_BACK
from apikeys.storage.errors import fault_of
from apikeys.storage.reserve import revocation

BEGAN = "_began"  # unix seconds


def stored_key(session_key: str) -> str:
    """Return 40 hex digits, 160 bits: the column is that long, and the key itself has 165."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:40]


class SessionStore(DatabaseStore):
    """Django's database store; only what is looked up and what is written differ."""

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        if self.session_key is not None:
            now = timezone.now()
            # One that ends later was begun before the clock was set back.
            last_end = now + timedelta(seconds=settings.SESSION_COOKIE_AGE) + CLOCK_SET_BACK
            found = self.model.objects.filter(
                session_key=stored_key(self.session_key), expire_date__gt=now, expire_date__lte=last_end
            ).first()
            if found is not None:
                return found
        self._session_key = None
        return None

    def exists(self, session_key: str) -> bool:
        return super().exists(stored_key(session_key))

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        session = super().create_model_instance(data)
        session.session_key = stored_key(session.session_key)
        # The end is counted from the beginning, not from the last write.
        began = data.setdefault(BEGAN, timezone.now().timestamp())
        session.session_data = self.encode(data)
        session.expire_date = datetime.fromtimestamp(began + settings.SESSION_COOKIE_AGE, UTC)
        return session

    def save(self, must_create: bool = False) -> None:
        # A revocation ends with a message, which the session keeps; a log-in is no revocation.
        (self._save if must_create else revocation(self._save))(must_create)

    def _save(self, must_create: bool) -> None:
        """Save as Django does, which says of a database that is away or full, too, that the session has ended."""
        try:
            super().save(must_create)
        except UpdateError as exc:
            if isinstance(exc.__context__, Error) and fault_of(exc.__context__):
                raise exc.__context__ from exc.__context__.__cause__
            raise

    @revocation
    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            self.model.objects.filter(session_key=stored_key(key)).delete()


def forget_expired() -> None:
    """Remove sessions that are over; nobody could go on with one of them."""
    expired = SessionStore.get_model_class().objects.filter(expire_date__lt=timezone.now())
    if expired.exists():  # most sweeps find nothing and must not take the write lock
        expired.delete()
