"""Removes keys that have been expired, and left as they are, for 90 days."""

from datetime import timedelta

from django.db import models, transaction
from django.utils import timezone

from apikeys.backends.deletion import remove
from apikeys.domain import Caller, Identity
from apikeys.models import ApiKeyRecord
from apikeys.services.deletion import record_removal

KEEP_AFTER_EXPIRY = timedelta(days=90)
BATCH = 50  # at each sweep: a transaction that takes the write lock must be short
REMOVER = Identity(iam_id="expired-keys", account_id="", name="Removal of expired keys", email="")


def remove_expired() -> int:
    """Remove keys 90 days after both their expiry and their last change; return how many, at most 50.

    A locked key stays. What is removed leaves an audit event.
    """
    if not _due().exists():  # most sweeps find nothing and must not take the write lock
        return 0
    with transaction.atomic():
        # Rows that another process has locked are skipped: a later sweep finds those that are left.
        records = list(_due().select_for_update(skip_locked=True).order_by("expires_at")[:BATCH])
        for record in records:
            record_removal(Caller(REMOVER), remove(record), cause="expired")
    return len(records)


def _due() -> "models.QuerySet[ApiKeyRecord]":
    long_ago = timezone.now() - KEEP_AFTER_EXPIRY
    return ApiKeyRecord.objects.filter(locked=False, expires_at__lte=long_ago, modified_at__lte=long_ago)
