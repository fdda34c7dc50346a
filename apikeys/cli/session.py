"""The log-in of the command line, kept in a file: the server, and tokens that are renewed when they expire."""

import contextlib
import fcntl
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from apikeys.cli.output import Refused
from apikeys.iam.claims import account_of, claim, claims_of
from apikeys.iam.timeouts import RENEW_BEFORE_SECONDS

if TYPE_CHECKING:  # `requests` takes most of the time that a command needs to start
    from apikeys.iam.client import IAMClient, TokenPair

REFUSED_STATUSES = (400, 401, 403)

Answer = TypeVar("Answer")


class SessionError(Refused):
    """One plain sentence about the log-in."""


def folder() -> Path:
    """Return the folder of the log-in, which may not exist yet. Raises SessionError where there is no home."""
    if configured := os.environ.get("XDG_CONFIG_HOME"):
        return Path(configured) / "apikeys"
    homeless = SessionError("There is no home directory to keep the log-in in. Set HOME or XDG_CONFIG_HOME.")
    if os.environ.get("HOME") == "":
        raise homeless
    try:
        return Path.home() / ".config" / "apikeys"
    except RuntimeError:  # a user who is not in /etc/passwd, as in many containers
        raise homeless from None


@dataclass(slots=True)
class Session:
    """Kept in `session.json`, mode 0600, below ~/.config/apikeys."""

    url: str = ""
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    expiration: int = 0  # unix seconds
    target: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls) -> "Session":
        """Return the stored session, an empty one where there is none or it can't be read."""
        try:
            stored = json.loads((folder() / "session.json").read_text(encoding="utf-8"))
            found = cls(**{name: stored[name] for name in cls.__slots__ if name in stored})
        except (OSError, ValueError, TypeError, RecursionError):
            return cls()
        empty = cls()
        is_valid = all(type(getattr(found, name)) is type(getattr(empty, name)) for name in cls.__slots__)
        return found if is_valid else empty

    def save(self) -> None:
        """Replace the file in one step, readable by its owner only. Raises SessionError."""
        draft = folder() / f"session.{os.getpid()}"
        try:
            folder().mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(asdict(self), file)
            draft.replace(folder() / "session.json")
        except OSError as exc:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise SessionError(f"Can't save the log-in in {folder()}: {exc.strerror}.") from None

    def begin(self, url: str, pair: "TokenPair | Session") -> None:
        self.url, self.access_token = url, pair.access_token
        self.refresh_token, self.expiration = pair.refresh_token, pair.expiration

    def end(self) -> None:
        """Forget the tokens for good; the address and the target stay. Raises SessionError."""
        self.forget()
        self.save()

    def forget(self) -> None:
        self.access_token = self.refresh_token = ""
        self.expiration = 0

    @property
    def is_logged_in(self) -> bool:
        return bool(self.access_token)

    @property
    def claims(self) -> dict[str, Any]:
        """What the access token says of its bearer; the server checks it, this only shows it."""
        return claims_of(self.access_token)

    @property
    def iam_id(self) -> str:
        return claim(self.claims, "iam_id")

    @property
    def account_id(self) -> str:
        return account_of(self.access_token)

    @property
    def user(self) -> str:
        return claim(self.claims, "email") or claim(self.claims, "name") or self.iam_id

    def client(self, url: str = "", *, seconds: float = math.inf) -> "IAMClient":
        """Return a client of the server, or of another; all its calls together end after that many seconds."""
        from apikeys.iam.client import IAMClient

        return IAMClient(url or self.url, self.access_token, deadline=time.monotonic() + seconds)

    def ask(self, call: "Callable[[IAMClient], Answer]") -> Answer:
        """Return the result of a call, made with a token that has not expired. Raises SessionError, IAMError."""
        from apikeys.iam.client import IAMError

        self.fresh_token()
        try:
            return call(self.client())
        except IAMError as exc:
            if exc.status != 401:
                raise
        self.renew()
        return call(self.client())

    def fresh_token(self) -> str:
        """Return an access token, renewed where it is about to run out. Raises SessionError, IAMError."""
        if self.refresh_token and self.expiration - time.time() < RENEW_BEFORE_SECONDS:
            self.renew()
        return self.access_token

    def renew(self) -> None:
        """Exchange the refresh token, one process at a time: it works only once. Raises SessionError."""
        from apikeys.iam.client import IAMError

        over = SessionError("Your session has ended. Use 'apikeys login' to log in again.")
        with _lock():
            stored = Session.load()
            if stored.access_token and stored.access_token != self.access_token:  # renewed by another process
                self.begin(self.url, stored)
                return
            if not self.refresh_token:
                raise over
            try:
                self.begin(self.url, self.client().refresh(self.refresh_token))
            except IAMError as exc:
                if exc.status not in REFUSED_STATUSES:  # the server is busy or down: the refresh token still works
                    raise
                self.end()
                raise over from None
            self.save()


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    try:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (folder() / "lock").open("w")
    except OSError as exc:
        raise SessionError(f"Can't renew the session in {folder()}: {exc.strerror}.") from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
