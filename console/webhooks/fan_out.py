"""Puts what happened into the outbox, once for each webhook that is for it: a chore, so that no request pays for it.

Each webhook has a cursor, the place in the chain of audit events up to which it was told. Deliveries and cursor are
one transaction, under the lock of the webhook's row: an event comes once, whichever processes are at it or killed.
"""

from datetime import datetime
from time import monotonic
from uuid import UUID

from django.db import transaction

from apikeys import audit
from apikeys.models import AuditChain, AuditEvent
from console.outbox import queue
from console.webhooks.messages import KIND, is_told, message_of
from console.webhooks.models import Webhook

PAGE = 200  # events of one transaction, which takes the write lock and must be short
SECONDS_OF_SWEEP = 1.0
# Of one webhook. What is behind waits in the audit log: a dead receiver doesn't fill the disk.
MOST_WAITING = 1000
SOUGHT = 1000  # events of one time have their places in another order at most within so many


def fan_out() -> None:
    """Tell each webhook what it has not been told; a chore."""
    end = end_of_chain()
    behind = Webhook.objects.filter(enabled=True, after_place__lt=end).values_list("pk", flat=True)
    ends_at = monotonic() + SECONDS_OF_SWEEP
    for webhook_id in list(behind):  # most sweeps find none and must not take the write lock
        while monotonic() < ends_at and not queue.is_full(KIND, webhook_id.hex, MOST_WAITING):
            if not _tell_page(webhook_id, end):
                break


def end_of_chain() -> int:
    """Return the place of the last event that has one, 0 before the first."""
    return AuditChain.objects.values_list("place", flat=True).first() or 0


def place_before(moment: datetime) -> int:
    """Return a place behind which every event since a moment is, and few others; the end where there is none."""
    since = AuditEvent.objects.filter(event_time__gte=moment, place__isnull=False).order_by("event_time", "id")
    places = list(since.values_list("place", flat=True)[:SOUGHT])
    return min(filter(None, places), default=end_of_chain() + 1) - 1


@transaction.atomic
def _tell_page(webhook_id: UUID, end: int) -> bool:
    """Put the next events of a webhook into the outbox; tell whether there may be more for this process."""
    rows = Webhook.objects.select_for_update(skip_locked=True).filter(pk=webhook_id, enabled=True)
    webhook = rows.first()
    if webhook is None or webhook.after_place >= end:
        return False
    events = list(AuditEvent.objects.filter(place__gt=webhook.after_place, place__lte=end).order_by("place")[:PAGE])
    told = (event for event in events if event.outcome != audit.PENDING and is_told(event, webhook))
    queue.enqueue(message_of(event, webhook) for event in told)
    # Places without an event are of those that AUDIT_DAYS removed.
    webhook.after_place = (events[-1].place or end) if len(events) == PAGE else end
    webhook.save(update_fields=["after_place"])
    return webhook.after_place < end
