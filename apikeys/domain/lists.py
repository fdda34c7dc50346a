"""What a list of keys is asked for: filters, an order, a page."""

from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from apikeys.domain.keys import ApiKey
from apikeys.domain.states import Status

MAX_DAYS = 36_500  # of a filter or a rule: a century
PAGE_SIZES = (10, 25, 50, 100)
DEFAULT_PAGE_SIZE = 25
COUNTED = 1000  # rows of a list; beyond them it is only known that there are more
FOUND = 100  # of those that have to be looked for


class Sort(StrEnum):
    """What a list of keys is sorted by; a store says in its traits which of these it can.

    A description counts with its first SORTED_LETTERS letters, folded. A key that was never used sorts like one that
    was used before all others, one that never expires like one that does after all others.
    """

    NAME = "name"
    DESCRIPTION = "description"
    CREATED = "created"
    CREATED_BY = "created_by"
    LAST_USED = "last_used"
    EXPIRES = "expires"


SORTED_LETTERS = 100


class Match(StrEnum):
    """How a condition compares, in the words of IAM's filters."""

    CONTAINS = "co"
    EQUALS = "eq"
    STARTS_WITH = "sw"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a filter on `name`, `description` or `id`; letters' case is ignored."""

    attribute: str
    match: Match
    text: str


NEVER_USED_AFTER = timedelta(days=7)  # since its creation a key without any use is called never used


@dataclass(frozen=True, slots=True)
class Filters:
    """Which keys a list is narrowed down to: those that meet all that is given; by default every key.

    `expires_within_days`: they work now, as far as their expiration says, and no longer after so many days.
    `unused_for_days`: not used for so many days, or never, however young the key is.
    `never_used`: never since they were created, NEVER_USED_AFTER ago or longer; or at least once. What is younger is
    neither: it was made to be used soon.
    `created_since`: on this day, in UTC, or later.
    """

    status: Status | None = None
    expires_within_days: int | None = None
    unused_for_days: int | None = None
    never_used: bool | None = None
    created_since: date | None = None
    leaked: bool | None = None

    def given(self) -> frozenset[str]:
        """Return the names of the filters that are given."""
        return frozenset(field.name for field in fields(self) if getattr(self, field.name) is not None)

    def expires_before(self, now: datetime) -> datetime | None:
        """Return the last moment at which a key may expire, None where none is given."""
        return _shifted(now, self.expires_within_days)

    def used_before(self, now: datetime) -> datetime | None:
        """Return the last moment at which a key may have been used, None where none is given."""
        return _shifted(now, None if self.unused_for_days is None else -self.unused_for_days)

    def created_before(self, now: datetime) -> datetime | None:
        """Return the last moment at which a key may have been created, None where none is given."""
        return now - NEVER_USED_AFTER if self.never_used else None

    def created_from(self) -> datetime | None:
        """Return the first moment at which a key may have been created, None where none is given."""
        day = self.created_since
        return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)


ALL_FILTERS = frozenset(field.name for field in fields(Filters))
NO_FILTERS = Filters()


def _shifted(now: datetime, days: int | None) -> datetime | None:
    return None if days is None else now + timedelta(days=days)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins in a sorted list: after one row, or `backward` from it.

    The row has this id, and `position` in the sorted column. Upstream, `position` is a page token or a number.
    """

    position: str
    key_id: str
    backward: bool = False


# Behind the last row of a list: the page that ends there.
END = Cursor("", "", backward=True)


@dataclass(frozen=True, slots=True)
class ApiKeyQuery:
    """What to list. `search` is a literal substring of name or description, or the end of a value's hint.

    Letters' case is ignored. `counted` asks for the extent, as far as the store can tell without much work.
    Without `iam_id` the caller's own keys; with `whole_account` everybody's, for administrators.
    """

    search: str = ""
    conditions: tuple[Condition, ...] = ()
    filters: Filters = NO_FILTERS
    iam_id: str = ""
    whole_account: bool = False
    kind: str = ""  # "user" or "serviceid", with whole_account; both where empty
    sort: Sort = Sort.CREATED
    descending: bool = True
    page_size: int = DEFAULT_PAGE_SIZE
    cursor: Cursor | None = None
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a page stands in its list: how many rows are before it, and how many the list has.

    `before` is None, and `total` `counted` + 1, where there are more than are counted. Either is None where the store
    does not tell.
    """

    before: int | None = None
    total: int | None = None
    counted: int = field(default=COUNTED, compare=False)


@dataclass(frozen=True, slots=True)
class ApiKeyPage:
    """One page of keys in the order asked for; a cursor is None where there is nothing more that way.

    `last` leads to the last page, where the store has a way there; `extent` is empty unless it was asked for.
    """

    keys: tuple[ApiKey, ...]
    next: Cursor | None = None
    previous: Cursor | None = None
    last: Cursor | None = None
    extent: Extent = field(default_factory=Extent)
