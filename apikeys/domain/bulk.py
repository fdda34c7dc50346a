"""One action on many keys."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class BulkAction(StrEnum):
    """What can be done to many keys at once."""

    DISABLE = "disable"
    ENABLE = "enable"
    LOCK = "lock"
    UNLOCK = "unlock"
    DELETE = "delete"


MOST_AT_ONCE = 1000  # keys of one bulk run
MOST_IN_REQUEST = 100  # keys: each is a transaction, and a request is not to take longer than a second or two


@dataclass(frozen=True, slots=True)
class BulkFailure:
    """A key of many to which something could not be done; `message` is a msgid, `code` IAM's."""

    key_id: str
    name: str  # "" where nobody knows it
    code: str
    message: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BulkRun:
    """One action on many keys, done in pieces: `done` of `keys`, pairs of id and name, have been tried.

    It is begun when somebody has confirmed it.
    """

    id: str
    action: BulkAction
    keys: tuple[tuple[str, str], ...]
    done: int
    failures: tuple[BulkFailure, ...]
    created_at: datetime
    is_begun: bool
    is_finished: bool

    @property
    def succeeded(self) -> int:
        """How many keys it was done to."""
        return self.done - len(self.failures)
