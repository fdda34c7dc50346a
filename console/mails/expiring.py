"""Keys about to expire: told 14 days before, 3 days before, and once they have, each once for a key and its expiration.

For each of these steps a cursor walks along the index of expirations, up to as many days ahead as the step is. No row
is kept for a key: one that is given another expiration comes before the cursor again, or is behind it, as is right.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from time import monotonic

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apikeys.clocks import CLOCK_TOLERANCE
from apikeys.models import ApiKeyRecord, Expiration
from console.mails import bundles
from console.mails.kinds import MailKind, is_wanted
from console.mails.models import MailCursor
from console.mails.recipients import persons_of
from console.mails.sweeps import PAGES, in_pages
from console.models import Account

STEPS = (14, 3, 0)  # days before
PAGE = 500  # keys of one transaction
EACH_SECONDS = 30.0
NEAR = timedelta(minutes=10)  # to what it is to be: so far a cursor is not moved where no key is passed
MISSED = timedelta(days=1)  # how far behind a step is told: not what passed before mails were set up


class Walk:
    """A walk of this process along all steps, each half a minute; those of several processes share the cursors."""

    def __init__(self) -> None:
        self.next_at = 0.0  # of time.monotonic

    def run(self) -> int:
        """Put the keys that have come to a step into bundles; a chore. Return how many were found."""
        if monotonic() < self.next_at:
            return 0
        found = [in_pages(partial(_tell_page, days), PAGE) for days in STEPS]
        if all(number < PAGE * PAGES for number in found):
            self.next_at = monotonic() + EACH_SECONDS
        return sum(found)


def _tell_page(days: int) -> int:
    until = timezone.now() + timedelta(days=days)
    name = f"expires in {days}"
    cursor = MailCursor.objects.filter(name=name).first()
    if cursor is None:
        MailCursor.objects.bulk_create([MailCursor(name=name, at=until)], ignore_conflicts=True)
        return 0
    is_near = until - NEAR < cursor.at < until + CLOCK_TOLERANCE
    if is_near and not _keys(cursor, until, 1):  # most sweeps find nothing and must not take the write lock
        return 0
    with transaction.atomic():
        # Where another process has it there is nothing left to do.
        cursor = MailCursor.objects.select_for_update(skip_locked=True).filter(name=name).first()
        if cursor is None:
            return 0
        keys = _keys(cursor, until, PAGE)
        bundles.add(_news(keys, days))
        last = keys[-1] if len(keys) == PAGE else None
        cursor.at, cursor.key_id = (last.expires_at or until, last.id) if last else (until, "")
        cursor.save()
    return len(keys)


def _keys(cursor: MailCursor, until: datetime, most: int) -> list[ApiKeyRecord]:
    """Return the next keys behind a cursor that expire by then, in the order of the index."""
    at, key_id = cursor.at, cursor.key_id
    if not until - MISSED <= at <= until + CLOCK_TOLERANCE:  # nobody walked for long, or a clock was ahead
        at, key_id = max(min(at, until), until - MISSED), ""
    behind = Q(expiration__gt=at) | Q(expiration=at, id__gt=key_id) if key_id else Q(expiration__gt=at)
    found: list[ApiKeyRecord] = []
    for account in Account.objects.values_list("id", flat=True):
        rows = ApiKeyRecord.objects.annotate(expiration=Expiration()).filter(account_id=account)
        rows = rows.filter(behind, expiration__gte=at, expiration__lte=until)
        found += rows.order_by("expiration", "id")[:most]
    return sorted(found, key=lambda key: (key.expires_at or until, key.id))[:most]


def _news(keys: Iterable[ApiKeyRecord], days: int) -> bundles.AllNews:
    news: bundles.AllNews = {}
    told = [key for key in keys if not key.disabled and _lasts_beyond(key, days)]
    persons = persons_of(key.iam_id for key in told)
    for key in told:
        person = persons.get(key.iam_id)
        if person and key.expires_at and is_wanted(person, MailKind.EXPIRING):
            line = {"key": key.id, "expires_at": key.expires_at.isoformat()}
            news.setdefault((person.iam_id, MailKind.EXPIRING), bundles.News()).add(line)
    return news


def _lasts_beyond(key: ApiKeyRecord, days: int) -> bool:
    """Tell whether a key was there for a day before this step: who makes one that lasts for less knows it."""
    return key.expires_at is not None and key.created_at <= key.expires_at - timedelta(days=days + 1)
