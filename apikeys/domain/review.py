"""Keys that need a decision, and the rules that take it."""

from dataclasses import dataclass
from enum import StrEnum


class ReviewKind(StrEnum):
    """Why keys need a decision, the most urgent first; of service IDs nobody manages the keys do."""

    LEAKED = "leaked"
    INACTIVE = "inactive"  # of people who are deactivated or gone
    ORPHANED = "orphaned"  # of service IDs that nobody manages, or that were handed over and are still disabled
    EXPIRING = "expiring"
    EXPIRED = "expired"
    UNUSED = "unused"  # for long
    NEVER_USED = "never_used"


class ReviewStep(StrEnum):
    """What a rule of the review does to a key by itself, one after the other."""

    WARN = "warn"
    DISABLE = "disable"
    DELETE = "delete"


# Nobody is there to be warned about what is nobody's, and what has expired is refused already.
REVIEW_STEPS: dict[ReviewKind, tuple[ReviewStep, ...]] = dict.fromkeys(ReviewKind, tuple(ReviewStep)) | {
    ReviewKind.INACTIVE: (ReviewStep.DISABLE, ReviewStep.DELETE),
    ReviewKind.ORPHANED: (ReviewStep.DISABLE, ReviewStep.DELETE),
    ReviewKind.EXPIRING: (ReviewStep.WARN,),
    ReviewKind.EXPIRED: (ReviewStep.WARN, ReviewStep.DELETE),
}


@dataclass(frozen=True, slots=True)
class ReviewRule:
    """After how many days the keys of a group are warned about, disabled and deleted; None: they never are.

    The first of these steps counts from when a key came into the group, or was changed last; each other one from the
    step before it.
    """

    kind: ReviewKind
    warn_days: int | None = None
    disable_days: int | None = None
    delete_days: int | None = None

    def days_until(self, step: ReviewStep) -> int | None:
        """Return after how many days a step is taken, None where it is not."""
        days: int | None = getattr(self, f"{step}_days")
        return days

    def next_step(self, taken: ReviewStep | None) -> ReviewStep | None:
        """Return the step that is taken after another one, or first of all."""
        steps = REVIEW_STEPS[self.kind]
        later = steps[steps.index(taken) + 1 :] if taken in steps else steps
        return next((step for step in later if self.days_until(step) is not None), None)
