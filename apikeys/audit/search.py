"""Looking through audit events, newest first: what narrows them down, in pages that a million events do not slow down.

An index leads to the events of a time, of a person, of a key, or of a request. What else is asked for is looked for
among SCANNED events at a time: a page says how far it looked, and the next one goes on from there.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from apikeys.audit.catalogue import EventKind, actions_of
from apikeys.audit.recording import PENDING
from apikeys.backends.limits import search_limit
from apikeys.models import AuditEvent

PAGE_SIZE = 50
SCANNED = 10_000
REQUEST_ID = re.compile(r"[0-9a-f]{32}")
FIELDS = ("target_name", "target_id", "initiator_name", "address", "agent", "reason", "action")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOWEST, CURSOR = UUID(int=0), re.compile(r"(\d{1,19})-([0-9a-f]{32})")


class Cursor(NamedTuple):
    """Behind which event a page begins."""

    time: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class EventQuery:
    """What is looked for: `since` and `until` are moments, `person` an IAM ID, `text` a part of a name or an id."""

    kind: EventKind | None = None
    outcome: str = ""
    person: str = ""
    text: str = ""
    target: str = ""  # a CRN
    since: datetime | None = None
    until: datetime | None = None
    after: Cursor | None = None

    @property
    def is_selective(self) -> bool:
        """Tell whether there may be few such events among many."""
        return bool(self.kind or self.outcome or self.text)


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events. `next` is where the next page begins, None at the end; `looked_until` how far a search has come."""

    events: list[AuditEvent]
    next: Cursor | None = None
    looked_until: datetime | None = None


def find(query: EventQuery, viewer: str | None = None, size: int = PAGE_SIZE) -> EventPage:
    """Return a page of events, of those only that are of a viewer or concern them, unless that is None.

    Raises SearchTooSlow.
    """
    with search_limit(by_index=True):
        return _found(query, viewer, size)


def _found(query: EventQuery, viewer: str | None, size: int) -> EventPage:
    sources = [_narrowed(rows, query) for rows in _sources(query, viewer)]
    floor = max(filter(None, map(_floor, sources)), default=None) if query.is_selective else None
    found: dict[UUID, AuditEvent] = {}
    for rows in sources:
        rows = _selected(rows if floor is None else rows.filter(event_time__gte=floor), query)
        found |= {event.id: event for event in rows[: size + 1]}
    events = sorted(found.values(), key=lambda event: (event.event_time, event.id.hex), reverse=True)
    if len(events) > size:
        last = events[size - 1]
        return EventPage(events[:size], Cursor(last.event_time, last.id))
    return EventPage(events, Cursor(floor, LOWEST) if floor else None, floor)


def _sources(query: EventQuery, viewer: str | None) -> Iterable["QuerySet[AuditEvent]"]:
    """Return the events that an index leads to, newest first: of two columns each by its own."""
    rows = AuditEvent.objects.exclude(outcome=PENDING).order_by("-event_time", "-id")
    if query.person and viewer is None:
        viewer = query.person
    if exact := _exact(query):
        rows = rows.filter(exact)
        return [rows if viewer is None else rows.filter(Q(initiator_id=viewer) | Q(concerns=viewer))]
    if viewer is None:
        return [rows]
    return [rows.filter(initiator_id=viewer), rows.filter(concerns=viewer)]


def _exact(query: EventQuery) -> Q | None:
    """Return what a target, or the id of a request as text, means; None for any other text."""
    if query.target:
        return Q(target_id=query.target)
    return Q(correlation_id=query.text) if REQUEST_ID.fullmatch(query.text) else None


def _narrowed(rows: "QuerySet[AuditEvent]", query: EventQuery) -> "QuerySet[AuditEvent]":
    if query.since:
        rows = rows.filter(event_time__gte=query.since)
    if query.until:
        rows = rows.filter(event_time__lt=query.until)
    if query.after:
        time, event_id = query.after
        behind = Q(event_time__lt=time) | Q(event_time=time, id__lt=event_id)
        rows = rows.filter(behind, event_time__lte=time)
    return rows


def _floor(rows: "QuerySet[AuditEvent]") -> datetime | None:
    """Return the time of the last event that a page looks at, None where it looks at all of them."""
    return rows.values_list("event_time", flat=True)[SCANNED : SCANNED + 1].first()


def _selected(rows: "QuerySet[AuditEvent]", query: EventQuery) -> "QuerySet[AuditEvent]":
    if query.kind:
        rows = rows.filter(action__in=actions_of(query.kind))
    if query.outcome:
        rows = rows.filter(outcome=query.outcome)
    if query.text and not _exact(query):
        anywhere = Q()
        for name in FIELDS:
            anywhere |= Q(**{f"{name}__icontains": query.text})
        rows = rows.filter(anywhere)
    return rows


def write_cursor(cursor: Cursor | None) -> str:
    """Return a cursor as it stands in a URL."""
    return "" if cursor is None else f"{(cursor.time - EPOCH) // timedelta(microseconds=1)}-{cursor.id.hex}"


def read_cursor(text: str) -> Cursor | None:
    """Return the cursor that was written so, None for any other text."""
    found = CURSOR.fullmatch(text)
    if found is None:
        return None
    try:
        return Cursor(EPOCH + timedelta(microseconds=int(found[1])), UUID(hex=found[2]))
    except OverflowError:
        return None
