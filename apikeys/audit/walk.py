"""Walks along the chain of audit events, of those who tell what happened elsewhere: each event once, in its order.

Where a walk has come to is one number, a place, which its owner keeps.
"""

from datetime import datetime
from typing import NamedTuple

from apikeys.models import AuditChain, AuditEvent

SOUGHT = 1000  # events of one time have their places in another order at most within so many


class Page(NamedTuple):
    """The next events of a walk, and the place that it has come to with them."""

    events: list[AuditEvent]
    place: int
    is_last: bool


def end_of_chain() -> int:
    """Return the place of the last event that has one, 0 before the first."""
    return AuditChain.objects.values_list("place", flat=True).first() or 0


def next_page(place: int, size: int) -> Page:
    """Return the events behind a place, `size` at most; behind the end there are none, and the walk goes on from there.

    Needs the lock of what keeps the place: who had it before may have gone on to the end of a moment ago.
    """
    end = end_of_chain()
    events = list(AuditEvent.objects.filter(place__gt=place, place__lte=end).order_by("place")[:size])
    is_last = len(events) < size
    # Places without an event are of those that AUDIT_DAYS removed.
    return Page(events, end if is_last else events[-1].place or end, is_last)


def place_before(moment: datetime) -> int:
    """Return a place behind which every event since a moment is, and few others; the end where there is none."""
    since = AuditEvent.objects.filter(event_time__gte=moment, place__isnull=False).order_by("event_time", "id")
    places = list(since.values_list("place", flat=True)[:SOUGHT])
    return min(filter(None, places), default=end_of_chain() + 1) - 1
