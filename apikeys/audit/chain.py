"""The hash chain over audit events: it shows what was changed, removed or inserted afterwards; ADR 0020.

Whoever writes an event adds its code (HMAC-SHA256), which needs nothing of other events and no lock. Within seconds a
sweeper gives events their places, in the order of their times, each with a code over itself and the one before. The key
of both is random and lies in the database, sealed under a pepper: with the database alone nobody makes a code.
"""

import hmac
import json
import logging
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import takewhile
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apikeys.audit.catalogue import AUDIT_DELETE
from apikeys.domain import Caller
from apikeys.models import AuditChain, AuditEvent
from apikeys.sealing import InvalidTag, cipher, seal, unseal
from apikeys.storage.numbers import plain

logger = logging.getLogger(__name__)

OLD = 500  # events that are removed in one transaction
REMOVED_EACH = timedelta(hours=1)
BATCH = 200  # events in one transaction, which takes the write lock and must be short
SECONDS_OF_SWEEP = 1.0  # after an upgrade there are many
PAGE = 2000  # events in memory while the chain is verified
KEY_BYTES = 32
PURPOSE, BOND = "audit chain", "chain"
# The release before writes events without a code, also while an upgrade rolls.
ADOPTED_FOR = timedelta(days=1)
MOST_FAULTS = 100  # that are told one by one
CODED = (
    "action", "outcome", "severity", "reason", "initiator_id", "initiator_name", "address", "agent", "correlation_id",
    "target_id", "target_name", "concerns",
)  # fmt: skip
SEALED = ("place", "previous", "digest")


def begin(**_kwargs: Any) -> None:
    """Begin the chain where there is none, and forget the key of another database."""
    key = secrets.token_bytes(KEY_BYTES)
    peppers = settings.APIKEYS_PEPPERS
    head = AuditChain(id=1, pepper=peppers.newest, sealed_key=_wrapped(key, peppers.newest), begun_at=timezone.now())
    head.code = _code_of_head(key, head)
    if not AuditChain.objects.exists():
        AuditChain.objects.bulk_create([head], ignore_conflicts=True)
    _key.cache_clear()
    _key()


def code_of(event: AuditEvent) -> str | None:
    """Return the code of an event that is about to be stored, None where the chain's key can't be opened."""
    key = _key()
    return None if key is None else _code(key, canonical(event))


def canonical(event: AuditEvent) -> str:
    """Return what a code is over: all that is stored of an event, in one spelling whatever the database."""
    told: dict[str, Any] = {name: getattr(event, name) for name in CODED}
    told["id"] = event.id.hex
    told["event_time"] = event.event_time.astimezone(UTC).isoformat(timespec="microseconds")
    told["request_data"] = plain(json.loads(json.dumps(event.request_data)))
    return json.dumps(told, sort_keys=True, separators=(",", ":"))


def _code(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _link(key: bytes, event: AuditEvent, place: int, previous: str) -> str:
    return _code(key, f"{place}\n{previous}\n{event.code or ''}\n{canonical(event)}")


def _code_of_head(key: bytes, head: AuditChain) -> str:
    begun = head.begun_at.astimezone(UTC).isoformat(timespec="microseconds")
    return _code(key, f"head\n{head.place}\n{head.digest}\n{head.first_place}\n{head.first_digest}\n{begun}")


# The key


@cache
def _key() -> bytes | None:
    head = AuditChain.objects.first()
    return None if head is None else _opened(head)


def _opened(head: AuditChain) -> bytes | None:
    pepper = settings.APIKEYS_PEPPERS.by_number.get(head.pepper)
    if pepper is None:
        return None
    try:
        return unseal(cipher(pepper.hex(), PURPOSE), bytes(head.sealed_key), BOND)
    except (InvalidTag, ValueError):
        return None


def _wrapped(key: bytes, number: int) -> bytes:
    return seal(cipher(settings.APIKEYS_PEPPERS.by_number[number].hex(), PURPOSE), key, BOND)


# Sealing


def seal_events() -> None:
    """Give events without a place theirs; a chore. Where another process is at it nothing is left to do."""
    move_key()
    if not _unsealed().exists():  # most sweeps find nothing and must not take the write lock
        return
    if _key() is None:
        _tell_unopened()
    ends_at = monotonic() + SECONDS_OF_SWEEP
    while _seal_batch() == BATCH and monotonic() < ends_at:
        pass


@cache
def _tell_unopened() -> None:
    """Log once in a process that nothing is sealed."""
    logger.error(
        "Audit events get no place in their chain, and nobody elsewhere is told of them: the pepper that its key is "
        "sealed under is missing, or another one. manage.py verify_audit says which."
    )


def move_key() -> None:
    """Seal the key under the newest pepper, so that older ones can be given up."""
    newest = settings.APIKEYS_PEPPERS.newest
    key = _key()
    if key is not None and AuditChain.objects.filter(pepper__lt=newest).exists():
        AuditChain.objects.filter(pepper__lt=newest).update(pepper=newest, sealed_key=_wrapped(key, newest))


def _unsealed() -> "QuerySet[AuditEvent]":
    """Return the events that are to get a place; without a code only what the release before may have written."""
    rows = AuditEvent.objects.filter(place=None)
    head = AuditChain.objects.only("begun_at").first()
    is_adopting = head is not None and timezone.now() < head.begun_at + ADOPTED_FOR
    return rows if is_adopting else rows.exclude(code=None)


@transaction.atomic
def _seal_batch() -> int:
    head = AuditChain.objects.select_for_update(skip_locked=True).first()
    key = _key()
    if head is None or key is None:
        return 0
    events = list(_unsealed().order_by("event_time", "id")[:BATCH])
    cells = []
    for event in events:
        place, previous = head.place + 1, head.digest
        head.place, head.digest = place, _link(key, event, place, previous)
        cells.append([place, previous, head.digest, AuditEvent._meta.pk.get_db_prep_save(event.id, connection)])
    if events:
        with connection.cursor() as cursor:
            cursor.executemany(_sealing(), cells)
        head.code = _code_of_head(key, head)
        head.save(update_fields=["place", "digest", "code"])
    return len(events)


@cache
def _sealing() -> str:
    return f'UPDATE "{AuditEvent._meta.db_table}" SET place = %s, previous = %s, digest = %s WHERE id = %s'  # nosec B608  # the name of the model


# Removing what was kept for long enough


def remove_old() -> int:
    """Remove events that are older than AUDIT_DAYS from the beginning of the chain; return how many, at most OLD.

    The head keeps the place and the digest that the chain goes on behind. What has no place yet stays.
    """
    if not settings.AUDIT_DAYS:
        return 0
    until = timezone.now() - timedelta(days=settings.AUDIT_DAYS)
    first = AuditEvent.objects.exclude(place=None).order_by("place").values_list("event_time", flat=True).first()
    # An hour's events together: most sweeps find nothing and must not take the write lock.
    if first is None or first > until - REMOVED_EACH:
        return 0
    with transaction.atomic():
        head = AuditChain.objects.select_for_update(skip_locked=True).first()
        key = _key()
        if head is None or key is None:
            return 0
        events = AuditEvent.objects.filter(place__gt=head.first_place).order_by("place")
        found = events.values_list("place", "digest", "event_time")[:OLD]
        old = list(takewhile(lambda event: event[2] <= until, found))
        if not old:
            return 0
        is_begun = head.removed_at is not None and timezone.now() < head.removed_at + REMOVED_EACH
        head.first_place, head.first_digest, head.removed_at = old[-1][0] or 0, old[-1][1] or "", timezone.now()
        head.code = _code_of_head(key, head)
        AuditEvent.objects.filter(place__lte=head.first_place).delete()
        head.save(update_fields=["first_place", "first_digest", "removed_at", "code"])
        if not is_begun:
            _record_removal(until)
    return len(old)


def _record_removal(until: datetime) -> None:
    from apikeys.audit.recording import NOBODY, record  # which has the code of each event from this module

    record(Caller(NOBODY), AUDIT_DELETE, until=until.isoformat(timespec="seconds"), days=settings.AUDIT_DAYS)


# Verifying


@dataclass(slots=True)
class Report:
    """What verifying found: `faults` are sentences, no more than MOST_FAULTS of them."""

    sealed: int = 0
    waiting: int = 0
    uncoded: int = 0  # by the release before the chain
    removed: int = 0  # because they had been kept for long enough
    place: int = 0
    digest: str = ""
    faults: list[str] = field(default_factory=list)
    more_faults: int = 0

    def add(self, fault: str) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(fault)
        else:
            self.more_faults += 1


def verify(expected: tuple[int, str] | None = None) -> Report:
    """Look at every event; `expected` is a place of the chain and its digest, as an earlier report had them."""
    while True:
        first = _anchor()
        report = _verified(expected)
        if _anchor() == first:  # else a sweep removed old events meanwhile
            return report


def _anchor() -> int | None:
    return AuditChain.objects.values_list("first_place", flat=True).first()


def _verified(expected: tuple[int, str] | None) -> Report:
    report = Report()
    head = AuditChain.objects.first()
    if head is None:
        report.add("The head of the chain is gone: nothing can be verified.")
        return report
    key = _opened(head)
    if key is None:
        report.add(f"The key of the chain can't be opened: pepper {head.pepper} is missing or another one.")
        return report
    if not hmac.compare_digest(_code_of_head(key, head), head.code):
        report.add("The head of the chain was changed.")
    report.place, report.digest, report.removed = head.place, head.digest, head.first_place
    _verify_places(report, key, head, expected)
    _verify_unsealed(report, key, head)
    return report


def _verify_places(report: Report, key: bytes, head: AuditChain, expected: tuple[int, str] | None) -> None:
    place, previous, is_expected = head.first_place, head.first_digest, None
    if expected and expected[0] == place:
        is_expected = expected[1] == previous
    for event in _in_order(head.place):
        number = event.place or 0
        report.sealed += 1
        report.uncoded += event.code is None
        if number <= place:
            report.add(f"Inserted at place {number}: {_told(event)}")
            continue
        if number != place + 1:
            report.add(f"Removed: {_places(place + 1, number - 1)}")
        elif event.previous != previous:
            report.add(f"Place {number} does not follow the one before: {_told(event)}")
        if event.digest is None or not hmac.compare_digest(
            _link(key, event, number, event.previous or ""), event.digest
        ):
            report.add(f"Changed at place {number}: {_told(event)}")
        elif event.code is not None and not hmac.compare_digest(_code(key, canonical(event)), event.code):
            report.add(f"Changed or inserted before it was sealed, at place {number}: {_told(event)}")
        if expected and expected[0] == number:
            is_expected = expected[1] == event.digest
        place, previous = number, event.digest or ""
    if place < head.place:
        report.add(f"Removed: {_places(place + 1, head.place)}")
    elif previous != head.digest:
        report.add("The end of the chain is not the one that its head names.")
    if expected and is_expected is not True and not (is_expected is None and expected[0] < head.first_place):
        report.add(f"Place {expected[0]} is not what it was: the chain was cut, and made anew from there.")


def _verify_unsealed(report: Report, key: bytes, head: AuditChain) -> None:
    """Look at what has no place yet, or one behind the end of the chain."""
    end = AuditChain.objects.values_list("place", flat=True).first() or head.place  # others may have sealed meanwhile
    for event in AuditEvent.objects.filter(Q(place=None) | Q(place__gt=end)).order_by("event_time").iterator():
        is_adopted = event.code is None and timezone.now() < head.begun_at + ADOPTED_FOR
        if event.place is not None:
            report.add(f"Inserted behind the end of the chain: {_told(event)}")
        elif is_adopted or (event.code and hmac.compare_digest(_code(key, canonical(event)), event.code)):
            report.waiting += 1
        else:
            report.add(f"Inserted, or changed before it was sealed: {_told(event)}")


def _in_order(end: int) -> Iterator[AuditEvent]:
    """Yield the events with a place, up to that of the end, in the order of places; more than one may have the same."""
    rows = AuditEvent.objects.filter(place__lte=end).order_by("place", "id")
    after: int | None = None
    while True:
        page: Sequence[AuditEvent] = list((rows if after is None else rows.filter(place__gt=after))[:PAGE])
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].place


def _places(first: int, last: int) -> str:
    return f"place {first}" if first == last else f"places {first} to {last}"


def _told(event: AuditEvent) -> str:
    when: datetime = event.event_time.astimezone(UTC)
    return f"event {event.id}, {event.action}, {when:%Y-%m-%d %H:%M:%S} UTC"
