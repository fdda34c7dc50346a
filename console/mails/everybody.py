"""All keys of everybody revoked: each owner is told by one mail, once the keys are done, however many they are.

The events name nobody, and come a thousand keys at a time. So a cursor walks along the people, some in each sweep.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apikeys import audit
from apikeys.clocks import CLOCK_TOLERANCE
from apikeys.models import MANAGER, ApiKeyRecord, AuditEvent, ServiceIdRecord
from console.mails import bundles
from console.mails.kinds import MailKind, is_wanted
from console.mails.models import MailCursor
from console.mails.sweeps import in_pages
from console.models import User

CURSOR = "everybody"  # `place` is that of the last event, `key_id` the IAM ID up to which people were told
CALM = timedelta(minutes=1)  # after the last event: then the keys are done
PAGE = 50  # people of one transaction


def begin(events: Iterable[AuditEvent]) -> None:
    """Have people told of what these events revoke of everybody, as far as it is news. Needs a transaction."""
    since = timezone.now() - bundles.TOO_OLD
    last = next((event for event in reversed([*events]) if is_of_everybody(event) and event.event_time > since), None)
    if last:
        told = {"place": last.place, "at": last.event_time, "key_id": ""}
        MailCursor.objects.update_or_create(name=CURSOR, defaults=told)


def is_of_everybody(event: AuditEvent) -> bool:
    """Tell whether an event is that keys of everybody were disabled."""
    return event.action == audit.REVOKE and not event.target_id and bool(event.request_data.get("keys"))


def walk() -> int:
    """Put what was revoked of everybody into bundles; a chore. Return how many people were looked at."""
    return in_pages(_tell_page, PAGE)


def _tell_page() -> int:
    now = timezone.now()
    due = MailCursor.objects.filter(Q(at__lte=now - CALM) | Q(at__gt=now + CLOCK_TOLERANCE), name=CURSOR)
    if not due.exists():  # most sweeps find nothing and must not take the write lock
        return 0
    with transaction.atomic():
        # Where another process has it there is nothing left to do.
        cursor = due.select_for_update(skip_locked=True).first()
        if cursor is None:
            return 0
        if cursor.at <= now - bundles.TOO_OLD:  # mails were off since then
            cursor.delete()
            return 0
        people = list(_people().filter(iam_id__gt=cursor.key_id).order_by("iam_id")[:PAGE])
        by = AuditEvent.objects.filter(place=cursor.place).values_list("initiator_id", flat=True).first()
        told = [person for person in people if person.iam_id != by and person.has_keys]  # type: ignore[attr-defined]
        line = {"place": cursor.place}
        bundles.add(
            {
                (person.iam_id, MailKind.CHANGED): bundles.News([line], 1)
                for person in told
                if is_wanted(person, MailKind.CHANGED)
            }
        )
        if len(people) == PAGE:
            cursor.key_id = people[-1].iam_id
            cursor.save()
        else:
            cursor.delete()
    return len(people)


def _people() -> models.QuerySet[User]:
    """Return people with `has_keys`: whether they have any, or manage a service ID that has."""
    keys = ApiKeyRecord.objects.filter(iam_id=OuterRef("iam_id"))
    managed = ServiceIdRecord.objects.annotate(manager=MANAGER).filter(Exists(keys), manager=OuterRef("iam_id"))
    return User.objects.annotate(has_keys=Exists(keys) | Exists(managed))
