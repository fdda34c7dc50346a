"""Where, when and how often keys are used and refused."""

from dataclasses import dataclass
from datetime import date, datetime

from apikeys.domain.states import Reason


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a use of a key came from; `request_id` is what its answer calls the request.

    `used_from` is the address that a service passes on that asks about a key, "" where it passes none; None for a
    request that uses the key itself.
    """

    address: str = ""
    agent: str = ""
    request_id: str = ""
    used_from: str | None = None

    @property
    def network_address(self) -> str:
        """The address that the networks of a key are compared with."""
        return self.address if self.used_from is None else self.used_from


@dataclass(frozen=True, slots=True)
class Usage:
    """How often an identity has authenticated, and when last; None for never."""

    count: int
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One use of a known value that was refused; `request_id` is what the answer called the request."""

    key_id: str
    request_id: str
    at: datetime
    reason: Reason
    value_number: int
    address: str
    agent: str


DAYS_OF_USE = 30
MOST_PLACES = 50


@dataclass(frozen=True, slots=True)
class Place:
    """From where and by what a key is used: an address, and the product that its User-Agent names.

    `value_number` is the newest value that was used there, since `value_since`; `older_used_at` is when one before it
    was used last. Moments are None for what never happened, and `reason` is that of the last refusal.
    """

    address: str
    client: str
    uses: int = 0
    first_used_at: datetime | None = None
    last_used_at: datetime | None = None
    value_number: int = 1
    value_since: datetime | None = None
    older_used_at: datetime | None = None
    refusals: int = 0
    refused_at: datetime | None = None
    reason: Reason | None = None

    @property
    def last_at(self) -> datetime:
        """When it was used or refused last."""
        return max(moment for moment in (self.last_used_at, self.refused_at) if moment is not None)


@dataclass(frozen=True, slots=True)
class UseDay:
    """How often a key was used and refused on one day, in UTC."""

    day: date
    uses: int = 0
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class KeyUse:
    """Where a key is used: at most MOST_PLACES, the latest first, and each of the last DAYS_OF_USE days, today last."""

    places: tuple[Place, ...]
    days: tuple[UseDay, ...]
