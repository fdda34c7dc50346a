"""Bundles: what waits to be told to one person about one kind, and the one mail that it becomes.

However much happens, a bundle is one row with a few references and a number. While a mail of its kind still waits for
the mail server none is added to it: the outbox has one mail of each kind for each person at most.
"""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from console.mails.kinds import ABOUT, MailKind
from console.mails.models import MailBundle
from console.outbox import queue
from console.outbox.models import Delivery, State

KIND = "mail"  # of deliveries
LINES = 10  # that a mail tells one by one
PIECE = 50  # bundles that become mails in one transaction
TOO_LATE = timedelta(days=1)  # for what waited while no mails were sent
TOO_OLD = timedelta(days=1)  # for an event to be told: what happened before mails were set up is no news
FORGOTTEN = timedelta(days=1)

Line = dict[str, Any]


@dataclass(slots=True)
class News:
    """What is new for one person about one kind."""

    lines: list[Line] = field(default_factory=list)
    count: int = 0

    def add(self, line: Line) -> None:
        self.count += 1
        if len(self.lines) < LINES:
            self.lines.append(line)


AllNews = dict[tuple[str, MailKind], News]  # by the IAM ID of a person


def add(news: AllNews) -> None:
    """Put news into the bundles of those whom they concern. Needs a transaction."""
    now = timezone.now()
    for (person, kind), new in sorted(news.items()):  # in one order: nobody waits for somebody who waits
        rows = MailBundle.objects.select_for_update().filter(person=person, kind=kind)
        bundle = rows.first()
        if bundle is None:  # others may make it at once
            MailBundle.objects.bulk_create([MailBundle(person=person, kind=kind)], ignore_conflicts=True)
            bundle = rows.get()
        if bundle.due_at is None:
            about = ABOUT[kind]
            bundle.due_at = max(now + about.delay, (bundle.sent_at or now) + about.interval if bundle.sent_at else now)
        bundle.lines = [*bundle.lines, *new.lines][:LINES]
        bundle.count += new.count
        bundle.save()


def post() -> int:
    """Make mails of the bundles that are due, in the outbox; a chore. Return how many."""
    now = timezone.now()
    if not MailBundle.objects.filter(due_at__lte=now).exists():  # most sweeps find nothing and must not lock
        return 0
    with transaction.atomic():
        rows = MailBundle.objects.select_for_update(skip_locked=True).filter(due_at__lte=now).order_by("due_at")
        due = list(rows[:PIECE])
        waiting = set(
            Delivery.objects.filter(
                kind=KIND, state=State.WAITING, recipient__in={bundle.person for bundle in due}
            ).values_list("recipient", "topic")
        )
        sent = []
        for bundle in due:
            if (bundle.person, bundle.kind) in waiting:
                bundle.due_at = now + ABOUT[MailKind(bundle.kind)].interval
            else:
                if bundle.due_at and bundle.due_at > now - TOO_LATE:
                    sent.append(delivery_of(bundle.person, MailKind(bundle.kind), bundle.lines, bundle.count))
                bundle.lines, bundle.count, bundle.due_at, bundle.sent_at = [], 0, None, now
            bundle.save()
        queue.enqueue(sent)
    return len(sent)


def delivery_of(person: str, kind: MailKind, lines: Iterable[Line], count: int) -> Delivery:
    """Return a mail for the outbox: whom it is for, and references to what it tells."""
    payload = json.dumps({"lines": list(lines), "count": count})
    return Delivery(kind=KIND, recipient=person, message_id=uuid.uuid4().hex, topic=kind.value, payload=payload)


def forget_old() -> int:
    """Remove bundles without anything to tell whose last mail is long ago; a chore. Return how many."""
    rows = MailBundle.objects.filter(due_at=None, sent_at__lt=timezone.now() - FORGOTTEN)
    old = list(rows.values_list("pk", flat=True)[:PIECE])
    return MailBundle.objects.filter(pk__in=old, due_at=None).delete()[0] if old else 0
