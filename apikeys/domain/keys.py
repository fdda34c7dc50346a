"""An API key, what it shall be, and what changes of it."""

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from apikeys.domain.changes import UNSET, Changes, Unset
from apikeys.domain.identities import Identity
from apikeys.domain.ids import SERVICE_ID_PREFIX, api_key_crn
from apikeys.domain.states import Ending, LeakedAction, Status, may_undo
from apikeys.domain.texts import NO_DESCRIPTION, Description, Name


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


MAX_PAUSE = timedelta(minutes=30)


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
class IssuedApiKey:
    """A new key together with its value, which is delivered once and not kept."""

    key: ApiKey
    value: str = field(repr=False)
    look_alike: str = ""  # the name of another key of the same owner that looks the same, where the store knows it


HINT_LENGTH = 4  # last characters of a value
