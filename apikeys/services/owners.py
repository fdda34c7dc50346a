"""What hangs on people: how many keys and service IDs they have."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Count

from apikeys.models import MANAGER, ApiKeyRecord, ServiceIdRecord


@dataclass(frozen=True, slots=True)
class Holdings:
    """How many keys a person has, and how many service IDs a person manages, with how many keys in all."""

    keys: int = 0
    service_ids: int = 0
    keys_of_service_ids: int = 0


def holdings(iam_ids: Collection[str]) -> dict[str, Holdings]:
    """Return what each of these people has, by IAM ID, with two queries for all."""
    managed: dict[str, list[str]] = {iam_id: [] for iam_id in iam_ids}
    rows = ServiceIdRecord.objects.annotate(manager=MANAGER).filter(manager__in=iam_ids)
    for manager, iam_id in rows.values_list("manager", "iam_id"):
        managed[manager].append(iam_id)
    owners = [*iam_ids, *(iam_id for found in managed.values() for iam_id in found)]
    counted = ApiKeyRecord.objects.filter(iam_id__in=owners).order_by().values_list("iam_id")
    keys = Counter(dict(counted.annotate(number=Count("id"))))
    return {
        iam_id: Holdings(keys[iam_id], len(found), sum(keys[one] for one in found)) for iam_id, found in managed.items()
    }
