"""Service IDs of the embedded store: identities for programs, with keys of their own."""

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import fields

from django.db import models, transaction
from django.utils import timezone

from apikeys import domain
from apikeys.backends import deletion, records
from apikeys.backends.keyset import Listed, beyond, cursor_at, page_of
from apikeys.backends.limits import search_limit
from apikeys.exceptions import (
    DeleteNotPossible,
    MadeByPeopleOnly,
    ServiceIdConflict,
    ServiceIdHeld,
    ServiceIdLocked,
    ServiceIdNotFound,
)
from apikeys.models import MANAGER, ApiKeyRecord, HistoryRecord, ServiceIdRecord, new_service_id

COLUMNS = {
    domain.ServiceIdSort.NAME: "name_folded",
    domain.ServiceIdSort.DESCRIPTION: "description",
    domain.ServiceIdSort.CREATED: "created_at",
    domain.ServiceIdSort.MODIFIED: "modified_at",
}


def managed_by(iam_id: str) -> "models.QuerySet[ServiceIdRecord]":
    """Return the service IDs that a person manages."""
    return ServiceIdRecord.objects.alias(manager=MANAGER).filter(manager=iam_id)


def key_counts(iam_ids: Collection[str]) -> dict[str, int]:
    """Return how many keys each of these identities has, with one query."""
    rows = ApiKeyRecord.objects.filter(iam_id__in=iam_ids).values_list("iam_id").annotate(models.Count("id"))
    return dict.fromkeys(iam_ids, 0) | dict(rows.order_by())


class EmbeddedServiceIds:
    """The service IDs that one person manages; an administrator, all of the account."""

    def __init__(self, caller: domain.Caller) -> None:
        self.identity = caller.identity

    def _records(self) -> "models.QuerySet[ServiceIdRecord]":
        rows = ServiceIdRecord.objects if self.identity.is_administrator else managed_by(self.identity.iam_id)
        return rows.filter(account_id=self.identity.account_id)

    def _record(self, service_id: str, *, for_update: bool = False) -> ServiceIdRecord:
        rows = self._records() if domain.SERVICE_ID.fullmatch(service_id) else ServiceIdRecord.objects.none()
        record = (rows.select_for_update() if for_update else rows).filter(id=service_id).first()
        if record is None:
            raise ServiceIdNotFound
        return record

    def page(self, query: domain.ServiceIdQuery) -> domain.ServiceIdPage:
        """Return one page in the order asked for. Raises SearchTooSlow."""
        rows = self._records()
        if query.name:
            rows = rows.filter(name=query.name)
        if query.managed_by:
            rows = rows.alias(manager=MANAGER).filter(manager=query.managed_by)
        for condition in query.conditions:
            rows = rows.filter(records.filter_of(condition))
        column = COLUMNS[query.sort]
        listed = Listed(rows, column)
        with search_limit() if query.conditions or query.name else nullcontext():
            found = page_of(listed, descending=query.descending, size=query.page_size, cursor=query.cursor)
            offset = 0
            if found.rows and query.cursor is not None:
                before = beyond(rows, column, cursor_at(listed, found.rows[0]), not query.descending)
                offset = rows.filter(before).count()
        return domain.ServiceIdPage(
            tuple(to_domain(row) for row in found.rows), offset, next=found.next, previous=found.previous
        )

    def get(self, service_id: str) -> domain.ServiceId:
        """Return one. Raises ServiceIdNotFound."""
        return to_domain(self._record(service_id))

    def get_history(self, service_id: str) -> list[domain.HistoryEntry]:
        """Return its changes, oldest first. Raises ServiceIdNotFound."""
        return records.history_of(self._record(service_id).id)

    def get_usage(self, service_id: str) -> domain.Usage:
        """Return how often its keys were used, those included that are deleted. Raises ServiceIdNotFound."""
        record = self._record(service_id)
        keys = ApiKeyRecord.objects.filter(iam_id=record.iam_id)
        found = keys.aggregate(count=models.Sum("use_count", default=0), last=models.Max("last_used_at"))
        moments = [moment for moment in (found["last"], record.past_last_used_at) if moment is not None]
        return domain.Usage(record.past_use_count + found["count"], max(moments, default=None))

    def made_with(self, nonce_digest: str) -> domain.ServiceId | None:
        """Return the service ID that this identity made with the nonce of this digest, None without one."""
        record = ServiceIdRecord.objects.filter(created_by=self.identity.iam_id, nonce_digest=nonce_digest).first()
        return to_domain(record) if record else None

    @transaction.atomic
    def create(self, draft: domain.ServiceIdDraft, *, nonce_digest: str = "") -> domain.ServiceId:
        """Make one.

        Raises IntegrityError where the nonce of this digest made one before, MadeByPeopleOnly for a service ID.
        """
        if self.identity.iam_id.startswith(domain.SERVICE_ID_PREFIX):
            raise MadeByPeopleOnly
        service_id = new_service_id()
        record = ServiceIdRecord(
            id=service_id,
            iam_id=f"iam-{service_id}",
            account_id=self.identity.account_id,
            created_by=self.identity.iam_id,
            managed_by=self.identity.iam_id,
            name=draft.name,
            description=draft.description,
            unique_instance_crns=list(draft.unique_instance_crns),
            locked=draft.locked,
            nonce_digest=nonce_digest,
        )
        records.fold_words(record)
        record.save(force_insert=True)
        records.add_history(self.identity, record.id, "create", [draft.name], "Service ID created")
        return to_domain(record)

    @transaction.atomic
    def update(self, service_id: str, changes: domain.ServiceIdChanges, *, entity_tag: str) -> domain.ServiceId:
        """Change one and return its record; `entity_tag` may be a whole If-Match.

        Raises ServiceIdConflict, ServiceIdLocked, ServiceIdNotFound.
        """
        record = self._record(service_id, for_update=True)
        if record.locked:
            raise ServiceIdLocked
        if not records.names_version(entity_tag, record.entity_tag):
            raise ServiceIdConflict
        records.save_revision(
            record, self.identity, "update", "Service ID: update", records.apply_changes(record, changes)
        )
        return to_domain(record)

    @transaction.atomic
    def set_locked(self, service_id: str, locked: bool) -> domain.ServiceId:
        """Lock one against change and deletion, or unlock it; both may be repeated.

        Raises ServiceIdHeld where somebody else locked it and the caller is no administrator, ServiceIdNotFound.
        """
        record = self._record(service_id, for_update=True)
        if self._is_to_do(record, locked, record.locked, record.locked_by):
            record.locked, record.locked_by = locked, self.identity.iam_id if locked else ""
            self._save(record, "lock" if locked else "unlock")
        return to_domain(record)

    @transaction.atomic
    def set_disabled(self, service_id: str, disabled: bool) -> domain.ServiceId:
        """Refuse all that one asks for, or no longer; both may be repeated.

        Raises ServiceIdLocked, ServiceIdHeld where somebody else disabled it and the caller is no administrator,
        ServiceIdNotFound.
        """
        record = self._record(service_id, for_update=True)
        if record.locked:
            raise ServiceIdLocked
        if self._is_to_do(record, disabled, bool(record.disabled), record.disabled_by):
            record.disabled, record.disabled_by = disabled, self.identity.iam_id if disabled else ""
            self._save(record, "disable" if disabled else "enable")
        return to_domain(record)

    def _is_to_do(self, record: ServiceIdRecord, wanted: bool, is_so: bool, done_by: str | None) -> bool:
        """Tell whether something changes: also where an administrator does what the manager did, and could undo.

        Raises ServiceIdHeld.
        """
        manager = record.managed_by or record.created_by
        if wanted and is_so:
            return self.identity.iam_id != manager and done_by in (None, "", manager)
        if is_so and done_by and done_by != self.identity.iam_id and not self.identity.is_administrator:
            raise ServiceIdHeld
        return wanted != is_so

    def _save(self, record: ServiceIdRecord, action: str) -> None:
        records.save_revision(record, self.identity, action, f"Service ID: {action}")

    @transaction.atomic
    def hand_over(self, from_identity: domain.Identity, to_iam_id: str) -> list[domain.ServiceId]:
        """Give all that one person manages to another, disabled, locked or not; return what was given."""
        rows = managed_by(from_identity.iam_id).filter(account_id=self.identity.account_id)
        found = list(rows.select_for_update().order_by("id"))
        for record in found:
            record.managed_by, record.handed_over_from = to_iam_id, from_identity.name[:255]
            record.handed_over_at = timezone.now()
            if not record.disabled:
                record.disabled, record.disabled_by = True, self.identity.iam_id
            self._save(record, "hand over")
        return [to_domain(record) for record in found]

    @transaction.atomic
    def take_over(self, service_id: str) -> domain.ServiceId:
        """Have the caller manage one from now on; this may be repeated. Raises ServiceIdNotFound."""
        record = self._record(service_id, for_update=True)
        if (record.managed_by or record.created_by) != self.identity.iam_id:
            record.managed_by = self.identity.iam_id
            self._save(record, "hand over")
        return to_domain(record)

    @transaction.atomic
    def delete(self, service_id: str) -> tuple[domain.ServiceId, list[domain.ApiKey]]:
        """End a service ID and all of its keys, or nothing; return what they were.

        Raises DeleteNotPossible where one of its keys is locked, ServiceIdLocked, ServiceIdNotFound.
        """
        keys = ApiKeyRecord.objects.select_for_update().filter(iam_id=self._record(service_id).iam_id).order_by("id")
        # Rows are locked in the order in which the deletion of a key locks them, first the keys: no deadlock.
        list(keys.values_list("id"))
        record = self._record(service_id, for_update=True)
        if record.locked:
            raise ServiceIdLocked
        found = list(keys)
        if any(key.locked for key in found):
            raise DeleteNotPossible
        service, deleted = to_domain(record), [deletion.remove(key) for key in found]
        HistoryRecord.objects.filter(object_id=record.id).delete()
        record.delete()
        return service, deleted


def to_domain(record: ServiceIdRecord) -> domain.ServiceId:
    """Return the service ID that a record holds: columns are called like attributes."""
    held = {field.name: getattr(record, field.name) for field in fields(domain.ServiceId)}
    held |= {"unique_instance_crns": tuple(record.unique_instance_crns)}
    held |= {"managed_by": record.managed_by or record.created_by, "disabled": bool(record.disabled)}
    held |= {name: getattr(record, name) or "" for name in ("disabled_by", "locked_by", "handed_over_from")}
    return domain.ServiceId(**held)
