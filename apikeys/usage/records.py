"""The rows of what uses add up to, and of refusals: written by the sweeper, read by services."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from apikeys.domain import KeyUse, Reason, Refusal
from apikeys.models import ApiKeyRecord, DeletedKeyRecord, PreviousValue, RefusalRecord, UsageRecord
from apikeys.usage.places import Tallies, Tally, days_after, places_after, read_days, read_place

MOST_REFUSALS = 100  # of a key, the latest
KEPT = timedelta(days=30)  # of refusals
BATCH = 1000  # rows that one sweep forgets


def add_to_keys(uses: dict[str, Tally]) -> None:
    """Add uses to the records of keys, by id, in this order. Needs a transaction."""
    # The ORM would compile a statement for each of a thousand keys, which takes most of the time.
    sql = (
        f'UPDATE "{ApiKeyRecord._meta.db_table}" SET use_count = use_count + %s, '  # nosec B608  # the name of the model
        "last_used_at = CASE WHEN last_used_at > %s THEN last_used_at ELSE %s END WHERE id = %s"
    )
    with connection.cursor() as cursor:
        last = {key_id: connection.ops.adapt_datetimefield_value(tally.last) for key_id, tally in uses.items()}
        cursor.executemany(sql, [(tally.count, last[key_id], last[key_id], key_id) for key_id, tally in uses.items()])


def add_to_previous_value(key_id: str, number: int, uses: Tally) -> None:
    """Add uses to an earlier value of a key."""
    PreviousValue.objects.filter(key_id=key_id, number=number).update(
        use_count=F("use_count") + uses.count,
        last_used_at=Greatest(Coalesce("last_used_at", uses.last), uses.last),
    )


def add(tallies: dict[str, Tallies], owners: dict[str, str]) -> None:
    """Add what was counted of keys, by id, also to what is known of their owners. Needs a transaction.

    `owners` has the IAM ID of each key's owner.
    """
    today = timezone.now().date()
    rows = _locked({*tallies, *(owners[key_id] for key_id in tallies)})
    for key_id, found in tallies.items():
        if row := rows.get(key_id):  # else it was forgotten meanwhile
            row.days = days_after(row.days, found, today)
            row.places = places_after(row.places, found)
        if row := rows.get(owners[key_id]):
            row.days = days_after(row.days, found, today)
    # They are all there: what is written is the update, in one statement.
    UsageRecord.objects.bulk_create(
        rows.values(), update_conflicts=True, unique_fields=["subject"], update_fields=["days", "places"]
    )


def known(key_ids: Collection[str]) -> set[str]:
    """Return those of these keys that exist, or are deleted and not gone for good."""
    return {
        key_id
        for table in (ApiKeyRecord, DeletedKeyRecord)
        for key_id in table._default_manager.filter(id__in=key_ids).values_list("id", flat=True)
    }


def _locked(subjects: Collection[str]) -> dict[str, UsageRecord]:
    """Return the rows of these subjects, new ones for those that have none, locked in one order by all processes."""
    ordered = sorted(subjects)
    UsageRecord.objects.bulk_create([UsageRecord(subject=subject) for subject in ordered], ignore_conflicts=True)
    rows = UsageRecord.objects.select_for_update().filter(subject__in=ordered).order_by("subject")
    return {row.subject: row for row in rows}


def use_of(subject: str) -> KeyUse:
    """Return what is known of the uses of a key, by its id, or of all keys of an owner, by its IAM ID."""
    row = UsageRecord.objects.filter(subject=subject).first() or UsageRecord(subject=subject)
    return KeyUse(tuple(map(read_place, row.places)), read_days(row.days, timezone.now().date()))


def forget(key_ids: Iterable[str]) -> None:
    """Forget the uses and the refusals of keys that are gone for good."""
    ids = list(key_ids)
    UsageRecord.objects.filter(subject__in=ids).delete()
    RefusalRecord.objects.filter(key_id__in=ids).delete()


def add_refusals(refusals: Sequence[Refusal]) -> None:
    """Keep these refusals, and of each key only the latest MOST_REFUSALS. Needs a transaction."""
    RefusalRecord.objects.bulk_create(
        RefusalRecord(
            key_id=refusal.key_id,
            request_id=refusal.request_id,
            at=refusal.at,
            reason=refusal.reason,
            value_number=refusal.value_number,
            address=refusal.address,
            agent=refusal.agent,
        )
        for refusal in refusals
    )
    for key_id in sorted({refusal.key_id for refusal in refusals}):
        of_key = RefusalRecord.objects.filter(key_id=key_id)
        surplus = of_key.order_by("-at", "-id").values_list("pk", flat=True)[MOST_REFUSALS:][:BATCH]
        if found := list(surplus):
            of_key.filter(pk__in=found).delete()


def refusals_of(key_id: str, *, since: datetime | None = None) -> list[Refusal]:
    """Return the refusals of a key that are kept, the latest first."""
    rows = RefusalRecord.objects.filter(key_id=key_id, **({"at__gte": since} if since else {}))
    return [_to_domain(row) for row in rows.order_by("-at", "-id")]


def refusals_by_request(request_id: str) -> list[Refusal]:
    """Return the refusals of one request, as far as they are kept."""
    return [_to_domain(row) for row in RefusalRecord.objects.filter(request_id=request_id)]


def _to_domain(row: RefusalRecord) -> Refusal:
    return Refusal(row.key_id, row.request_id, row.at, Reason(row.reason), row.value_number, row.address, row.agent)


def forget_old_refusals() -> None:
    """Remove refusals that are older than KEPT, some at each sweep."""
    old = RefusalRecord.objects.filter(at__lt=timezone.now() - KEPT)
    if found := list(old.values_list("pk", flat=True)[:BATCH]):
        RefusalRecord.objects.filter(pk__in=found).delete()
