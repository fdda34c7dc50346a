"""What is done with the rows of a value that was found in public, whoever owns its key; being locked protects none."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.conf import settings
from django.db import models

from apikeys import domain, exceptions
from apikeys.backends import deletion, holding, records, rotation
from apikeys.models import ApiKeyRecord, DeletedKeyRecord, PreviousValue


@dataclass(frozen=True, slots=True)
class Leaked:
    """The key of a value that leaked; `is_deleted` where that was done because of it."""

    key: domain.ApiKey
    is_deleted: bool = False


def act_on(value: str, identity: domain.Identity, found_in: Sequence[str]) -> Leaked | None:
    """Do to the key of a value what its `action_when_leaked` says; None where it is, and was, no key's.

    Of a previous value only that value ends, and the key works on with its present one. A key that was deleted can't be
    restored any more. Needs a transaction.
    """
    pairs = settings.APIKEYS_PEPPERS.digests(value)
    is_its = reduce(or_, (models.Q(digest=digest, pepper=number) for digest, number in pairs))
    # A key that is restored while its record is waited for is there again at the second look.
    return _act_on(is_its, identity, found_in) or _act_on(is_its, identity, found_in)


def _act_on(is_its: models.Q, identity: domain.Identity, found_in: Sequence[str]) -> Leaked | None:
    if record := ApiKeyRecord.objects.select_for_update().filter(is_its).first():
        return _act_on_key(record, identity, found_in)
    if previous := PreviousValue.objects.filter(is_its).first():
        return _act_on_previous(previous, identity, found_in)
    if deleted := DeletedKeyRecord.objects.select_for_update().filter(is_its).first():
        deleted.leaked = True
        deleted.save(update_fields=["leaked"])
        records.add_history(identity, deleted.id, "leak", found_in, "API key found in public")
        return Leaked(records.to_domain(deleted))
    return None


def _act_on_key(record: ApiKeyRecord, identity: domain.Identity, found_in: Sequence[str]) -> Leaked:
    record.leaked = True
    if record.action_when_leaked == domain.LeakedAction.DISABLE:
        holding.disable(record, identity, domain.Hold.LEAK)
    records.save_revision(record, identity, "leak", "API key found in public", found_in)
    if record.action_when_leaked == domain.LeakedAction.DELETE:
        return Leaked(deletion.delete(record, identity), is_deleted=True)
    return Leaked(records.to_domain(record))


def _act_on_previous(previous: PreviousValue, identity: domain.Identity, found_in: Sequence[str]) -> Leaked | None:
    key_id = previous.key_id
    live = ApiKeyRecord.objects.select_for_update().filter(id=key_id).first()
    record = live or DeletedKeyRecord.objects.select_for_update().filter(id=key_id).first()
    if record is None:
        return None
    previous.refresh_from_db()  # somebody may have ended it while its key was waited for
    PreviousValue.objects.filter(pk=previous.pk).update(leaked=True)
    if record.action_when_leaked != domain.LeakedAction.NONE and records.to_previous(previous).works:
        rotation.end_values(key_id)
    message = "Previous value of API key found in public"
    if live:
        records.save_revision(live, identity, "leak_previous", message, found_in)
    else:
        records.add_history(identity, key_id, "leak_previous", found_in, message)
    return Leaked(records.to_domain(record))


def end(key_id: str, number: int, identity: domain.Identity) -> tuple[domain.ApiKey, bool]:
    """End value `number` of a key, whoever owns it: disable the key, or where that has another value now, end this one.

    Returns the key, and whether it was the key. What has ended already stays so. Raises ApiKeyNotFound. Needs a
    transaction.
    """
    record = ApiKeyRecord.objects.select_for_update().filter(id=key_id).first()
    if record is None:
        raise exceptions.ApiKeyNotFound
    is_present = number == (record.value_number or 1)
    if is_present and holding.disable(record, identity, holding.hold_of(record.iam_id, identity)):
        records.save_revision(record, identity, "disable", "API key: disable")
    elif not is_present and (previous := rotation.working_value(key_id)) and previous.number == number:
        rotation.end(record, identity)
    return records.to_domain(record), is_present
