"""Who acts, with what access, and who owns keys."""

from dataclasses import dataclass, field
from typing import Protocol

from apikeys.domain.ids import SERVICE_ID_PREFIX


class Access(Protocol):
    """How an upstream store is asked on behalf of one log-in: with an access token that is renewed as needed."""

    deadline: float  # in seconds of time.monotonic; nothing is waited for beyond it

    @property
    def sees_all(self) -> bool:
        """Whether the store lists everybody's keys of the account to this person. Raises LogInAgain."""

    def token(self) -> str:
        """Return an access token that has not expired. Raises LogInAgain, BackendUnavailable."""

    def renew(self, refused: str) -> str:
        """Return a new token in place of the one that was refused. Raises LogInAgain, BackendUnavailable."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who acts. `iam_id` is `IBMid-` and ten characters for a person; `account_id` is 32 hex digits.

    `is_administrator` is about this database only: an upstream IAM decides itself what it lets a person see.
    """

    iam_id: str
    account_id: str
    name: str
    email: str
    is_administrator: bool = False
    may_create_keys: bool = True  # where the rules leave that to some


@dataclass(frozen=True, slots=True)
class Caller:
    """An identity, where its request came from, and its access to an upstream store.

    Functions of the services take one, for the store and for the audit event. `scope` and `networks` are those of the
    key or token that the request shows, empty where these limit nothing.
    """

    identity: Identity
    address: str = ""
    agent: str = ""
    correlation_id: str = ""
    client_correlation_id: str = ""  # what the client calls its request; nobody checks it
    access: Access | None = field(default=None, repr=False, compare=False)
    scope: str = ""
    networks: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who a key belongs to, in words. `user_id` is empty for a service ID, `name` too for somebody unknown here."""

    iam_id: str
    name: str = ""
    user_id: str = ""

    @property
    def is_service_id(self) -> bool:
        return self.iam_id.startswith(SERVICE_ID_PREFIX)

    @property
    def words(self) -> str:
        """Who it is, in one line, such as "Alice Liddell (alice)"."""
        if not self.name:
            return self.iam_id
        return self.name if self.user_id in ("", self.name) else f"{self.name} ({self.user_id})"
