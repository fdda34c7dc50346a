"""The console's own store: keys in its database, each value as a keyed hash."""

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from apikeys import domain, exceptions, values
from apikeys.backends import deletion, holding, records, rotation, rules
from apikeys.backends.base import StoreTraits, check_query
from apikeys.backends.finding import Narrowed, Scope, narrowed
from apikeys.backends.keyset import Listed, Source, count_to, counted_page_of, page_of
from apikeys.backends.limits import search_limit
from apikeys.backends.orders import COLUMNS, Apart
from apikeys.backends.plain import Plain
from apikeys.backends.search import fold, shape
from apikeys.backends.service_ids import managed_by
from apikeys.backends.trigrams import searched
from apikeys.exceptions import gettext_noop as _
from apikeys.models import ApiKeyRecord, DeletedKeyRecord, ServiceIdRecord

MOST_COMPARED = 1000  # names of keys, when a new one is made


class EmbeddedBackend:
    """Keys of one identity in the database of the console; the contract is `ApiKeyBackend`'s."""

    traits: ClassVar = StoreTraits(
        is_upstream=False,
        lists_last_use=True,
        searches_while_typing=True,
        keeps_hint=True,
        knows_values=True,
        sorts=frozenset(domain.Sort),
        filters=domain.ALL_FILTERS,
    )

    def __init__(self, caller: domain.Caller) -> None:
        self.identity = caller.identity

    @property
    def lists_whole_account(self) -> bool:
        return self.identity.is_administrator

    def _own(self) -> "models.QuerySet[ApiKeyRecord]":
        return ApiKeyRecord.objects.filter(iam_id=self.identity.iam_id)

    def _of_owner(self, iam_id: str) -> "models.QuerySet[ApiKeyRecord]":
        """Return an owner's keys of the account.

        SQLite does not know that an owner has fewer keys than the account, and is left no choice of index.
        """
        keys = ApiKeyRecord.objects.alias(account_apart=Apart("account_id"))
        return keys.filter(iam_id=iam_id, account_apart=self.identity.account_id)

    def _visible(self) -> "models.QuerySet[ApiKeyRecord]":
        """Return own keys, those of managed service IDs, and for an administrator all of the account."""
        keys = ApiKeyRecord.objects.filter(account_id=self.identity.account_id)
        if self.identity.is_administrator:
            return keys
        return keys.filter(models.Q(iam_id=self.identity.iam_id) | models.Exists(self._managed()))

    def _managed(self) -> "models.QuerySet[ServiceIdRecord]":
        """Return the service ID that a row belongs to, where the identity manages it."""
        return managed_by(self.identity.iam_id).filter(iam_id=models.OuterRef("iam_id"))

    def _record(self, key_id: str, *, for_update: bool = False) -> ApiKeyRecord:
        rows = self._visible() if domain.API_KEY_ID.fullmatch(key_id) else ApiKeyRecord.objects.none()
        record = (rows.select_for_update() if for_update else rows).filter(id=key_id).first()
        if record is None:
            raise exceptions.ApiKeyNotFound
        return record

    def _scope(self, query: domain.ApiKeyQuery) -> Scope:
        """Return whose keys the query asks for. Raises NotAuthorized, InvalidApiKey."""
        account_id, iam_id = self.identity.account_id, query.iam_id or self.identity.iam_id
        if query.whole_account:
            if not self.lists_whole_account:
                raise exceptions.NotAuthorized
            iam_id = query.iam_id
            if not iam_id or not _is_of_account(iam_id, account_id):
                return Scope(account_id=account_id, iam_id=iam_id)
        else:
            self._check_owner(iam_id)
        return Scope(iam_id=iam_id)

    def _found(self, query: domain.ApiKeyQuery) -> Source[Any]:
        """Return the rows that the query asks for. Raises NotAuthorized, InvalidApiKey."""
        scope = self._scope(query)
        whose = scope.columns()
        if len(whose) == 1:
            [(column, value)] = whose.items()
            if not (query.search or query.conditions or query.kind or query.filters.given()):
                return Plain(column, value, COLUMNS[query.sort])
            if (found := searched(query, column, value)) is not None:
                return found
        rows = ApiKeyRecord.objects.filter(**whose) if len(whose) == 1 else self._of_owner(scope.iam_id)
        return narrowed(query, rows, scope, timezone.now())

    def _check_owner(self, iam_id: str) -> None:
        """Raise InvalidApiKey unless the caller may make and list keys of `iam_id`: itself, or its service ID."""
        if iam_id == self.identity.iam_id:
            return
        if not domain.IAM_ID.fullmatch(iam_id):
            raise _mismatch()
        managed = ServiceIdRecord.objects if self.identity.is_administrator else managed_by(self.identity.iam_id)
        if not managed.filter(iam_id=iam_id, account_id=self.identity.account_id).exists():
            raise _mismatch()

    def count_api_keys(self, iam_id: str = "") -> int:
        if iam_id in ("", self.identity.iam_id):
            return self._own().count()
        if not self.identity.is_administrator:
            self._check_owner(iam_id)
        return self._of_owner(iam_id).count()

    def list_api_keys(self, query: domain.ApiKeyQuery) -> domain.ApiKeyPage:
        check_query(self.traits, query)
        found = self._found(query)
        paged = counted_page_of if query.counted else page_of
        is_quick = isinstance(found, (Plain, Listed))
        by_index = isinstance(found, Narrowed) and found.is_text
        with nullcontext() if is_quick else search_limit(by_index=by_index):
            page = paged(found, descending=query.descending, size=query.page_size, cursor=query.cursor)
        return domain.ApiKeyPage(
            tuple(records.to_domain(row) for row in page.rows),
            next=page.next,
            previous=page.previous,
            last=domain.END if page.next else None,
            extent=page.extent,
        )

    def get_api_key(self, key_id: str) -> domain.ApiKey:
        return records.to_domain(self._record(key_id))

    def find_api_keys(self, key_ids: Collection[str]) -> list[domain.ApiKey]:
        """Return those of these keys that the identity sees, in this order."""
        asked = [key_id for key_id in dict.fromkeys(key_ids) if domain.API_KEY_ID.fullmatch(key_id)]
        found = self._visible().in_bulk(asked)
        return [records.to_domain(found[key_id]) for key_id in asked if key_id in found]

    def get_details(self, key_id: str) -> tuple[domain.ApiKey, list[domain.HistoryEntry]]:
        key = self.get_api_key(key_id)
        return key, records.history_of(key.id)

    def get_history(self, key_id: str) -> list[domain.HistoryEntry]:
        return records.history_of(self._record(key_id).id)

    @transaction.atomic
    def create_api_key(self, draft: domain.ApiKeyDraft) -> domain.IssuedApiKey:
        owner = draft.iam_id or self.identity.iam_id
        self._check_owner(owner)
        held = rules.effective()
        rules.check_creator(held, self.identity)
        self._make_room(owner, held.keys_per_identity)
        now = timezone.now()
        rules.check_expiration(held, draft.expires_at, held.latest_end(now))
        rules.check_networks(held, draft.networks)
        peppers = settings.APIKEYS_PEPPERS
        # A value that is easily guessed and one in use are refused alike, after the same time: whoever is told that a
        # value is in use has somebody else's key.
        is_taken = bool(draft.value) and records.is_known(draft.value)
        if is_taken or (draft.value and values.is_guessable(draft.value)):
            raise _unusable()
        value = draft.value or values.generate(settings.APIKEYS_PREFIX)
        try:
            with transaction.atomic():
                record = ApiKeyRecord.objects.create(
                    **{"action_when_leaked": settings.APIKEYS_ACTION_WHEN_LEAKED}
                    | draft.attributes()
                    | self._holds(draft, owner)
                    | {"iam_id": owner},
                    account_id=self.identity.account_id,
                    created_by=self.identity.iam_id,
                    created_at=now,
                    modified_at=now,
                    name_folded=fold(draft.name)[: domain.NAME_MAX_LENGTH],
                    description_folded=fold(draft.description),
                    pepper=peppers.newest,
                    digest=peppers.digest(value, peppers.newest),
                    hint=values.hint(value, settings.APIKEYS_PREFIX),
                )
        except IntegrityError:
            if not draft.value:
                raise
            raise _unusable() from None
        records.add_history(self.identity, record.id, "create", [draft.name], "API key created")
        return domain.IssuedApiKey(records.to_domain(record), value, look_alike=_look_alike(record))

    def check_room(self, owner: str = "") -> None:
        """Raise CreationNotAllowed, ApiKeyLimitReached where it could now make no key of the owner, itself."""
        held = rules.effective()
        rules.check_creator(held, self.identity)
        _check_number(owner or self.identity.iam_id, held.keys_per_identity)

    def _holds(self, draft: domain.ApiKeyDraft, owner: str) -> dict[str, str]:
        """Return who disables and locks a key that is made like this, and as whom."""
        states = [state for state in ("disabled", "locked") if getattr(draft, state)]
        hold = holding.hold_of(owner, self.identity) if states else ""
        return {
            column: text
            for state in states
            for column, text in ((f"{state}_by", self.identity.iam_id), (f"{state}_hold", hold))
        }

    def _make_room(self, owner: str, limit: int) -> None:
        """Raise ApiKeyLimitReached when the owner has as many keys as allowed, InvalidApiKey when it is gone."""
        is_service_id = owner.startswith(domain.SERVICE_ID_PREFIX)
        if not limit and not is_service_id:
            return
        # Creations for one owner wait for each other at this row lock, so that no two of them take the last room, and
        # no key of a service ID is made while that is deleted.
        owners = ServiceIdRecord if is_service_id else get_user_model()
        held = list(owners._default_manager.select_for_update().filter(iam_id=owner).values_list("pk"))
        if is_service_id and not held:
            raise _mismatch()
        _check_number(owner, limit)

    @transaction.atomic
    def update_api_key(self, key_id: str, changes: domain.ApiKeyChanges, *, entity_tag: str) -> domain.ApiKey:
        record = self._record_to_change(key_id)
        if not records.names_version(entity_tag, record.entity_tag):
            raise exceptions.ApiKeyConflict
        rules.check_changes(rules.effective(), record, changes)
        return self._revised(record, "update", records.apply_changes(record, changes))

    def _record_to_change(self, key_id: str) -> ApiKeyRecord:
        record = self._record(key_id, for_update=True)
        if record.iam_id != self.identity.iam_id and not record.iam_id.startswith(domain.SERVICE_ID_PREFIX):
            raise exceptions.NotAuthorized
        holding.check_unlocked(record, self.identity)
        return record

    @transaction.atomic
    def rotate_api_key(self, key_id: str, overlap: domain.Overlap) -> domain.IssuedApiKey:
        record = self._record_to_change(key_id)
        rules.check_rotation(rules.effective(), record)
        value = rotation.rotate(record, self.identity, overlap)
        return domain.IssuedApiKey(records.to_domain(record), value)

    @transaction.atomic
    def end_previous_value(self, key_id: str) -> domain.ApiKey:
        record = self._record_to_change(key_id)
        rotation.end(record, self.identity)
        return records.to_domain(record)

    @transaction.atomic
    def extend_previous_value(self, key_id: str, overlap: domain.Overlap) -> domain.ApiKey:
        record = self._record_to_change(key_id)
        rotation.extend(record, self.identity, overlap)
        return records.to_domain(record)

    @transaction.atomic
    def set_locked(self, key_id: str, locked: bool) -> domain.ApiKey:
        record = self._record(key_id, for_update=True)
        hold = holding.hold_of(record.iam_id, self.identity)
        if holding.lock(record, self.identity, hold) if locked else holding.unlock(record, self.identity):
            return self._revised(record, "lock" if locked else "unlock")
        return records.to_domain(record)

    @transaction.atomic
    def set_disabled(self, key_id: str, disabled: bool) -> domain.ApiKey:
        record = self._record(key_id, for_update=True)
        holding.check_unlocked(record, self.identity)
        hold = holding.hold_of(record.iam_id, self.identity)
        if not (holding.disable(record, self.identity, hold) if disabled else holding.enable(record, self.identity)):
            return records.to_domain(record)
        if not disabled:
            rules.check_key(rules.effective(), record)
        return self._revised(record, "disable" if disabled else "enable")

    def _revised(self, record: ApiKeyRecord, action: str, params: Sequence[str] = ()) -> domain.ApiKey:
        records.save_revision(record, self.identity, action, f"API key: {action}", params)
        return records.to_domain(record)

    @transaction.atomic
    def delete_api_key(self, key_id: str) -> domain.ApiKey:
        record = self._record(key_id, for_update=True)
        holding.check_unlocked(record, self.identity)
        return deletion.delete(record, self.identity)

    @transaction.atomic
    def delete_all_api_keys(self) -> list[domain.ApiKey]:
        return [deletion.remove(record) for record in self._own()]

    def _deleted(self) -> "models.QuerySet[DeletedKeyRecord]":
        """Return what the identity deleted, and its own keys that somebody else did, as long as they are remembered."""
        own = models.Q(iam_id=self.identity.iam_id)
        rows = DeletedKeyRecord.objects.filter(
            models.Q(deleted_by=self.identity.iam_id) | own,
            account_id=self.identity.account_id,
            gone_at__gt=timezone.now(),
        )
        # Who deleted it may have lost the right to see it since.
        return rows if self.identity.is_administrator else rows.filter(own | models.Exists(self._managed()))

    def list_deleted_api_keys(self) -> list[domain.DeletedKey]:
        """Return the latest keys that the identity deleted, and its own that somebody else did."""
        latest = self._deleted().order_by("-deleted_at", "id")[: domain.MOST_DELETED]
        return [deletion.to_deleted(record) for record in latest]

    def get_deleted_api_key(self, key_id: str) -> domain.DeletedKey:
        """Return one of them; for an administrator any of the account. Raises ApiKeyNotFound."""
        rows = self._deleted()
        if self.identity.is_administrator:
            rows = DeletedKeyRecord.objects.filter(account_id=self.identity.account_id, gone_at__gt=timezone.now())
        record = rows.filter(id=key_id).first() if domain.API_KEY_ID.fullmatch(key_id) else None
        if record is None:
            raise exceptions.ApiKeyNotFound
        return deletion.to_deleted(record)

    @transaction.atomic
    def restore_api_key(self, key_id: str) -> domain.RestoredKey:
        """Bring back a key that the identity deleted. Raises ApiKeyNotFound, NotRestorable, ApiKeyLimitReached, and
        CreationNotAllowed and RuleBroken as for a new key.
        """
        own = self._deleted().filter(deleted_by=self.identity.iam_id)
        record = own.select_for_update().filter(id=key_id).first() if domain.API_KEY_ID.fullmatch(key_id) else None
        if record is None:
            return domain.RestoredKey(self.get_api_key(key_id), is_new=False)
        if record.leaked:
            raise exceptions.NotRestorable
        held = rules.effective()
        rules.check_creator(held, self.identity)
        self._make_room(record.iam_id, held.keys_per_identity)
        rules.check_key(held, record)
        restored = deletion.restore(record, self.identity)
        return domain.RestoredKey(records.to_domain(restored), look_alike=_look_alike(restored))

    @transaction.atomic
    def set_paused(self, key_id: str, until: datetime | None) -> domain.ApiKey:
        """Refuse a key until a moment, or no longer where that is None. Raises ApiKeyLocked, ApiKeyNotFound."""
        record = self._record(key_id, for_update=True)
        holding.check_unlocked(record, self.identity)
        if until is None and record.paused_until is None:
            return records.to_domain(record)
        record.paused_until = until
        return self._revised(record, "pause" if until else "resume")


def _is_of_account(iam_id: str, account_id: str) -> bool:
    """Tell whether an identity is known to belong to an account: then all of its keys do."""
    known = ServiceIdRecord if iam_id.startswith(domain.SERVICE_ID_PREFIX) else get_user_model()
    return bool(known._default_manager.filter(iam_id=iam_id, account_id=account_id).exists())


def _check_number(owner: str, limit: int) -> None:
    if limit and count_to(ApiKeyRecord.objects.filter(iam_id=owner), limit - 1) >= limit:
        raise exceptions.ApiKeyLimitReached(limit=limit)


def _mismatch() -> exceptions.InvalidApiKey:
    return exceptions.InvalidApiKey("iam_id", _("The specified IAM ID does not match the IAM ID in the token."))


def _look_alike(record: ApiKeyRecord) -> str:
    """Return the name of another key of the same owner, among the newest, that looks the same; "" for none."""
    others = ApiKeyRecord.objects.filter(iam_id=record.iam_id).exclude(id=record.id).order_by("-created_at")
    wanted = shape(record.name_folded)
    # Folded when they were made: to fold a thousand names here would hold all who write up.
    names = others.values_list("name", "name_folded")[:MOST_COMPARED]
    return next((name for name, folded in names if shape(folded) == wanted), "")


def _unusable() -> exceptions.InvalidApiKey:
    return exceptions.InvalidApiKey(
        "apikey", _("This value can't be used. Send 32 or more random characters, or let the server generate a value.")
    )
