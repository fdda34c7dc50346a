"""The rules for all keys."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Creators(StrEnum):
    """Who may create keys."""

    EVERYBODY = "everybody"
    SOME = "some"  # whom an administrator allows it
    ADMINISTRATORS = "administrators"


DEFAULT_PER_IDENTITY, MAX_PER_IDENTITY = 1000, 10_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """What all keys have to keep to; a number of 0 and an empty text limit nothing.

    `max_lifetime_days` counts from when a key got its present value; `networks` is where keys may be used from at most.
    """

    max_lifetime_days: int = 0
    must_expire: bool = False
    creators: Creators = Creators.EVERYBODY
    networks: str = ""
    keys_per_identity: int = DEFAULT_PER_IDENTITY

    @property
    def needs_expiration(self) -> bool:
        """Whether a key without an expiration breaks them."""
        return self.must_expire or bool(self.max_lifetime_days)

    def latest_end(self, made_at: datetime) -> datetime | None:
        """Return when a key whose value is made then expires at the latest, None for whenever it likes.

        Days are those of UTC, and whole: who counts from another hour, or with another clock, is not refused for it.
        """
        if not self.max_lifetime_days:
            return None
        last = made_at.astimezone(UTC) + timedelta(days=self.max_lifetime_days)
        return last.replace(hour=23, minute=59, second=59, microsecond=0)


NO_RULES = Rules(keys_per_identity=0)
