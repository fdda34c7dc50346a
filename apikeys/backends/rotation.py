"""What a rotation does with the rows of a key and of its previous value; embedded.py checks who may rotate it."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from apikeys import domain, exceptions, values
from apikeys.backends import records
from apikeys.models import ApiKeyRecord, PreviousValue

KEPT = timedelta(days=30)  # after its end, to tell why a program was refused
BATCH = 1000  # rows that one sweep forgets


def working_value(key_id: str) -> domain.PreviousValue | None:
    """Return the previous value of a key while it still works, else None."""
    record = PreviousValue.objects.filter(key_id=key_id).order_by("number").last()
    found = records.to_previous(record) if record else None
    return found if found and found.works else None


def rotate(record: ApiKeyRecord, identity: domain.Identity, overlap: domain.Overlap) -> str:
    """Give a record, which is locked in the database, a new value and return that; the present one becomes previous.

    What made the key leaked is the value that is replaced: the key is leaked no more. Raises RotationUnderWay while
    another value still works, unless the overlap says that it ends.
    """
    if working_value(record.id) is not None and not overlap.ends_previous:
        raise exceptions.RotationUnderWay
    end_values(record.id)
    now, peppers, number = timezone.now(), settings.APIKEYS_PEPPERS, record.value_number or 1
    PreviousValue.objects.create(
        key_id=record.id,
        iam_id=record.iam_id,
        number=number,
        pepper=record.pepper,
        digest=record.digest,
        hint=record.hint,
        replaced_at=now,
        ends_at=None if overlap.lasts is None else now + overlap.lasts,
        is_ended=overlap.lasts == timedelta() and not overlap.asks_at_end,
        asks_at_end=overlap.asks_at_end,
        leaked=record.leaked,
    )
    value = values.generate(settings.APIKEYS_PREFIX)
    record.value_number = number + 1
    record.pepper, record.digest = peppers.newest, peppers.digest(value, peppers.newest)
    record.hint, record.leaked = values.hint(value, settings.APIKEYS_PREFIX), False
    records.save_revision(record, identity, "rotate", "API key rotated")
    return value


def end(record: ApiKeyRecord, identity: domain.Identity) -> None:
    """End the previous value of a record, which is locked in the database. Raises PreviousValueNotFound."""
    if working_value(record.id) is None:
        raise exceptions.PreviousValueNotFound
    end_values(record.id)
    records.save_revision(record, identity, "end_previous", "Previous value of API key ended")


def extend(record: ApiKeyRecord, identity: domain.Identity, overlap: domain.Overlap) -> None:
    """Let the previous value of a record, which is locked, work for another overlap. Raises PreviousValueNotFound."""
    found = working_value(record.id)
    if found is None:
        raise exceptions.PreviousValueNotFound
    PreviousValue.objects.filter(key_id=record.id, number=found.number).update(
        ends_at=None if overlap.lasts is None else timezone.now() + overlap.lasts, asks_at_end=overlap.asks_at_end
    )
    records.save_revision(record, identity, "extend_previous", "Overlap of API key extended")


def end_values(key_id: str) -> None:
    """End all earlier values of a key, also those that work no more, for whatever clock."""
    now = timezone.now()
    unended = PreviousValue.objects.filter(key_id=key_id, is_ended=False)
    unended.filter(models.Q(ends_at=None) | models.Q(ends_at__gt=now) | models.Q(asks_at_end=True)).update(ends_at=now)
    unended.update(is_ended=True, asks_at_end=False)


def forget_ended() -> None:
    """Remove previous values that ended long ago, some at each sweep."""
    ended = PreviousValue.objects.filter(ends_at__lt=timezone.now() - KEPT)
    # One that was in use on its last day works until somebody ends it.
    awaiting = {"asks_at_end": True, "last_used_at__gte": models.F("ends_at") - domain.STILL_USED}
    if found := list(ended.exclude(**awaiting).values_list("pk", flat=True)[:BATCH]):
        PreviousValue.objects.filter(pk__in=found).delete()
