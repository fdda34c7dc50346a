"""What things are called on every page that names them: the states of a key, and the groups of the review."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _lazy

from apikeys.domain import ReviewKind, Status

STATUSES: dict[Status, Promise] = {
    Status.ACTIVE: _lazy("Active"),
    Status.DISABLED: _lazy("Disabled"),
    Status.PAUSED: _lazy("Paused"),
    Status.LOCKED: _lazy("Locked"),
    Status.EXPIRED: _lazy("Expired"),
    Status.LEAKED: _lazy("Leaked"),
}
REVIEW_GROUPS: dict[ReviewKind, Promise] = {
    ReviewKind.LEAKED: _lazy("Found in public"),
    ReviewKind.INACTIVE: _lazy("Of people who are deactivated or gone"),
    ReviewKind.ORPHANED: _lazy("Service IDs that nobody manages"),
    ReviewKind.EXPIRING: _lazy("Expiring within 14 days"),
    ReviewKind.EXPIRED: _lazy("Expired"),
    ReviewKind.UNUSED: _lazy("Not used for 90 days"),
    ReviewKind.NEVER_USED: _lazy("Never used for 7 days or more"),
}
