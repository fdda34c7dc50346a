"""Events to bundles: a walk along the chain of audit events, which puts what is new where it is to be told.

What is looked through and what is put in are one transaction: each event is told once, whichever process does it.
"""

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from apikeys import audit
from apikeys.audit.walk import end_of_chain, next_page
from apikeys.models import AuditEvent
from console.mails import bundles, everybody
from console.mails.concerning import ACTIONS, ADMINISTRATORS, Concern, concerned
from console.mails.kinds import MailKind, is_wanted
from console.mails.models import MailCursor
from console.mails.recipients import administrators, persons_of
from console.mails.sweeps import in_pages
from console.models import User

CURSOR = "events"
PAGE = 500  # events of one transaction


def fan_out() -> int:
    """Put what happened into bundles; a chore. Return how many events were looked through."""
    return in_pages(_fan_out_page, PAGE)


def _fan_out_page() -> int:
    end = end_of_chain()
    cursor = MailCursor.objects.filter(name=CURSOR).first()
    if cursor is None:  # what happened before mails were set up is not told
        MailCursor.objects.bulk_create([MailCursor(name=CURSOR, place=end)], ignore_conflicts=True)
        return 0
    if cursor.place == end:  # most sweeps find nothing and must not take the write lock
        return 0
    with transaction.atomic():
        # Where another process has it there is nothing left to do.
        cursor = MailCursor.objects.select_for_update(skip_locked=True).filter(name=CURSOR).first()
        if cursor is None:
            return 0
        page = next_page(cursor.place, PAGE)
        # Cursors before bundles, here as in the other walks: nobody waits for somebody who waits.
        everybody.begin(page.events)
        bundles.add(news_of(page.events))
        cursor.place, cursor.at = page.place, timezone.now()
        cursor.save()
    return len(page.events)


def news_of(events: Iterable[AuditEvent]) -> bundles.AllNews:
    """Return what these events tell whom, of those who want to be told."""
    since = timezone.now() - bundles.TOO_OLD
    told = [event for event in events if audit.plain(event.action) in ACTIONS and event.event_time > since]
    concerns = [(event, concern) for event in told for concern in concerned(event)]
    named = {concern.to for _event, concern in concerns}
    persons = {iam_id: [person] for iam_id, person in persons_of(named).items()} if named else {}
    if ADMINISTRATORS in named:
        persons[ADMINISTRATORS] = administrators()
    news: bundles.AllNews = {}
    for event, concern in concerns:
        for person in persons.get(concern.to, ()):
            if is_wanted(person, concern.kind) and not _is_own_change(person, event, concern):
                new = news.setdefault((person.iam_id, concern.kind), bundles.News())
                new.add({"place": event.place})
    return news


def _is_own_change(person: User, event: AuditEvent, concern: Concern) -> bool:
    """Tell whether somebody changed a key of their own service ID, which is the only kind about what others do."""
    return concern.kind is MailKind.CHANGED and event.initiator_id == person.iam_id
