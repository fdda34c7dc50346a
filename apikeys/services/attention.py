"""What a person should look at: each with the keys that are meant, and so with what can be done about it."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from django.utils import timezone

from apikeys import audit, domain
from apikeys.backends import attention as rows
from apikeys.backends import records, review_rules, value_store_for
from apikeys.backends.base import ApiKeyBackend
from apikeys.exceptions import ApiKeyNotFound
from apikeys.models import ApiKeyRecord, RefusalRecord

NAMED = 3  # of the keys that are meant
MOST_DECOYS = 20  # that were used, each an alarm of its own


class Kind(StrEnum):
    """What asks for attention, the most urgent first."""

    DECOY = "decoy"
    LEAKED = "leaked"
    LEAKED_PREVIOUS = "leaked_previous"
    WARNED = "warned"  # by a rule of the review
    WAITING = "waiting"
    EXPIRING = "expiring"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing: how many keys it is about, FOUND + 1 for more, and the first of them."""

    kind: Kind
    count: int
    keys: tuple[domain.ApiKey, ...] = ()
    touched: domain.Refusal | None = None  # of a decoy: its latest use

    @property
    def number(self) -> str:
        """The count in digits, such as "100+" for more than are counted."""
        return f"{domain.FOUND}+" if self.count > domain.FOUND else str(self.count)


FILTERS = {
    Kind.LEAKED: domain.Filters(leaked=True),
    Kind.EXPIRING: domain.Filters(expires_within_days=rows.SOON.days),
    Kind.UNUSED: domain.Filters(unused_for_days=rows.LONG.days),
}


def items(caller: domain.Caller) -> tuple[Item, ...]:
    """Return what the caller should look at, the most urgent first: nothing where all is well. Raises NotOffered."""
    store = value_store_for(caller)
    identity = caller.identity
    counts = rows.counts_of(identity.iam_id)
    found: list[Item] = []
    if counts.touched or identity.is_administrator:
        found += _touched(identity)
    if counts.leaked:
        found.append(Item(Kind.LEAKED, counts.leaked, _named(store, domain.Sort.CREATED, FILTERS[Kind.LEAKED])))
    if counts.leaked_previous:
        found.append(Item(Kind.LEAKED_PREVIOUS, counts.leaked_previous, _with_leaked_previous(identity)))
    if counts.warned:
        warned = review_rules.warned_of(identity.iam_id).values_list("key_id", flat=True)[:NAMED]
        found.append(Item(Kind.WARNED, counts.warned, _keys(list(warned))))
    if counts.waiting:
        found += _waiting(identity)
    if counts.expiring:
        found.append(Item(Kind.EXPIRING, counts.expiring, _named(store, domain.Sort.EXPIRES, FILTERS[Kind.EXPIRING])))
    if counts.unused:
        found.append(Item(Kind.UNUSED, counts.unused))
    return tuple(found)


def _named(store: ApiKeyBackend, sort: domain.Sort, filters: domain.Filters) -> tuple[domain.ApiKey, ...]:
    query = domain.ApiKeyQuery(filters=filters, sort=sort, descending=False, page_size=NAMED)
    return store.list_api_keys(query).keys


def _with_leaked_previous(identity: domain.Identity) -> tuple[domain.ApiKey, ...]:
    return _keys(list(rows.leaked_of(identity.iam_id).values_list("key_id", flat=True)[:NAMED]))


def _waiting(identity: domain.Identity) -> list[Item]:
    ids = [row.key_id for row in rows.waiting_of(identity.iam_id) if records.to_previous(row).awaits_answer]
    return [Item(Kind.WAITING, len(ids), _keys(ids[:NAMED]))] if ids else []


def _touched(identity: domain.Identity) -> list[Item]:
    """Return the decoys that were used: each one by itself, as each is an alarm; an administrator's are everybody's."""
    whose = {"account_id": identity.account_id} if identity.is_administrator else {"iam_id": identity.iam_id}
    touched = list(rows.touched_of(**whose)[:MOST_DECOYS])
    latest = RefusalRecord.objects.in_bulk([row["latest"] for row in touched])
    keys = {key.id: key for key in _keys([row["key_id"] for row in touched])}
    return [
        Item(Kind.DECOY, row["number"], (keys[row["key_id"]],), _refusal(latest[row["latest"]]))
        for row in touched
        if row["key_id"] in keys and row["latest"] in latest
    ]


def _refusal(row: RefusalRecord) -> domain.Refusal:
    return domain.Refusal(
        row.key_id, row.request_id, row.at, domain.Reason(row.reason), row.value_number, row.address, row.agent
    )


def _keys(ids: Collection[str]) -> tuple[domain.ApiKey, ...]:
    found = ApiKeyRecord.objects.in_bulk(list(ids))
    return tuple(records.to_domain(found[key_id]) for key_id in ids if key_id in found)


def note_alarm(caller: domain.Caller, key_id: str) -> domain.ApiKey:
    """Note that the alarms of a decoy were seen: they ask for attention no more. Raises ApiKeyNotFound, NotOffered."""
    store = value_store_for(caller)
    with audit.change(caller, audit.UPDATE, key_id) as step:
        key = store.get_api_key(key_id)
        if not key.is_decoy:
            raise ApiKeyNotFound
        RefusalRecord.objects.filter(key_id=key.id, noted_at=None).update(noted_at=timezone.now())
        step.record(key, alarm="noted")
    return key
