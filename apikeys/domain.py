"""What the application talks about, as plain frozen data; knows neither Django nor HTTP."""

import re
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from enum import Enum, StrEnum
from typing import Any, NewType, Protocol

NAME_MAX_LENGTH = 255
DESCRIPTION_MAX_LENGTH = 1000
MAX_CRNS = 100  # of one service ID
CRN_MAX_LENGTH = 1000
SCOPE_MAX_LENGTH = 1000
NETWORKS_MAX_LENGTH = 2000
MAX_DAYS = 36_500  # of a filter or a rule: a century
SERVICE_ID_PREFIX = "iam-ServiceId-"
PAGE_SIZES = (10, 25, 50, 100)
DEFAULT_PAGE_SIZE = 25
COUNTED = 1000  # rows of a list; beyond them it is only known that there are more
FOUND = 100  # of those that have to be looked for
API_KEY_ID = re.compile(r"ApiKey-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
IAM_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
SERVICE_ID = re.compile(r"ServiceId-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_printable(text: str) -> bool:
    """Tell whether a text has neither control characters nor halves of characters, which no database takes."""
    return not any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in text)


# What services/validation.py lets through: services and stores take no other name, so that each is validated, once.
Name = NewType("Name", str)
Description = NewType("Description", str)
NO_DESCRIPTION = Description("")


class Access(Protocol):
    """How an upstream store is asked on behalf of one log-in: with an access token that is renewed as needed."""

    deadline: float  # in seconds of time.monotonic; nothing is waited for beyond it

    @property
    def sees_all(self) -> bool:
        """Whether the store lists everybody's keys of the account to this person. Raises LogInAgain."""

    def token(self) -> str:
        """Return an access token that has not expired. Raises LogInAgain, BackendUnavailable."""

    def renew(self, refused: str) -> str:
        """Return a new token in place of the one that was refused. Raises LogInAgain, BackendUnavailable."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who acts. `iam_id` is `IBMid-` and ten characters for a person; `account_id` is 32 hex digits.

    `is_administrator` is about this database only: an upstream IAM decides itself what it lets a person see.
    """

    iam_id: str
    account_id: str
    name: str
    email: str
    is_administrator: bool = False
    may_create_keys: bool = True  # where the rules leave that to some


@dataclass(frozen=True, slots=True)
class Caller:
    """An identity, where its request came from, and its access to an upstream store.

    Functions of the services take one, for the store and for the audit event. `scope` and `networks` are those of the
    key or token that the request shows, empty where these limit nothing.
    """

    identity: Identity
    address: str = ""
    agent: str = ""
    correlation_id: str = ""
    client_correlation_id: str = ""  # what the client calls its request; nobody checks it
    access: Access | None = field(default=None, repr=False, compare=False)
    scope: str = ""
    networks: str = ""


class Status(StrEnum):
    """What a key is now, in one word; where several apply, the first of these."""

    LEAKED = "leaked"
    EXPIRED = "expired"
    DISABLED = "disabled"
    PAUSED = "paused"
    LOCKED = "locked"
    ACTIVE = "active"


class Reason(StrEnum):
    """Why a value that is known was refused; of several the first."""

    DECOY = "decoy"
    DELETED = "deleted"
    REPLACED = "replaced"  # by a rotation whose overlap has ended
    EXPIRED = "expired"
    DISABLED = "disabled"
    PAUSED = "paused"
    OWNER_INACTIVE = "owner_inactive"  # gone, deactivated, a service ID that is disabled or of somebody inactive
    NETWORK = "network"  # used from where it may not be


class Hold(StrEnum):
    """As whom somebody disabled or locked a key; what is CONTAINED only an administrator undoes."""

    OWNER = "owner"
    ADMINISTRATOR = "administrator"
    LEAK = "leak"
    RULE = "rule"


CONTAINED = frozenset({Hold.ADMINISTRATOR, Hold.LEAK, Hold.RULE})


def may_undo(hold: str, identity: Identity) -> bool:
    """Tell whether an identity that sees a key may undo what was done to it with this hold, "" for an unknown one."""
    return identity.is_administrator or hold not in CONTAINED


class ReviewKind(StrEnum):
    """Why keys need a decision, the most urgent first; of service IDs nobody manages the keys do."""

    LEAKED = "leaked"
    INACTIVE = "inactive"  # of people who are deactivated or gone
    ORPHANED = "orphaned"  # of service IDs that nobody manages, or that were handed over and are still disabled
    EXPIRING = "expiring"
    EXPIRED = "expired"
    UNUSED = "unused"  # for long
    NEVER_USED = "never_used"


class ReviewStep(StrEnum):
    """What a rule of the review does to a key by itself, one after the other."""

    WARN = "warn"
    DISABLE = "disable"
    DELETE = "delete"


# Nobody is there to be warned about what is nobody's, and what has expired is refused already.
REVIEW_STEPS: dict[ReviewKind, tuple[ReviewStep, ...]] = dict.fromkeys(ReviewKind, tuple(ReviewStep)) | {
    ReviewKind.INACTIVE: (ReviewStep.DISABLE, ReviewStep.DELETE),
    ReviewKind.ORPHANED: (ReviewStep.DISABLE, ReviewStep.DELETE),
    ReviewKind.EXPIRING: (ReviewStep.WARN,),
    ReviewKind.EXPIRED: (ReviewStep.WARN, ReviewStep.DELETE),
}


@dataclass(frozen=True, slots=True)
class ReviewRule:
    """After how many days the keys of a group are warned about, disabled and deleted; None: they never are.

    The first of these steps counts from when a key came into the group, or was changed last; each other one from the
    step before it.
    """

    kind: ReviewKind
    warn_days: int | None = None
    disable_days: int | None = None
    delete_days: int | None = None

    def days_until(self, step: ReviewStep) -> int | None:
        """Return after how many days a step is taken, None where it is not."""
        days: int | None = getattr(self, f"{step}_days")
        return days

    def next_step(self, taken: ReviewStep | None) -> ReviewStep | None:
        """Return the step that is taken after another one, or first of all."""
        steps = REVIEW_STEPS[self.kind]
        later = steps[steps.index(taken) + 1 :] if taken in steps else steps
        return next((step for step in later if self.days_until(step) is not None), None)


class Creators(StrEnum):
    """Who may create keys."""

    EVERYBODY = "everybody"
    SOME = "some"  # whom an administrator allows it
    ADMINISTRATORS = "administrators"


DEFAULT_PER_IDENTITY, MAX_PER_IDENTITY = 1000, 10_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """What all keys have to keep to; a number of 0 and an empty text limit nothing.

    `max_lifetime_days` counts from when a key got its present value; `networks` is where keys may be used from at most.
    """

    max_lifetime_days: int = 0
    must_expire: bool = False
    creators: Creators = Creators.EVERYBODY
    networks: str = ""
    keys_per_identity: int = DEFAULT_PER_IDENTITY

    @property
    def needs_expiration(self) -> bool:
        """Whether a key without an expiration breaks them."""
        return self.must_expire or bool(self.max_lifetime_days)

    def latest_end(self, made_at: datetime) -> datetime | None:
        """Return when a key whose value is made then expires at the latest, None for whenever it likes.

        Days are those of UTC, and whole: who counts from another hour, or with another clock, is not refused for it.
        """
        if not self.max_lifetime_days:
            return None
        last = made_at.astimezone(UTC) + timedelta(days=self.max_lifetime_days)
        return last.replace(hour=23, minute=59, second=59, microsecond=0)


NO_RULES = Rules(keys_per_identity=0)


class LeakedAction(StrEnum):
    """What happens to a key that was found in public."""

    NONE = "none"
    DISABLE = "disable"
    DELETE = "delete"


class BulkAction(StrEnum):
    """What can be done to many keys at once."""

    DISABLE = "disable"
    ENABLE = "enable"
    LOCK = "lock"
    UNLOCK = "unlock"
    DELETE = "delete"


MOST_AT_ONCE = 1000  # keys of one bulk run
MOST_IN_REQUEST = 100  # keys: each is a transaction, and a request is not to take longer than a second or two


@dataclass(frozen=True, slots=True)
class BulkFailure:
    """A key of many to which something could not be done; `message` is a msgid, `code` IAM's."""

    key_id: str
    name: str  # "" where nobody knows it
    code: str
    message: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BulkRun:
    """One action on many keys, done in pieces: `done` of `keys`, pairs of id and name, have been tried.

    It is begun when somebody has confirmed it.
    """

    id: str
    action: BulkAction
    keys: tuple[tuple[str, str], ...]
    done: int
    failures: tuple[BulkFailure, ...]
    created_at: datetime
    is_begun: bool
    is_finished: bool

    @property
    def succeeded(self) -> int:
        """How many keys it was done to."""
        return self.done - len(self.failures)


class Ending:
    """What a key needs to tell whether it can be used; each kind of key has these."""

    __slots__ = ()
    disabled: bool
    expires_at: datetime | None
    paused_until: datetime | None
    is_decoy: bool

    @property
    def is_expired(self) -> bool:
        """Whether `expires_at` has come."""
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)

    @property
    def is_paused(self) -> bool:
        """Whether `paused_until` is still to come."""
        return self.paused_until is not None and self.paused_until > datetime.now(UTC)

    @property
    def refusal(self) -> Reason | None:
        """Why a program can't use the key now, None where it can. A locked key can be used, only not changed."""
        if self.is_decoy:
            return Reason.DECOY
        if self.is_expired:
            return Reason.EXPIRED
        if self.disabled:
            return Reason.DISABLED
        return Reason.PAUSED if self.is_paused else None

    @property
    def authenticates(self) -> bool:
        """Tell whether a program can use the key now."""
        return self.refusal is None


@dataclass(frozen=True, slots=True)
class UsedKey(Ending):
    """What the use of a key needs to know of it; an `ApiKey` has everything."""

    id: str
    name: str
    iam_id: str
    disabled: bool
    expires_at: datetime | None
    paused_until: datetime | None = None
    is_decoy: bool = False
    value_number: int = 1
    scope: str = ""
    networks: str = ""


STILL_USED = timedelta(days=1)  # so long before its end a previous value was used that is asked about


@dataclass(frozen=True, slots=True)
class PreviousValue:
    """A value that a rotation replaced; it works until `ends_at`, where that is None until somebody ends it.

    With `asks_at_end` one that was used on its last day goes on working, until somebody ends it.
    """

    key_id: str
    number: int
    hint: str
    replaced_at: datetime
    ends_at: datetime | None
    is_ended: bool
    asks_at_end: bool
    leaked: bool
    last_used_at: datetime | None
    use_count: int

    @property
    def is_over(self) -> bool:
        """Whether `ends_at` has come, or somebody has ended it."""
        return self.is_ended or (self.ends_at is not None and self.ends_at <= datetime.now(UTC))

    @property
    def awaits_answer(self) -> bool:
        """Whether its time is up, and it still works because it is used, until somebody is asked."""
        if self.is_ended or not (self.asks_at_end and self.is_over and self.last_used_at and self.ends_at):
            return False
        return self.last_used_at >= max(self.replaced_at, self.ends_at - STILL_USED)

    @property
    def works(self) -> bool:
        """Tell whether a program can use it now, as far as the key itself can be used."""
        return not self.is_over or self.awaits_answer


@dataclass(frozen=True, slots=True)
class Overlap:
    """How long a value goes on working after its rotation: `lasts`, where that is None until somebody ends it.

    With `asks_at_end` it goes on after that while it is used. `ends_previous`: the value before it, if it still works,
    ends at once.
    """

    lasts: timedelta | None
    asks_at_end: bool = False
    ends_previous: bool = False


MAX_OVERLAP = timedelta(days=90)
MAX_PAUSE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Progress:
    """How many clients use a key, how many of them have moved to its new value, and which have not, latest first."""

    clients: int
    moved: int
    waiting: tuple["Place", ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a use of a key came from; `request_id` is what its answer calls the request.

    `used_from` is the address that a service passes on that asks about a key, "" where it passes none; None for a
    request that uses the key itself.
    """

    address: str = ""
    agent: str = ""
    request_id: str = ""
    used_from: str | None = None

    @property
    def network_address(self) -> str:
        """The address that the networks of a key are compared with."""
        return self.address if self.used_from is None else self.used_from


@dataclass(frozen=True, slots=True)
class ApiKey(Ending):
    """The record about a value. All dates are UTC; `entity_tag` changes with every change of the record.

    `scope` is what it may do, names with a space between them, and `networks` from where it may be used, likewise
    CIDRs, with a `!` before one that is excluded; empty for no limit. `disabled_by` and `locked_by` are the IAM ID of
    who did that, `disabled_hold` and `locked_hold` as whom, a `Hold`; empty where it is not so, or was done long ago.
    """

    id: str
    entity_tag: str
    name: str
    description: str
    iam_id: str
    account_id: str
    created_at: datetime
    created_by: str
    modified_at: datetime
    hint: str  # first and last characters of the value, e.g. "apk_…x9Qz"; "" where the store keeps none
    locked: bool = False
    disabled: bool = False
    leaked: bool = False
    expires_at: datetime | None = None
    support_sessions: bool = False
    action_when_leaked: LeakedAction = LeakedAction.NONE
    last_used_at: datetime | None = None
    use_count: int = 0
    paused_until: datetime | None = None
    is_decoy: bool = False
    value_number: int = 1  # one more after each rotation
    scope: str = ""
    networks: str = ""
    disabled_by: str = ""
    disabled_hold: str = ""
    locked_by: str = ""
    locked_hold: str = ""

    @property
    def crn(self) -> str:
        """The key's Cloud Resource Name."""
        return api_key_crn(self.account_id, self.id)

    def is_editable_by(self, identity: Identity) -> bool:
        """Tell whether that identity may edit it: nobody, administrators included, edits another person's key."""
        return self.iam_id == identity.iam_id or self.iam_id.startswith(SERVICE_ID_PREFIX)

    def can_be_enabled_by(self, identity: Identity) -> bool:
        """Tell whether that identity, which sees the key, could enable it, as far as who disabled it decides."""
        return may_undo(self.disabled_hold if self.disabled else "", identity)

    def can_be_unlocked_by(self, identity: Identity) -> bool:
        """Tell whether that identity, which sees the key, may unlock it."""
        return may_undo(self.locked_hold if self.locked else "", identity)

    @property
    def status(self) -> Status:
        """The first status that applies."""
        for status, holds in (
            (Status.LEAKED, self.leaked),
            (Status.EXPIRED, self.is_expired),
            (Status.DISABLED, self.disabled),
            (Status.PAUSED, self.is_paused),
            (Status.LOCKED, self.locked),
        ):
            if holds:
                return status
        return Status.ACTIVE


@dataclass(frozen=True, slots=True)
class DeletedKey:
    """A key that was deleted, as it was, until `gone_at`."""

    key: ApiKey
    deleted_at: datetime
    deleted_by: str
    gone_at: datetime

    def is_restorable_by(self, identity: Identity) -> bool:
        """Tell whether that identity can bring it back: who deleted it, unless it was found in public."""
        return self.deleted_by == identity.iam_id and not self.key.leaked and datetime.now(UTC) < self.gone_at


@dataclass(frozen=True, slots=True)
class RestoredKey:
    """A key that is back; `look_alike` is the name of another key of the same owner that looks the same."""

    key: ApiKey
    is_new: bool = True  # else it was back already
    look_alike: str = ""


MOST_DELETED = 100  # of the keys that somebody deleted, those that are listed


@dataclass(frozen=True, slots=True)
class Scope:
    """Something that a key can be limited to, by name, and in a sentence for people."""

    name: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Owner:
    """Who a key belongs to, in words. `user_id` is empty for a service ID, `name` too for somebody unknown here."""

    iam_id: str
    name: str = ""
    user_id: str = ""

    @property
    def is_service_id(self) -> bool:
        return self.iam_id.startswith(SERVICE_ID_PREFIX)

    @property
    def words(self) -> str:
        """Who it is, in one line, such as "Alice Liddell (alice)"."""
        if not self.name:
            return self.iam_id
        return self.name if self.user_id in ("", self.name) else f"{self.name} ({self.user_id})"


def api_key_crn(account_id: str, key_id: str) -> str:
    """Return a key's Cloud Resource Name, in IBM's form."""
    return f"crn:v1:bluemix:public:iam-identity::a/{account_id}::apikey:{key_id}"


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change of a key or a service ID: when, by whom, what."""

    timestamp: datetime
    iam_id: str
    account_id: str
    action: str
    params: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class ApiKeyDraft:
    """What a new key shall be. `iam_id` is its owner, the caller where empty; `value` is made where empty."""

    name: Name
    description: Description = NO_DESCRIPTION
    iam_id: str = ""
    value: str = field(default="", repr=False)
    locked: bool = False
    disabled: bool = False
    expires_at: datetime | None = None
    support_sessions: bool = False
    action_when_leaked: LeakedAction | None = None  # None: as the settings say
    is_decoy: bool = False
    scope: str = ""
    networks: str = ""

    def attributes(self) -> dict[str, Any]:
        """Return what the key shall be like, by name, as far as the draft says; its value is none of them."""
        said = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "value"}
        if self.action_when_leaked is None:
            del said["action_when_leaked"]
        return said

    def describes(self, key: "ApiKey", value: str) -> bool:
        """Tell whether a key and its value are what this draft asked for, as far as it asked."""
        asked = self.attributes()
        return asked == {name: getattr(key, name) for name in asked} and self.value in ("", value)


class Unset(Enum):
    """The value of a field that was not given, where None has a meaning of its own."""

    UNSET = "unset"


UNSET = Unset.UNSET


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to change of a record; a field that is not given stays as it is."""

    def given(self) -> dict[str, object]:
        """Return the fields that were given, by name."""
        unset = {field.name: field.default for field in fields(self)}
        return {name: getattr(self, name) for name in unset if getattr(self, name) is not unset[name]}


@dataclass(frozen=True, slots=True)
class ApiKeyChanges(Changes):
    """What a person or a program may change of a key; `expires_at=None` lets it never expire."""

    name: Name | None = None
    description: Description | None = None
    expires_at: datetime | Unset | None = UNSET
    support_sessions: bool | None = None
    action_when_leaked: LeakedAction | None = None
    scope: str | None = None
    networks: str | None = None


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


@dataclass(frozen=True, slots=True)
class Usage:
    """How often an identity has authenticated, and when last; None for never."""

    count: int
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class IssuedApiKey:
    """A new key together with its value, which is delivered once and not kept."""

    key: ApiKey
    value: str = field(repr=False)
    look_alike: str = ""  # the name of another key of the same owner that looks the same, where the store knows it


@dataclass(frozen=True, slots=True)
class Refusal:
    """One use of a known value that was refused; `request_id` is what the answer called the request."""

    key_id: str
    request_id: str
    at: datetime
    reason: Reason
    value_number: int
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a key is refused now: since when and by whom, an IAM ID, as far as that is known, and until when."""

    reason: Reason
    since: datetime | None = None
    by: str = ""
    until: datetime | None = None


DAYS_OF_USE = 30
MOST_PLACES = 50


@dataclass(frozen=True, slots=True)
class Place:
    """From where and by what a key is used: an address, and the product that its User-Agent names.

    `value_number` is the newest value that was used there, since `value_since`; `older_used_at` is when one before it
    was used last. Moments are None for what never happened, and `reason` is that of the last refusal.
    """

    address: str
    client: str
    uses: int = 0
    first_used_at: datetime | None = None
    last_used_at: datetime | None = None
    value_number: int = 1
    value_since: datetime | None = None
    older_used_at: datetime | None = None
    refusals: int = 0
    refused_at: datetime | None = None
    reason: Reason | None = None

    @property
    def last_at(self) -> datetime:
        """When it was used or refused last."""
        return max(moment for moment in (self.last_used_at, self.refused_at) if moment is not None)


@dataclass(frozen=True, slots=True)
class UseDay:
    """How often a key was used and refused on one day, in UTC."""

    day: date
    uses: int = 0
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class KeyUse:
    """Where a key is used: at most MOST_PLACES, the latest first, and each of the last DAYS_OF_USE days, today last."""

    places: tuple[Place, ...]
    days: tuple[UseDay, ...]


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
HINT_LENGTH = 4  # last characters of a value


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


@dataclass(frozen=True, slots=True)
class Filters:
    """Which keys a list is narrowed down to: those that meet all that is given; by default every key.

    `expires_within_days`: they work now, as far as their expiration says, and no longer after so many days.
    `unused_for_days`: not used for so many days, or never, however young the key is.
    `never_used`: never, or at least once.
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
