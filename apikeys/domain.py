"""What the application talks about, as plain frozen data; knows neither Django nor HTTP."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

NAME_MAX_LENGTH = 255
DESCRIPTION_MAX_LENGTH = 1000
PAGE_SIZES = (10, 25, 50, 100)
DEFAULT_PAGE_SIZE = 25


@dataclass(frozen=True, slots=True)
class Identity:
    """Who acts. `iam_id` is `IBMid-` and ten characters for a person; `account_id` is 32 hex digits."""

    iam_id: str
    account_id: str
    name: str
    email: str
    is_administrator: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """An identity, and where its request came from. Every use case takes one, for its audit event."""

    identity: Identity
    address: str = ""
    agent: str = ""
    correlation_id: str = ""


class Status(StrEnum):
    """What a key can do now, worst news first."""

    DISABLED = "disabled"
    LOCKED = "locked"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The record about a value. All dates are UTC; `entity_tag` changes with every change of the record."""

    id: str
    entity_tag: str
    name: str
    description: str
    iam_id: str
    account_id: str
    created_at: datetime
    created_by: str
    modified_at: datetime
    hint: str  # first and last characters of the value, e.g. "apk_…x9Qz"
    locked: bool = False
    disabled: bool = False
    last_used_at: datetime | None = None

    @property
    def crn(self) -> str:
        """The key's Cloud Resource Name, in IBM's form (iam-contract, section 1)."""
        return f"crn:v1:bluemix:public:iam-identity::a/{self.account_id}::apikey:{self.id}"

    @property
    def status(self) -> Status:
        if self.disabled:
            return Status.DISABLED
        return Status.LOCKED if self.locked else Status.ACTIVE


@dataclass(frozen=True, slots=True)
class IssuedApiKey:
    """A new key together with its value, on the value's one way to whoever asked for it."""

    key: ApiKey
    value: str = field(repr=False)


class Sort(StrEnum):
    NAME = "name"
    CREATED = "created"


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two rows of a sorted list: the row `(position, key_id)`, looking on or back from it."""

    position: str
    key_id: str
    backward: bool = False


@dataclass(frozen=True, slots=True)
class ApiKeyQuery:
    """What to list. `search` is a literal substring of name or description; letters' case is ignored."""

    search: str = ""
    sort: Sort = Sort.CREATED
    descending: bool = True
    page_size: int = DEFAULT_PAGE_SIZE
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True)
class ApiKeyPage:
    """One page of keys in the order asked for; a cursor is None where there is nothing more that way."""

    keys: tuple[ApiKey, ...]
    next: Cursor | None = None
    previous: Cursor | None = None
