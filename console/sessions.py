"""Sessions in the database under the SHA-256 of their key: with a copy of the database nobody can use a session."""

import hashlib
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import Error
from django.utils import timezone
from django.utils.translation import ngettext

from apikeys.clocks import CLOCK_TOLERANCE
from apikeys.storage.errors import fault_of
from apikeys.storage.reserve import revocation
from apikeys.usage.places import printable
from apikeys.values import mask_agent

if TYPE_CHECKING:
    from console.models import Session

BEGAN = "_began"  # unix seconds
ENDED = "ended=1"  # in the address of the log-in page, which then says why it is shown
RENEW_AFTER = timedelta(minutes=1)  # a use is not written so soon after the last one
MOST_UNWRITTEN = 10_000

_lock = Lock()
_unwritten: dict[str, datetime] = {}  # when sessions were used, by their stored key, where that could not be written


def stored_key(session_key: str) -> str:
    """Return 40 hex digits, 160 bits: the column is that long, and the key itself has 165."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:40]


def ended_message() -> str:
    """Return what the log-in page says to somebody whose session is there no more."""
    minutes, hours = settings.SESSION_IDLE // timedelta(minutes=1), settings.SESSION_COOKIE_AGE // 3600
    return ngettext(
        "Your session has ended. Log in again to continue. A session ends after %(minutes)d minutes without use, and "
        "%(hours)d hour after the log-in.",
        "Your session has ended. Log in again to continue. A session ends after %(minutes)d minutes without use, and "
        "%(hours)d hours after the log-in.",
        hours,
    ) % {"minutes": minutes, "hours": hours}


class SessionStore(DatabaseStore):
    """Django's database store; what is looked up and what is written differ, and the row says when a session ends."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.row: Session | None = None  # as it was found
        self.address: str | None = None  # of the request, as the next one; None for no request
        self.agent: str | None = None

    @classmethod
    def get_model_class(cls) -> "type[Session]":
        from console.models import Session  # settings name this module before models can be loaded

        return Session

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        if self.session_key is not None:
            found = self.get_model_class().objects.filter(session_key=stored_key(self.session_key)).first()
            if found is not None and found.lives_at(timezone.now(), _unwritten.get(found.session_key)):
                self.row = found
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
        for name, cell in {"last_used_at": timezone.now(), **self._whose(data), **self._place()}.items():
            setattr(session, name, cell)
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
        if settings.SESSIONS_PER_PERSON:
            self._end_oldest()

    def _end_oldest(self) -> None:
        """End the oldest sessions of a person who has just logged in, where they have more than they may have."""
        user_id, now = self._whose(self)["user_id"], timezone.now()
        if user_id is None or (self.row is not None and self.row.user_id == user_id):
            return
        persons = self.get_model_class().objects.filter(user_id=user_id)
        # One that began ahead is from before the clock was set back: it must not end the log-in of now.
        living = persons.filter(began_at__lte=now + CLOCK_TOLERANCE, last_used_at__gt=now - settings.SESSION_IDLE)
        newest = living.order_by("-began_at", "session_key").values_list("session_key", flat=True)
        persons.exclude(session_key__in=list(newest[: settings.SESSIONS_PER_PERSON])).delete()

    @revocation
    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            self.model.objects.filter(session_key=stored_key(key)).delete()

    def renew(self) -> None:
        """Note that somebody uses the session now, at most once a minute; its idle time begins anew.

        A row that the release before wrote gets what this one has beside. Nothing is raised: a page is shown though its
        use can't be written, and then this process remembers it, so that nobody who works is logged out by a full disk.
        """
        row, now = self.row, timezone.now()
        if row is None:
            return
        # A use that lies ahead was written before the clock was set back, or by a server whose clock is ahead.
        if row.last_used_at and row.user_id and -CLOCK_TOLERANCE < now - row.last_used_at < RENEW_AFTER:
            return
        same = self.get_model_class().objects.filter(session_key=row.session_key, last_used_at=row.last_used_at)
        try:
            same.update(last_used_at=now, **self._whose(self), **self._place())
        except Error:
            _note(row.session_key, now)

    def _whose(self, data: "dict[str, Any] | SessionStore") -> dict[str, Any]:
        """Return the columns that say what the session itself does."""
        user_id, began = data.get(SESSION_KEY), data.get(BEGAN)
        return {
            "user_id": None if user_id is None else int(user_id),
            "began_at": began and datetime.fromtimestamp(began, UTC),
        }

    def _place(self) -> dict[str, str]:
        """Return the columns about where the request came from, {} without one."""
        if self.address is None or self.agent is None:
            return {}
        return {"address": self.address[:45], "agent": printable(mask_agent(self.agent))[:255]}


def _note(key: str, now: datetime) -> None:
    with _lock:
        _unwritten[key] = now
        if len(_unwritten) > MOST_UNWRITTEN:
            del _unwritten[next(iter(_unwritten))]


def forget_expired() -> None:
    """Remove sessions that are older than any may be; nobody could go on with one of them."""
    expired = SessionStore.get_model_class().objects.filter(expire_date__lt=timezone.now())
    if expired.exists():  # most sweeps find nothing and must not take the write lock
        expired.delete()
