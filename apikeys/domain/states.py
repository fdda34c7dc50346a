"""What a key is now, why a value is refused, and who may undo that a key was disabled or locked."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from apikeys.domain.identities import Identity


class Status(StrEnum):
    """What a key is now, in one word; where several apply, the first of these."""

    LEAKED = "leaked"
    EXPIRED = "expired"
    DISABLED = "disabled"
    PAUSED = "paused"
    LOCKED = "locked"
    ACTIVE = "active"


class Reason(StrEnum):
    """Why a value that is known was refused; of several the first."""

    DECOY = "decoy"
    DELETED = "deleted"
    REPLACED = "replaced"  # by a rotation whose overlap has ended
    EXPIRED = "expired"
    DISABLED = "disabled"
    PAUSED = "paused"
    OWNER_INACTIVE = "owner_inactive"  # gone, deactivated, a service ID that is disabled or of somebody inactive
    NETWORK = "network"  # used from where it may not be


class Hold(StrEnum):
    """As whom somebody disabled or locked a key; what is CONTAINED only an administrator undoes."""

    OWNER = "owner"
    ADMINISTRATOR = "administrator"
    LEAK = "leak"
    RULE = "rule"


CONTAINED = frozenset({Hold.ADMINISTRATOR, Hold.LEAK, Hold.RULE})


def may_undo(hold: str, identity: Identity) -> bool:
    """Tell whether an identity that sees a key may undo what was done to it with this hold, "" for an unknown one."""
    return identity.is_administrator or hold not in CONTAINED


class LeakedAction(StrEnum):
    """What happens to a key that was found in public."""

    NONE = "none"
    DISABLE = "disable"
    DELETE = "delete"


class Ending:
    """What a key needs to tell whether it can be used; each kind of key has these."""

    __slots__ = ()
    disabled: bool
    expires_at: datetime | None
    paused_until: datetime | None
    is_decoy: bool

    @property
    def is_expired(self) -> bool:
        """Whether `expires_at` has come."""
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)

    @property
    def is_paused(self) -> bool:
        """Whether `paused_until` is still to come."""
        return self.paused_until is not None and self.paused_until > datetime.now(UTC)

    @property
    def refusal(self) -> Reason | None:
        """Why a program can't use the key now, None where it can. A locked key can be used, only not changed."""
        if self.is_decoy:
            return Reason.DECOY
        if self.is_expired:
            return Reason.EXPIRED
        if self.disabled:
            return Reason.DISABLED
        return Reason.PAUSED if self.is_paused else None

    @property
    def authenticates(self) -> bool:
        """Tell whether a program can use the key now."""
        return self.refusal is None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a key is refused now: since when and by whom, an IAM ID, as far as that is known, and until when."""

    reason: Reason
    since: datetime | None = None
    by: str = ""
    until: datetime | None = None
