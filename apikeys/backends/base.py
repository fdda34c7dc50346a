"""The contract of every key store, in words. tests/contract.py holds each implementation to it."""

from typing import Protocol

from apikeys.domain import ApiKey, ApiKeyPage, ApiKeyQuery, Identity, IssuedApiKey


class ApiKeyBackend(Protocol):
    """A store bound to one identity: it sees that identity's keys and nothing else.

    No method takes an owner. A key of somebody else raises ApiKeyNotFound, exactly like one that never was.
    Every method raises BackendUnavailable when the store can't be reached.
    """

    identity: Identity

    # Can a key be locked against change and deletion?
    supports_lock: bool

    # Do creation and the hand-over of the value happen in one database transaction?
    shares_transaction: bool

    def count_api_keys(self) -> int:
        """Return how many keys there are."""

    def list_api_keys(self, query: ApiKeyQuery) -> ApiKeyPage:
        """Return one page in the order asked for; keys created or deleted meanwhile shift no row twice."""

    def get_api_key(self, key_id: str) -> ApiKey:
        """Return the key. Raises ApiKeyNotFound."""

    def create_api_key(self, name: str, description: str) -> IssuedApiKey:
        """Make a key and return it with its value, which is not kept. Raises ApiKeyLimitReached."""

    def update_api_key(self, key_id: str, *, name: str, description: str, entity_tag: str) -> ApiKey:
        """Change name and description and return the new record.

        Raises ApiKeyConflict when `entity_tag` is not the key's present one, ApiKeyLocked, ApiKeyNotFound.
        """

    def delete_api_key(self, key_id: str) -> ApiKey:
        """End the key for good, at once, and return its last record. Raises ApiKeyLocked, ApiKeyNotFound."""

    def delete_all_api_keys(self) -> list[ApiKey]:
        """End all keys of the identity, locked ones too, and return their last records."""
