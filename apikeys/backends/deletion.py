"""What is done with the rows of a key that is deleted, restored or gone for good; embedded.py checks who may."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from apikeys import domain, exceptions
from apikeys.backends import records
from apikeys.models import (
    ApiKeyRecord,
    DeletedKeyRecord,
    HistoryRecord,
    KeyRecord,
    PreviousValue,
    ServiceIdRecord,
)


def delete(record: ApiKeyRecord, identity: domain.Identity) -> domain.ApiKey:
    """Delete a record, which is locked in the database, and return what it was.

    For the hours that the settings give it is set aside, to be restored by the identity; history and earlier values
    stay as long. A service ID keeps the count of its uses.
    """
    if not settings.APIKEYS_RESTORE_HOURS:
        return remove(record)
    key, now = records.to_domain(record), timezone.now()
    _count_past(key, 1)
    records.add_history(identity, record.id, "delete", [], "API key deleted")
    DeletedKeyRecord.objects.create(
        **_columns_of(record),
        deleted_at=now,
        deleted_by=identity.iam_id,
        gone_at=now + timedelta(hours=settings.APIKEYS_RESTORE_HOURS),
    )
    record.delete()
    return key


def remove(record: KeyRecord) -> domain.ApiKey:
    """Delete a record for good, with its history and earlier values, and return what it was."""
    key = records.to_domain(record)
    if isinstance(record, ApiKeyRecord):
        _count_past(key, 1)
    HistoryRecord.objects.filter(object_id=record.id).delete()
    PreviousValue.objects.filter(key_id=record.id).delete()
    record.delete()
    return key


def restore(record: DeletedKeyRecord, identity: domain.Identity) -> ApiKeyRecord:
    """Bring a key back whole from its record, which is locked in the database, and return the new one.

    Raises ValueTaken where its value is another key's meanwhile.
    """
    restored = ApiKeyRecord(**_columns_of(record))
    record.delete()
    try:
        with transaction.atomic():
            restored.save(force_insert=True)
    except IntegrityError:
        raise exceptions.ValueTaken from None
    _count_past(records.to_domain(restored), -1)
    records.save_revision(restored, identity, "restore", "API key restored")
    return restored


def remove_deleted_of(iam_id: str) -> list[str]:
    """Remove the deleted keys of an owner who is gone, for good; return their ids."""
    return [remove(record).id for record in DeletedKeyRecord.objects.filter(iam_id=iam_id)]


def to_deleted(record: DeletedKeyRecord) -> domain.DeletedKey:
    """Return the deleted key that a record holds."""
    return domain.DeletedKey(records.to_domain(record), record.deleted_at, record.deleted_by, record.gone_at)


def gone(now: datetime) -> "models.QuerySet[DeletedKeyRecord]":
    """Return the keys whose time to be restored is over."""
    return DeletedKeyRecord.objects.filter(gone_at__lte=now)


def _columns_of(record: KeyRecord) -> dict[str, object]:
    return {field.attname: getattr(record, field.attname) for field in ApiKeyRecord._meta.concrete_fields}


def _count_past(key: domain.ApiKey, sign: int) -> None:
    """Add the uses of a key that is deleted to the past ones of its service ID, or take them back."""
    if key.last_used_at is not None and key.iam_id.startswith(domain.SERVICE_ID_PREFIX):
        ServiceIdRecord.objects.filter(iam_id=key.iam_id).update(
            past_use_count=models.F("past_use_count") + sign * key.use_count,
            past_last_used_at=Greatest(Coalesce("past_last_used_at", key.last_used_at), key.last_used_at),
        )
