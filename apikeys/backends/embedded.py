"""The console's own store: keys in its database, each value as a keyed hash."""

import unicodedata
from datetime import UTC, datetime

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models, transaction
from django.utils import timezone

from apikeys import values
from apikeys.domain import NAME_MAX_LENGTH, ApiKey, ApiKeyPage, ApiKeyQuery, Cursor, Identity, IssuedApiKey, Sort
from apikeys.exceptions import ApiKeyConflict, ApiKeyLimitReached, ApiKeyLocked, ApiKeyNotFound
from apikeys.models import ApiKeyRecord, new_entity_tag

COLUMNS = {Sort.NAME: "name_folded", Sort.CREATED: "created_at"}


class EmbeddedBackend:
    """Keys of one identity in the database of the console; the contract is `ApiKeyBackend`'s."""

    supports_lock = True
    shares_transaction = True

    def __init__(self, identity: Identity) -> None:
        self.identity = identity

    def _records(self) -> "models.QuerySet[ApiKeyRecord]":
        return ApiKeyRecord.objects.filter(iam_id=self.identity.iam_id, account_id=self.identity.account_id)

    def _record_for_update(self, key_id: str) -> ApiKeyRecord:
        """Return the unlocked record, held against others until the transaction ends."""
        record = self._records().select_for_update().filter(id=key_id).first()
        if record is None:
            raise ApiKeyNotFound
        if record.locked:
            raise ApiKeyLocked
        return record

    def count_api_keys(self) -> int:
        return self._records().count()

    def list_api_keys(self, query: ApiKeyQuery) -> ApiKeyPage:
        records = self._records()
        if query.search:
            records = records.filter(text_folded__contains=fold(query.search))
        backward = query.cursor is not None and query.cursor.backward
        column = COLUMNS[query.sort]
        descending = query.descending != backward
        if query.cursor is not None:
            records = records.filter(_beyond(column, query.cursor, query.sort, descending))
        sign = "-" if descending else ""
        found = list(records.order_by(f"{sign}{column}", f"{sign}id")[: query.page_size + 1])
        more = len(found) > query.page_size
        rows = found[: query.page_size]
        if backward:
            rows.reverse()
        if not rows:
            return ApiKeyPage(())
        has_previous = more if backward else query.cursor is not None
        has_next = True if backward else more
        return ApiKeyPage(
            keys=tuple(_to_domain(row) for row in rows),
            next=_cursor(rows[-1], query.sort) if has_next else None,
            previous=_cursor(rows[0], query.sort, backward=True) if has_previous else None,
        )

    def get_api_key(self, key_id: str) -> ApiKey:
        record = self._records().filter(id=key_id).first()
        if record is None:
            raise ApiKeyNotFound
        return _to_domain(record)

    @transaction.atomic
    def create_api_key(self, name: str, description: str) -> IssuedApiKey:
        limit = settings.APIKEYS_PER_IDENTITY
        if limit:
            # Creations of one owner queue here, so that no two of them count the same room.
            owner = get_user_model().objects.select_for_update().filter(iam_id=self.identity.iam_id)
            list(owner.values_list("pk"))
            if self.count_api_keys() >= limit:
                raise ApiKeyLimitReached(limit=limit)
        peppers = settings.APIKEYS_PEPPERS
        value = values.generate(settings.APIKEYS_PREFIX)
        now = timezone.now()
        record = ApiKeyRecord.objects.create(
            iam_id=self.identity.iam_id,
            account_id=self.identity.account_id,
            created_by=self.identity.iam_id,
            created_at=now,
            modified_at=now,
            name=name,
            description=description,
            name_folded=fold(name)[:NAME_MAX_LENGTH],
            text_folded=fold(f"{name}\n{description}"),
            pepper=peppers.newest,
            digest=peppers.digest(value, peppers.newest),
            hint=values.hint(value, settings.APIKEYS_PREFIX),
        )
        return IssuedApiKey(_to_domain(record), value)

    @transaction.atomic
    def update_api_key(self, key_id: str, *, name: str, description: str, entity_tag: str) -> ApiKey:
        record = self._record_for_update(key_id)
        if record.entity_tag != entity_tag:
            raise ApiKeyConflict
        record.name, record.description = name, description
        record.name_folded, record.text_folded = fold(name)[:NAME_MAX_LENGTH], fold(f"{name}\n{description}")
        record.revision += 1
        record.entity_tag = new_entity_tag(record.revision)
        record.modified_at = timezone.now()
        record.save()
        return _to_domain(record)

    @transaction.atomic
    def delete_api_key(self, key_id: str) -> ApiKey:
        record = self._record_for_update(key_id)
        key = _to_domain(record)
        record.delete()
        return key

    @transaction.atomic
    def delete_all_api_keys(self) -> list[ApiKey]:
        records = self._records()
        keys = [_to_domain(record) for record in records]
        records.delete()
        return keys


def fold(text: str) -> str:
    """Return `text` as it is compared: compatibility forms joined, case ignored, in every script."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _beyond(column: str, cursor: Cursor, sort: Sort, descending: bool) -> models.Q:
    """Return the rows after the cursor's row, in the direction of travel."""
    position: str | datetime = cursor.position
    if sort is Sort.CREATED:
        try:
            position = datetime.fromisoformat(cursor.position).astimezone(UTC)
        except (ValueError, OverflowError):
            return models.Q()  # a cursor that was never handed out: the list from its beginning
    step = "lt" if descending else "gt"
    # The first condition is implied by the rest; databases seek the index by it.
    return models.Q(**{f"{column}__{step}e": position}) & (
        models.Q(**{f"{column}__{step}": position}) | models.Q(**{f"id__{step}": cursor.key_id})
    )


def _cursor(record: ApiKeyRecord, sort: Sort, *, backward: bool = False) -> Cursor:
    position = record.name_folded if sort is Sort.NAME else record.created_at.isoformat()
    return Cursor(position, record.id, backward)


def _to_domain(record: ApiKeyRecord) -> ApiKey:
    return ApiKey(
        id=record.id,
        entity_tag=record.entity_tag,
        name=record.name,
        description=record.description,
        iam_id=record.iam_id,
        account_id=record.account_id,
        created_at=record.created_at,
        created_by=record.created_by,
        modified_at=record.modified_at,
        hint=record.hint,
        locked=record.locked,
        disabled=record.disabled,
        last_used_at=record.last_used_at,
    )
