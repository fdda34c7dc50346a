"""Identities of programs."""

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum

from apikeys.domain.changes import Changes
from apikeys.domain.lists import DEFAULT_PAGE_SIZE, Condition, Cursor
from apikeys.domain.texts import NO_DESCRIPTION, Description, Name


@dataclass(frozen=True, slots=True)
class ServiceId:
    """An identity for a program of its own; `iam_id` is `iam-` and the id.

    `managed_by` is the IAM ID of the person who manages it. One that a person who is gone managed before has that
    person's name in `handed_over_from`. `disabled_by` and `locked_by` are the IAM ID of who did that, as far as that is
    known.
    """

    id: str
    entity_tag: str
    name: str
    description: str
    account_id: str
    created_at: datetime
    modified_at: datetime
    locked: bool
    unique_instance_crns: tuple[str, ...] = ()
    managed_by: str = ""
    disabled: bool = False
    disabled_by: str = ""
    locked_by: str = ""
    handed_over_from: str = ""
    handed_over_at: datetime | None = None

    @property
    def iam_id(self) -> str:
        return f"iam-{self.id}"

    @property
    def crn(self) -> str:
        return f"crn:v1:bluemix:public:iam-identity::a/{self.account_id}::serviceid:{self.id}"


@dataclass(frozen=True, slots=True)
class ServiceIdDraft:
    """What a new service ID shall be."""

    name: Name
    description: Description = NO_DESCRIPTION
    unique_instance_crns: tuple[str, ...] = ()
    locked: bool = False

    def describes(self, service: ServiceId) -> bool:
        """Tell whether a service ID is what this draft asked for."""
        return all(getattr(service, field.name) == getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class ServiceIdChanges(Changes):
    """What may be changed of a service ID."""

    name: Name | None = None
    description: Description | None = None
    unique_instance_crns: tuple[str, ...] | None = None


class ServiceIdSort(StrEnum):
    """What a list of service IDs is sorted by."""

    NAME = "name"
    DESCRIPTION = "description"
    CREATED = "created_at"
    MODIFIED = "modified_at"


@dataclass(frozen=True, slots=True)
class ServiceIdQuery:
    """Which service IDs to list: those that meet every condition, of exactly this name and this manager, if given."""

    name: str = ""
    managed_by: str = ""  # an IAM ID
    conditions: tuple[Condition, ...] = ()
    sort: ServiceIdSort = ServiceIdSort.CREATED
    descending: bool = False
    page_size: int = DEFAULT_PAGE_SIZE
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True)
class ServiceIdPage:
    """One page in the order asked for, after `offset` others; a cursor is None where there is nothing more that way."""

    service_ids: tuple[ServiceId, ...]
    offset: int
    next: Cursor | None = None
    previous: Cursor | None = None
