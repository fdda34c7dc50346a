"""Refuses to start with peppers other than those the stored keys were made with."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db import DatabaseError

from apikeys.models import PepperFingerprint


def check_peppers(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Return an error for each pepper that the database knows and the settings lack or contradict."""
    if not databases:
        return []
    peppers = settings.APIKEYS_PEPPERS
    try:
        known = dict(PepperFingerprint.objects.values_list("number", "fingerprint"))
    except DatabaseError:  # before the first migration
        return []
    return [
        Error(
            f"Pepper {number} is missing or is not the one that stored keys were made with: none of them would work.",
            hint="Restore DATA_DIR/peppers or APIKEYS_PEPPERS from your backup.",
            id="apikeys.E001",
        )
        for number, fingerprint in sorted(known.items())
        if number not in peppers.by_number or peppers.fingerprint(number) != fingerprint
    ]


def remember_peppers(**kwargs: Any) -> None:
    """Store the fingerprint of each configured pepper that is new."""
    peppers = settings.APIKEYS_PEPPERS
    for number in peppers.by_number:
        PepperFingerprint.objects.get_or_create(number=number, defaults={"fingerprint": peppers.fingerprint(number)})
