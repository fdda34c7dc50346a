"""What is sealed under SECRET_KEY and kept for longer than former keys are: it is sealed again before those go."""

from collections.abc import Callable

from apikeys.identity import signing
from console.factors import totp
from console.webhooks import signing as webhooks

# Each seals its rows again under the present SECRET_KEY, and returns how many those are.
SEALED: list[Callable[[], int]] = [signing.seal_again, totp.seal_again, webhooks.seal_again]

# How many of what a backup holds no SECRET_KEY that is known opens.
UNREADABLE: list[Callable[[], int]] = [totp.unreadable, webhooks.unreadable]


def unreadable() -> int:
    """Return how many apps and webhooks can't be opened, as after a restore without the SECRET_KEY of that time."""
    return sum(count() for count in UNREADABLE)


def seal_again() -> int:
    """Seal everything again; return how many things that were. Raises errors of the database."""
    return sum(seal() for seal in SEALED)
