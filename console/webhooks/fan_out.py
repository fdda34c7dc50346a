"""Puts what happened into the outbox, once for each webhook that is for it: a chore, so that no request pays for it.

Each webhook has a cursor, the place in the chain of audit events up to which it was told. Deliveries and cursor are
one transaction, under the lock of the webhook's row: an event comes once, whichever processes are at it or killed.
"""

from time import monotonic
from uuid import UUID

from django.db import transaction

from apikeys import audit
from apikeys.audit.walk import end_of_chain, next_page
from console.outbox import queue
from console.webhooks.messages import KIND, is_told, message_of
from console.webhooks.models import Webhook

PAGE = 200  # events of one transaction, which takes the write lock and must be short
SECONDS_OF_SWEEP = 1.0
# Of one webhook. What is behind waits in the audit log: a dead receiver doesn't fill the disk.
MOST_WAITING = 1000


def fan_out() -> None:
    """Tell each webhook what it has not been told; a chore."""
    behind = Webhook.objects.filter(enabled=True, after_place__lt=end_of_chain()).values_list("pk", flat=True)
    ends_at = monotonic() + SECONDS_OF_SWEEP
    for webhook_id in list(behind):  # most sweeps find none and must not take the write lock
        while monotonic() < ends_at and not queue.is_full(KIND, webhook_id.hex, MOST_WAITING):
            if not _tell_page(webhook_id):
                break


@transaction.atomic
def _tell_page(webhook_id: UUID) -> bool:
    """Put the next events of a webhook into the outbox; tell whether there may be more for this process."""
    rows = Webhook.objects.select_for_update(skip_locked=True).filter(pk=webhook_id, enabled=True)
    webhook = rows.first()
    if webhook is None:
        return False
    page = next_page(webhook.after_place, PAGE)
    told = (event for event in page.events if event.outcome != audit.PENDING and is_told(event, webhook))
    queue.enqueue(message_of(event, webhook) for event in told)
    webhook.after_place = page.place
    webhook.save(update_fields=["after_place"])
    return not page.is_last
