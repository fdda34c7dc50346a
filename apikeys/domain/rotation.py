"""The value before a rotation, and how long it works beside the new one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apikeys.domain.uses import Place

STILL_USED = timedelta(days=1)  # so long before its end a previous value was used that is asked about


@dataclass(frozen=True, slots=True)
class PreviousValue:
    """A value that a rotation replaced; it works until `ends_at`, where that is None until somebody ends it.

    With `asks_at_end` one that was used on its last day goes on working, until somebody ends it.
    """

    key_id: str
    number: int
    hint: str
    replaced_at: datetime
    ends_at: datetime | None
    is_ended: bool
    asks_at_end: bool
    leaked: bool
    last_used_at: datetime | None
    use_count: int

    @property
    def is_over(self) -> bool:
        """Whether `ends_at` has come, or somebody has ended it."""
        return self.is_ended or (self.ends_at is not None and self.ends_at <= datetime.now(UTC))

    @property
    def awaits_answer(self) -> bool:
        """Whether its time is up, and it still works because it is used, until somebody is asked."""
        if self.is_ended or not (self.asks_at_end and self.is_over and self.last_used_at and self.ends_at):
            return False
        return self.last_used_at >= max(self.replaced_at, self.ends_at - STILL_USED)

    @property
    def works(self) -> bool:
        """Tell whether a program can use it now, as far as the key itself can be used."""
        return not self.is_over or self.awaits_answer


@dataclass(frozen=True, slots=True)
class Overlap:
    """How long a value goes on working after its rotation: `lasts`, where that is None until somebody ends it.

    With `asks_at_end` it goes on after that while it is used. `ends_previous`: the value before it, if it still works,
    ends at once.
    """

    lasts: timedelta | None
    asks_at_end: bool = False
    ends_previous: bool = False


MAX_OVERLAP = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Progress:
    """How many clients use a key, how many of them have moved to its new value, and which have not, latest first."""

    clients: int
    moved: int
    waiting: tuple["Place", ...]
