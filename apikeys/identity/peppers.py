"""Which peppers stored keys need, and the check that refuses to start without one of them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db import DEFAULT_DB_ALIAS, DatabaseError, transaction
from django.db.models import Count, F, Model, Q, QuerySet
from django.utils import timezone

from apikeys import audit
from apikeys.domain import Caller
from apikeys.models import ApiKeyRecord, AuditEvent, DeletedKeyRecord, PepperFingerprint, PreviousValue


def check_peppers(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Return an error for each pepper that the database needs and the settings contradict or lack."""
    if not databases:
        return []
    try:
        numbers = contradicted()
    except DatabaseError:  # before the first migration
        return []
    return [
        Error(
            f"Pepper {number} is missing or is not the one that stored keys were made with: none of them would work.",
            hint="Restore DATA_DIR/peppers or APIKEYS_PEPPERS from your backup.",
            id="apikeys.E001",
        )
        for number in numbers
    ]


def contradicted(database: str = DEFAULT_DB_ALIAS) -> list[int]:
    """Return the peppers that a database knows and the settings contradict, or lack while they are needed.

    A pepper is needed while keys are stored under it that work or can be restored, or values that still work. The
    newest always is: other processes make keys under it.
    """
    peppers = settings.APIKEYS_PEPPERS
    known = dict(PepperFingerprint.objects.using(database).values_list("number", "fingerprint"))
    return [
        number
        for number, fingerprint in sorted(known.items())
        if (
            peppers.fingerprint(number) != fingerprint
            if number in peppers.by_number
            else number == max(known) or any(rows.filter(pepper=number).exists() for rows in _in_use(database))
        )
    ]


def save_fingerprints(**kwargs: Any) -> None:
    """Store the fingerprint of each configured pepper that is new; of one that is to come nothing depends yet."""
    peppers = settings.APIKEYS_PEPPERS
    is_first = not PepperFingerprint.objects.exists()
    for number in peppers.by_number.keys() - peppers.coming:
        with transaction.atomic():
            fingerprint = {"fingerprint": peppers.fingerprint(number)}
            _row, is_new = PepperFingerprint.objects.get_or_create(number=number, defaults=fingerprint)
            if is_new and not is_first and not _was_told(number):
                audit.record(Caller(audit.NOBODY), audit.PEPPER_CREATE, target_name=str(number))


def _was_told(number: int) -> bool:
    """Tell whether there is an event of a pepper: a command that makes one writes it before the first start with it."""
    return AuditEvent.objects.filter(action=audit.PEPPER_CREATE, target_name=str(number)).exists()


def usage() -> dict[int, int]:
    """Return how many keys are stored under each pepper, by its number; under one that is configured it may be none.

    A key with a previous value that works counts once more, and so does one that was deleted and can be restored.
    """
    counted: Counter[int] = Counter()
    for rows in _in_use(DEFAULT_DB_ALIAS):
        counted.update(dict(rows.values_list("pepper").annotate(Count("pk"))))
    return {number: counted.get(number, 0) for number in sorted({*settings.APIKEYS_PEPPERS.by_number, *counted})}


def _in_use(database: str) -> "list[QuerySet[Any]]":
    """Return what is stored of values that work, or may work again."""
    works = Q(is_ended=False) & (Q(ends_at=None) | Q(ends_at__gt=timezone.now()) | Q(asks_at_end=True))
    models: list[type[Model]] = [ApiKeyRecord, DeletedKeyRecord]
    return [
        *(model._default_manager.using(database) for model in models),
        PreviousValue.objects.using(database).filter(works),
    ]


def keys_under_older() -> list[ApiKeyRecord]:
    """Return the keys that no use has moved to the newest pepper yet, those that were used last first."""
    records = ApiKeyRecord.objects.filter(pepper__lt=settings.APIKEYS_PEPPERS.newest)
    return list(records.order_by(F("last_used_at").desc(nulls_last=True), "id"))
