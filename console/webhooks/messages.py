"""What a receiver is told: an audit event as a message of Standard Webhooks."""

import json
import uuid
from datetime import datetime
from typing import Any

from django.utils import timezone

from apikeys.audit.catalogue import EventKind, actions_of
from apikeys.audit.lines import cadf, moment, observer
from apikeys.models import AuditEvent
from console.outbox.models import Delivery
from console.webhooks.models import Webhook

KIND = "webhook"
TEST = "console.webhook.ping"  # no action: that a test was sent is an event of its own
PREFIX = "msg_"


def message_of(event: AuditEvent, webhook: Webhook) -> Delivery:
    """Return an event as what one receiver is sent; its id is that of the event however often it is sent."""
    return _delivery(webhook, PREFIX + event.id.hex, event.action, event.event_time, cadf(event))


def test_message(webhook: Webhook) -> Delivery:
    """Return a message that tells of nothing but itself."""
    data = {"message": "A test.", "observer": observer()}
    return _delivery(webhook, PREFIX + uuid.uuid4().hex, TEST, timezone.now(), data)


def again(delivery: Delivery) -> Delivery:
    """Return a message once more, with the id that it had."""
    kept = {name: getattr(delivery, name) for name in ("kind", "recipient", "message_id", "topic", "payload")}
    return Delivery(**kept)


def short_id(delivery: Delivery) -> str:
    """Return the beginning of the id of a message, without its prefix: that of the event that it tells."""
    return delivery.message_id.removeprefix(PREFIX)[:8]


def is_told(event: AuditEvent, webhook: Webhook) -> bool:
    """Tell whether a webhook is for such an event."""
    return not webhook.kinds or any(event.action in actions_of(EventKind(kind)) for kind in webhook.kinds)


def _delivery(webhook: Webhook, message_id: str, action: str, when: datetime, data: dict[str, Any]) -> Delivery:
    payload = json.dumps({"type": action, "timestamp": moment(when), "data": data}, separators=(",", ":"))
    return Delivery(kind=KIND, recipient=webhook.id.hex, message_id=message_id, topic=action, payload=payload)
