"""The address that somebody had before is told, too, that it was changed: else only whoever changed it would know."""

from django.conf import settings

from console.mails.bundles import KIND
from console.models import User
from console.outbox import queue
from console.outbox.models import Delivery

TOPIC = "moved"


def tell(person: User, former: str) -> None:
    """Tell the address that a person had, if there was one, in the transaction of the change."""
    if settings.MAILS_ARE_SENT and former and former != person.email:
        made = Delivery(kind=KIND, recipient=person.iam_id, topic=TOPIC, payload=former)
        made.message_id = made.id.hex
        queue.enqueue([made])
