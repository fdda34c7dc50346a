"""The contract of every key store, in words. tests/contract.py holds each implementation to it."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from apikeys import domain
from apikeys.exceptions import InvalidApiKey
from apikeys.exceptions import gettext_noop as _


@dataclass(frozen=True, slots=True)
class StoreTraits:
    """What a store is like, whoever asks it: what pages offer and services promise depends on nothing else.

    `is_upstream`: an upstream IAM keeps the keys. People log in there, each call to it is waited for, and no database
    transaction holds a change together with its audit event and the hand-over of a value.
    `lists_last_use`: a list tells when each key was last used.
    `searches_while_typing`: a search is cheap enough to be made anew for each pause in typing.
    `keeps_hint`: the first and last characters of a value are kept, by which people recognise it.
    `knows_values`: the store itself sees each use of a value. It tells where a key is used and why it was refused, and
    rotates, pauses and restores keys.
    `sorts`, `filters`: what a list can be sorted by, and which of the names of `Filters` it can be narrowed down by.
    """

    is_upstream: bool
    lists_last_use: bool
    searches_while_typing: bool
    keeps_hint: bool
    knows_values: bool
    sorts: frozenset[domain.Sort]
    filters: frozenset[str]


class ApiKeyBackend(Protocol):
    """A store bound to one caller: it sees what that identity may see and nothing else.

    That is its own keys, those of service IDs it manages, and for an administrator all keys of the account.
    Any other key raises ApiKeyNotFound, exactly like one that never was.
    Every method raises BackendUnavailable when the store can't be reached, BackendRefused for a refusal that has
    no error of its own here, and LogInAgain when the store no longer knows the identity.
    """

    traits: ClassVar[StoreTraits]
    identity: domain.Identity

    def __init__(self, caller: domain.Caller) -> None:
        """Bind the store to a caller. Raises LogInAgain where it needs an access that the caller has not."""

    @property
    def lists_whole_account(self) -> bool:
        """Whether the identity may list everybody's keys of the account."""

    def count_api_keys(self, iam_id: str = "") -> int:
        """Return how many keys the identity has, or a service ID it manages. Raises InvalidApiKey."""

    def list_api_keys(self, query: domain.ApiKeyQuery) -> domain.ApiKeyPage:
        """Return one page in the order asked for; what is created or deleted meanwhile shows no row twice.

        Raises NotAuthorized for the whole account, unless `lists_whole_account`; InvalidApiKey for an owner that is
        neither the identity nor a service ID it manages, and for a sort or a filter that is not among the traits;
        SearchTooSlow for a search or filters that no index serves in a long list.
        """

    def get_api_key(self, key_id: str) -> domain.ApiKey:
        """Return the key. Raises ApiKeyNotFound."""

    def get_details(self, key_id: str) -> tuple[domain.ApiKey, list[domain.HistoryEntry]]:
        """Return the key with its history and its last use, whatever a list tells of them. Raises ApiKeyNotFound."""

    def get_history(self, key_id: str) -> list[domain.HistoryEntry]:
        """Return the key's changes, oldest first, at least its creation. Raises ApiKeyNotFound."""

    def create_api_key(self, draft: domain.ApiKeyDraft) -> domain.IssuedApiKey:
        """Make a key and return it with its value, which is not kept.

        Raises ApiKeyLimitReached; InvalidApiKey for an owner that is not the caller's, or a value in use;
        CreationUnconfirmed where the store may have made the key, and its value is lost.
        """

    def update_api_key(self, key_id: str, changes: domain.ApiKeyChanges, *, entity_tag: str) -> domain.ApiKey:
        """Change the key and return its record.

        `entity_tag` may be a whole If-Match. Raises ApiKeyConflict when it does not name the key's present one,
        ApiKeyLocked, NotAuthorized for a person's key that is not the caller's, ApiKeyNotFound.
        """

    def set_locked(self, key_id: str, locked: bool) -> domain.ApiKey:
        """Lock the key against change and deletion, or unlock it; both may be repeated.

        Raises ApiKeyNotFound, and ApiKeyHeld where the store remembers that only an administrator can unlock it.
        """

    def set_disabled(self, key_id: str, disabled: bool) -> domain.ApiKey:
        """Stop the key from being used, or let it be used again; both may be repeated.

        Raises ApiKeyLocked, ApiKeyNotFound, and ApiKeyHeld where the store remembers that only an administrator can
        enable it, or unlock it first: so do all that raise ApiKeyLocked.
        """

    def delete_api_key(self, key_id: str) -> domain.ApiKey:
        """End the key for good, at once, and return its last record. Raises ApiKeyLocked, ApiKeyNotFound."""

    def delete_all_api_keys(self) -> list[domain.ApiKey]:
        """End all keys of the identity, locked ones too, and return their last records."""


def check_query(traits: StoreTraits, query: domain.ApiKeyQuery) -> None:
    """Raise InvalidApiKey where the store can't sort or filter as asked for."""
    if query.sort not in traits.sorts:
        raise InvalidApiKey("sort", _("The API keys can't be sorted by this."))
    for name in sorted(query.filters.given() - traits.filters):
        raise InvalidApiKey(name, _("The API keys can't be filtered by this."))
