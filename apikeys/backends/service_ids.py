"""Service IDs of the embedded store: identities for programs, with keys of their own."""

import re
from dataclasses import dataclass

from django.db import models, transaction

from apikeys.backends.embedded import history_of, remember, stamp
from apikeys.domain import HistoryEntry, Identity, ServiceId
from apikeys.exceptions import ApiKeyConflict, ApiKeyLocked, DeleteNotPossible, ServiceIdNotFound
from apikeys.models import ApiKeyRecord, HistoryRecord, ServiceIdRecord, new_service_id

SERVICE_ID = re.compile(r"ServiceId-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class ServiceIdPage:
    """One page, oldest first; `next` is the id to continue after, "" at the end."""

    service_ids: tuple[ServiceId, ...]
    next: str = ""


class EmbeddedServiceIds:
    """The service IDs that one identity manages: those it made; an administrator, all of the account."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity

    def _records(self) -> "models.QuerySet[ServiceIdRecord]":
        records = ServiceIdRecord.objects.filter(account_id=self.identity.account_id)
        return records if self.identity.is_administrator else records.filter(created_by=self.identity.iam_id)

    def _record(self, service_id: str, *, for_update: bool = False) -> ServiceIdRecord:
        records = self._records() if SERVICE_ID.fullmatch(service_id) else ServiceIdRecord.objects.none()
        record = (records.select_for_update() if for_update else records).filter(id=service_id).first()
        if record is None:
            raise ServiceIdNotFound
        return record

    def page(self, *, name: str = "", page_size: int = 20, after: str = "") -> ServiceIdPage:
        """Return service IDs, only those of exactly this name where one is given."""
        records = self._records()
        if name:
            records = records.filter(name=name)
        if after:
            records = records.filter(id__gt=after)
        found = list(records.order_by("id")[: page_size + 1])
        rows = found[:page_size]
        return ServiceIdPage(tuple(to_domain(row) for row in rows), rows[-1].id if len(found) > page_size else "")

    def get(self, service_id: str) -> ServiceId:
        """Return one. Raises ServiceIdNotFound."""
        return to_domain(self._record(service_id))

    def get_history(self, service_id: str) -> list[HistoryEntry]:
        return history_of(self._record(service_id).id)

    @transaction.atomic
    def create(self, name: str, description: str, *, locked: bool = False) -> ServiceId:
        service_id = new_service_id()
        record = ServiceIdRecord.objects.create(
            id=service_id,
            iam_id=f"iam-{service_id}",
            account_id=self.identity.account_id,
            created_by=self.identity.iam_id,
            name=name,
            description=description,
            locked=locked,
        )
        remember(self.identity, record.id, "create", [name], "Service ID created")
        return to_domain(record)

    @transaction.atomic
    def update(self, service_id: str, *, entity_tag: str, **changes: str) -> ServiceId:
        """Change `name` or `description`. Raises ApiKeyConflict, ApiKeyLocked, ServiceIdNotFound."""
        record = self._record(service_id, for_update=True)
        if record.locked:
            raise ApiKeyLocked
        if entity_tag not in ("*", record.entity_tag):
            raise ApiKeyConflict
        for field, text in changes.items():
            setattr(record, field, text)
        stamp(record)
        remember(self.identity, record.id, "update", sorted(changes), "Service ID: update")
        return to_domain(record)

    @transaction.atomic
    def set_locked(self, service_id: str, locked: bool) -> ServiceId:
        record = self._record(service_id, for_update=True)
        if record.locked != locked:
            record.locked = locked
            stamp(record)
            action = "lock" if locked else "unlock"
            remember(self.identity, record.id, action, [], f"Service ID: {action}")
        return to_domain(record)

    @transaction.atomic
    def delete(self, service_id: str) -> ServiceId:
        """End a service ID. Raises DeleteNotPossible while it has keys, ApiKeyLocked, ServiceIdNotFound."""
        record = self._record(service_id, for_update=True)
        if record.locked:
            raise ApiKeyLocked
        if ApiKeyRecord.objects.filter(iam_id=record.iam_id).exists():
            raise DeleteNotPossible
        service = to_domain(record)
        HistoryRecord.objects.filter(object_id=record.id).delete()
        record.delete()
        return service


def to_domain(record: ServiceIdRecord) -> ServiceId:
    return ServiceId(
        id=record.id,
        entity_tag=record.entity_tag,
        name=record.name,
        description=record.description,
        account_id=record.account_id,
        created_at=record.created_at,
        modified_at=record.modified_at,
        locked=record.locked,
    )
