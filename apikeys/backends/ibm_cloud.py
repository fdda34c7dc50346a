"""Keys that an upstream IAM keeps, IBM Cloud's or another console's; each method is a call or two to it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from django.conf import settings

from apikeys import domain, exceptions
from apikeys.backends.base import StoreTraits, check_query
from apikeys.backends.search import is_found
from apikeys.iam import payloads
from apikeys.iam.client import IAMClient, IAMError, page_token
from apikeys.upstream import slots
from apikeys.upstream.errors import mark_may_have_happened, reject_malformed, translate_errors

ENTITY_TAG = re.compile(r"[!-~]{1,200}")
CONFLICTS = (409, 412)  # the key is locked, or changed since it was read

T = TypeVar("T")


class IBMCloudBackend:
    """Keys of one identity at IAM_URL; the contract is `ApiKeyBackend`'s."""

    traits: ClassVar = StoreTraits(
        is_upstream=True,
        lists_last_use=False,
        searches_while_typing=False,
        keeps_hint=False,
        knows_values=False,
        sorts=frozenset(payloads.SORT_WORDS),
        filters=domain.ALL_FILTERS - {"unused_for_days", "never_used"},
    )

    def __init__(self, caller: domain.Caller) -> None:
        if caller.access is None:
            raise exceptions.LogInAgain(host=settings.IAM_HOST)
        self.identity, self.access = caller.identity, caller.access

    @property
    def lists_whole_account(self) -> bool:
        return self.access.sees_all

    def count_api_keys(self, iam_id: str = "") -> int:
        owner = iam_id or self.identity.iam_id
        try:
            return self._limits(owner)[1]
        except (
            exceptions.NotAuthorized,
            exceptions.ApiKeyNotFound,
            exceptions.BackendRefused,
        ):  # not everybody who may list keys may see limits
            return sum(1 for _key in self._all_keys(domain.ApiKeyQuery(iam_id=owner)))

    def list_api_keys(self, query: domain.ApiKeyQuery) -> domain.ApiKeyPage:
        check_query(self.traits, query)
        if query.search or query.conditions or query.filters.given():
            return self._search(query)
        cursor = query.cursor
        parameters = self._parameters(query)
        parameters |= {"pagesize": str(query.page_size), "pagetoken": cursor.position if cursor else ""}
        try:
            with reject_malformed():
                answer = self._ask(lambda client: client.api_key_page(**parameters))
                keys = tuple(payloads.parse_api_key(fields) for fields in answer["apikeys"])
        except exceptions.BackendRefused as exc:
            if exc.status != 400 or cursor is None:
                raise
            return self.list_api_keys(replace(query, cursor=None))  # a page token that the service no longer knows
        following, before = page_token(answer, "next"), page_token(answer, "previous")
        # Where IAM names no previous page, back leads to the first.
        first = domain.Cursor("", "", backward=True) if cursor and cursor.position and not cursor.backward else None
        is_first = cursor is None or not cursor.position
        return domain.ApiKeyPage(
            keys,
            next=domain.Cursor(following, "") if following else None,
            previous=domain.Cursor(before, "", backward=True) if before else first,
            # IAM's answers have no count, and reading every page would take a request for each.
            extent=domain.Extent(0, None if following else len(keys))
            if query.counted and is_first
            else domain.Extent(),
        )

    def _search(self, query: domain.ApiKeyQuery) -> domain.ApiKeyPage:
        """Search and filter all keys here, and return one page: IBM's own filter looks at names only."""
        found = [key for key in self._all_keys(query) if is_found(key, query)]
        start = _start(found, query)
        rows = found[start : start + query.page_size]
        end = start + len(rows)
        return domain.ApiKeyPage(
            tuple(rows),
            next=domain.Cursor(str(end - 1), rows[-1].id) if rows and end < len(found) else None,
            previous=domain.Cursor(str(start), rows[0].id, backward=True) if rows and start else None,
            last=domain.END if rows and end < len(found) else None,
            extent=domain.Extent(start if start <= domain.COUNTED else None, min(len(found), domain.COUNTED + 1))
            if query.counted
            else domain.Extent(),
        )

    def _all_keys(self, query: domain.ApiKeyQuery) -> Iterator[domain.ApiKey]:
        parameters = self._parameters(query)
        with reject_malformed():
            yield from map(payloads.parse_api_key, self._ask(lambda client: list(client.list_api_keys(**parameters))))

    def _parameters(self, query: domain.ApiKeyQuery) -> dict[str, str]:
        parameters = {
            "account_id": self.identity.account_id,
            "sort": payloads.SORT_WORDS[query.sort],
            "order": "desc" if query.descending else "asc",
        }
        if query.whole_account:
            return parameters | {"scope": "account", "type": query.kind, "iam_id": query.iam_id}
        return parameters | {"iam_id": query.iam_id or self.identity.iam_id}

    def get_api_key(self, key_id: str) -> domain.ApiKey:
        return self._look_up(key_id)[0]

    def get_details(self, key_id: str) -> tuple[domain.ApiKey, list[domain.HistoryEntry]]:
        key, fields = self._look_up(key_id, history=True)
        with reject_malformed():
            return key, payloads.parse_history(fields)

    def get_history(self, key_id: str) -> list[domain.HistoryEntry]:
        return self.get_details(key_id)[1]

    def _look_up(self, key_id: str, *, history: bool = False) -> tuple[domain.ApiKey, dict[str, Any]]:
        key_id = _checked(key_id)
        with reject_malformed():
            fields = self._ask(lambda client: client.get_api_key(key_id, history=history))
            return payloads.parse_api_key(fields), fields

    def create_api_key(self, draft: domain.ApiKeyDraft) -> domain.IssuedApiKey:
        owned = replace(draft, iam_id=draft.iam_id or self.identity.iam_id)
        body = payloads.create_body(owned, self.identity.account_id)
        unconfirmed = exceptions.CreationUnconfirmed(host=settings.IAM_HOST, name=draft.name)

        def create(client: IAMClient) -> dict[str, Any]:
            try:
                return client.create_api_key(body, locked=draft.locked, disabled=draft.disabled)
            except IAMError as exc:
                if exc.may_have_happened:
                    raise unconfirmed from None
                raise

        try:
            fields = self._ask(create)
            value = fields.get("apikey")
            if not isinstance(value, str) or not value:
                raise ValueError("apikey")
            return domain.IssuedApiKey(payloads.parse_api_key(fields), value)
        except ValueError:  # the key was created, but its value can't be read
            raise unconfirmed from None
        except exceptions.BackendRefused as exc:
            if exc.reason != exceptions.ApiKeyLimitReached.code:
                raise
            raise self._limit_reached(exc) from None

    def _limit_reached(self, refusal: exceptions.BackendRefused) -> exceptions.ApiKeyError:
        """Return the error with the limit, or the refusal itself where IAM does not tell the limit."""
        try:
            return exceptions.ApiKeyLimitReached(limit=self._limits(self.identity.iam_id)[0])
        except (exceptions.NotAuthorized, exceptions.ApiKeyNotFound, exceptions.StoreError):
            return refusal

    def _limits(self, iam_id: str) -> tuple[int, int]:
        """Return how many keys an identity may have, and how many it has."""
        return self._ask(lambda client: client.key_limits(self.identity.account_id, iam_id))

    def update_api_key(self, key_id: str, changes: domain.ApiKeyChanges, *, entity_tag: str) -> domain.ApiKey:
        key_id = _checked(key_id)
        if not ENTITY_TAG.fullmatch(entity_tag):  # no header can carry it, and no key has it
            raise self._conflict(key_id)
        body = payloads.update_body(changes)
        try:
            changed = self._ask(lambda client: client.update_api_key(key_id, entity_tag, body))
            with mark_may_have_happened(), reject_malformed():
                return payloads.parse_api_key(changed)
        except exceptions.BackendRefused as exc:
            if exc.status not in CONFLICTS:
                raise
            raise self._conflict(key_id) from None

    def _conflict(self, key_id: str) -> exceptions.ApiKeyConflict | exceptions.ApiKeyLocked:
        """Return why a change of a key was refused. Raises ApiKeyNotFound where it is gone."""
        return exceptions.ApiKeyLocked() if self.get_api_key(key_id).locked else exceptions.ApiKeyConflict()

    def set_locked(self, key_id: str, locked: bool) -> domain.ApiKey:
        key_id = _checked(key_id)
        self._ask(lambda client: client.set_locked(key_id, locked))
        with mark_may_have_happened():
            return self.get_api_key(key_id)

    def set_disabled(self, key_id: str, disabled: bool) -> domain.ApiKey:
        key_id = _checked(key_id)
        with self._tell_locked(key_id):
            self._ask(lambda client: client.set_disabled(key_id, disabled))
        with mark_may_have_happened():
            return self.get_api_key(key_id)

    def delete_api_key(self, key_id: str) -> domain.ApiKey:
        key = self.get_api_key(key_id)
        with self._tell_locked(key_id):
            self._ask(lambda client: client.delete_api_key(key.id))
        return key

    def delete_all_api_keys(self) -> list[domain.ApiKey]:
        keys = list(self._all_keys(domain.ApiKeyQuery()))
        for key in keys:
            if key.locked:
                self.set_locked(key.id, False)
            self._ask(lambda client, key_id=key.id: client.delete_api_key(key_id))  # type: ignore[misc]
        return keys

    @contextmanager
    def _tell_locked(self, key_id: str) -> Iterator[None]:
        """Turn a refused change into ApiKeyLocked where the key is locked."""
        try:
            yield
        except exceptions.BackendRefused as exc:
            if exc.status in CONFLICTS and self.get_api_key(key_id).locked:
                raise exceptions.ApiKeyLocked from None
            raise

    def _ask(self, call: Callable[[IAMClient], T]) -> T:
        """Return what a call answers, with a token that is still good. Raises ApiKeyError."""
        with slots.hold(self.identity.iam_id), translate_errors():
            client = IAMClient(settings.IAM_URL, self.access.token(), deadline=self.access.deadline)
            try:
                return call(client)
            except IAMError as exc:
                if exc.status != 401:
                    raise
            client.access_token = self.access.renew(client.access_token)
            return call(client)


def _start(found: list[domain.ApiKey], query: domain.ApiKeyQuery) -> int:
    """Return where the page begins in what was found."""
    cursor = query.cursor
    if cursor is None:
        return 0
    if cursor == domain.END:
        return max(0, len(found) - 1) // query.page_size * query.page_size
    at = next((n for n, key in enumerate(found) if key.id == cursor.key_id), None)
    # Where the cursor's key is gone, its old position in the list is the next best.
    old = int(cursor.position) if cursor.position.isascii() and cursor.position.isdigit() else 0
    if cursor.backward:
        return max(0, (old if at is None else at) - query.page_size)
    return old if at is None else at + 1


def _checked(key_id: str) -> str:
    """Return an id that can be part of an address. Raises ApiKeyNotFound."""
    if not domain.API_KEY_ID.fullmatch(key_id):
        raise exceptions.ApiKeyNotFound
    return key_id
