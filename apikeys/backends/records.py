"""What is done with rows of keys and service IDs, whoever acts: find by a value, save, remove, read histories.

Who may see or change a row is checked in embedded.py and service_ids.py, which are bound to a caller.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from operator import attrgetter, or_

from django.conf import settings
from django.db import Error, models, transaction
from django.utils import timezone

from apikeys import domain, values
from apikeys.backends.search import fold
from apikeys.models import (
    ApiKeyRecord,
    DeletedKeyRecord,
    HistoryRecord,
    PreviousValue,
    RevisedRecord,
    new_entity_tag,
)
from apikeys.storage.statements import Row

# Bytes: SQLite takes no longer pattern, each letter escaped; no usual name or description is as long.
LONGEST_TEXT = 24_000
LOOKUPS = {domain.Match.CONTAINS: "contains", domain.Match.EQUALS: "exact", domain.Match.STARTS_WITH: "startswith"}

logger = logging.getLogger(__name__)


def is_known(value: str) -> bool:
    """Tell whether a value is that of a key, or was, as far as that is remembered."""
    pairs = settings.APIKEYS_PEPPERS.digests(value)
    found = reduce(or_, (models.Q(digest=digest, pepper=number) for digest, number in pairs))
    return any(table.objects.filter(found).exists() for table in (ApiKeyRecord, PreviousValue, DeletedKeyRecord))


def has_digest(alias: str, number: int) -> str:
    """Return the condition that a key is stored under one of `number` digests, each with its pepper."""
    return " OR ".join([f'({alias}."digest" = %s AND {alias}."pepper" = %s)'] * number)


@dataclass(frozen=True, slots=True)
class PepperMove:
    """The digest of a key's value under the newest pepper, and what it is to replace."""

    key_id: str
    old_pepper: int
    old_digest: str
    digest: str


def plan_pepper_move(stored: Row, key_id: str, value: str) -> PepperMove | None:
    """Return how a value moves to the newest pepper, None where it is there. Nothing is written.

    `stored` is the record that has its digest: the key's, or that of a previous value.
    """
    peppers = settings.APIKEYS_PEPPERS
    if stored.pepper >= peppers.newest:  # another process may know that a pepper is no longer to come but newest
        return None
    digest = peppers.digest(value, peppers.newest)
    return PepperMove(key_id, stored.pepper, stored.digest, digest)


def move_to_newest_pepper(move: PepperMove) -> None:
    """Store a key's digest under the newest pepper. This is no change of the key: its tag stays.

    It may fail: then the key works as before, and a later use tries again.
    """
    # Of several uses at once the first moves it: the others find it under another pepper, and write nothing. A value
    # that was replaced meanwhile is in the other table.
    old, new = {"pepper": move.old_pepper, "digest": move.old_digest}, settings.APIKEYS_PEPPERS.newest
    try:
        with transaction.atomic():
            ApiKeyRecord.objects.filter(id=move.key_id, **old).update(pepper=new, digest=move.digest)
            PreviousValue.objects.filter(key_id=move.key_id, **old).update(pepper=new, digest=move.digest)
    except Error:
        logger.warning("%s stays under pepper %d for now.", move.key_id, move.old_pepper)


def names_version(if_match: str, entity_tag: str) -> bool:
    """Tell whether an If-Match header, or an entity tag alone, stands for this version: quoted, weak, one of a list."""
    if if_match.strip() == "*":
        return True
    tags = (tag.strip().removeprefix("W/") for tag in if_match.split(","))
    return entity_tag in (tag[1:-1] if len(tag) > 1 and tag[0] == tag[-1] == '"' else tag for tag in tags)


def fold_words(record: RevisedRecord) -> None:
    """Set the columns that searches compare, from name and description."""
    record.name_folded = fold(record.name)[: domain.NAME_MAX_LENGTH]
    record.description_folded = fold(record.description)


def apply_changes(record: RevisedRecord, changes: domain.Changes) -> list[str]:
    """Set what is to change of a record, which is not saved; return the names of it, sorted."""
    given = changes.given()
    for name, value in given.items():
        setattr(record, name, value)
    fold_words(record)
    return sorted(given)


def save_revision(
    record: RevisedRecord, identity: domain.Identity, action: str, message: str, params: Sequence[str] = ()
) -> None:
    """Save a changed record as its next revision, with an entity tag, a date and an entry of its history."""
    record.revision += 1
    record.entity_tag = new_entity_tag(record.revision)
    record.modified_at = timezone.now()
    record.save()
    add_history(identity, record.id, action, params, message)


def add_history(identity: domain.Identity, object_id: str, action: str, params: Sequence[str], message: str) -> None:
    """Store one change of a key or a service ID, made by `identity`; words that may be values are masked."""
    HistoryRecord.objects.create(
        object_id=object_id,
        iam_id=identity.iam_id,
        account_id=identity.account_id,
        action=action,
        params=[values.mask(param) for param in params],
        message=message,
    )


def history_of(object_id: str) -> list[domain.HistoryEntry]:
    """Return the changes of a key or a service ID, oldest first."""
    return histories_of([object_id])[object_id]


def histories_of(object_ids: Collection[str]) -> dict[str, list[domain.HistoryEntry]]:
    """Return the changes of each of these keys or service IDs, oldest first, with one query."""
    found: dict[str, list[domain.HistoryEntry]] = {object_id: [] for object_id in object_ids}
    for row in HistoryRecord.objects.filter(object_id__in=found).order_by("timestamp", "id"):
        entry = domain.HistoryEntry(
            row.timestamp, row.iam_id, row.account_id, row.action, tuple(row.params), row.message
        )
        found[row.object_id].append(entry)
    return found


def filter_of(condition: domain.Condition, suffix: str = "") -> models.Q:
    """Return the filter for rows, of keys or of service IDs, that meet a condition; the suffix is that of texts."""
    lookup, text = LOOKUPS[condition.match], fold(condition.text)
    if len(text.encode()) > LONGEST_TEXT:
        return models.Q(pk__in=[])
    if condition.attribute == "id" and condition.match is domain.Match.EQUALS:
        return models.Q(id=_as_written(condition.text))
    if condition.attribute == "id":
        return models.Q(**{f"id__i{lookup}": text})  # SQLite's LIKE ignores case in any event
    return models.Q(**{f"{condition.attribute}_folded{suffix}__{lookup}": text})


def _as_written(text: str) -> str:
    """Return an id in the letters that ids are written in, so that the primary key finds it."""
    kind, dash, number = fold(text).partition("-")
    return {"apikey": "ApiKey", "serviceid": "ServiceId"}.get(kind, kind) + dash + number


def to_domain(record: ApiKeyRecord | Row) -> domain.ApiKey:
    """Return the key that a record holds: columns are called like attributes."""
    held = [*_attributes_of(record)]
    held[_ACTION] = domain.LeakedAction(held[_ACTION])
    return domain.ApiKey(*held)


_ATTRIBUTES = tuple(field.name for field in fields(domain.ApiKey))
_ACTION = _ATTRIBUTES.index("action_when_leaked")
_attributes_of = attrgetter(*_ATTRIBUTES)


def to_used(record: ApiKeyRecord | Row) -> domain.UsedKey:
    """Return what the use of a key needs to know of its record, which may have no other columns."""
    return domain.UsedKey(*_used_of(record))


_used_of = attrgetter(*(field.name for field in fields(domain.UsedKey)))


def to_previous(record: PreviousValue | Row) -> domain.PreviousValue:
    """Return the previous value that a record holds."""
    return domain.PreviousValue(*_previous_of(record))


_previous_of = attrgetter(*(field.name for field in fields(domain.PreviousValue)))
