"""Who stands behind an IAM ID: a person, or the person who manages a service ID."""

from collections.abc import Iterable

from apikeys.domain import SERVICE_ID_PREFIX
from apikeys.models import MANAGER, ServiceIdRecord
from console.models import User


def persons_of(iam_ids: Iterable[str]) -> dict[str, User]:
    """Return the person behind each IAM ID, as far as there is one; two queries at most."""
    named = set(iam_ids)
    services = {iam_id for iam_id in named if iam_id.startswith(SERVICE_ID_PREFIX)}
    rows = ServiceIdRecord.objects.filter(iam_id__in=services)
    behind = {iam_id: iam_id for iam_id in named - services} | dict(
        rows.values_list("iam_id", MANAGER) if services else ()
    )
    people = {person.iam_id: person for person in User.objects.filter(iam_id__in=set(behind.values()))}
    return {iam_id: people[person] for iam_id, person in behind.items() if person in people}


def administrators() -> list[User]:
    """Return who administers."""
    return list(User.objects.filter(is_superuser=True, is_active=True))
