"""What the database knows about a value or a token, asked by one statement each, at every check.

Here are facts; tokens.py says what they mean. Nothing is remembered between two questions: what was revoked, disabled,
changed or deleted before a question is asked is so in its answer.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection

from apikeys.backends.records import has_digest, to_used
from apikeys.domain import Identity, UsedKey
from apikeys.identity import users
from apikeys.models import ApiKeyRecord, Revocation, ServiceIdRecord, SigningKey
from apikeys.storage.statements import Columns, Row, Statement, table

USED = ("id", "name", "iam_id", "disabled", "expires_at", "pepper", "digest")
PERSON = ("id", "iam_id", "account", "first_name", "last_name", "username", "email", "is_superuser")
SERVICE = ("id", "iam_id", "account_id", "name")
MOST_IDS = 2  # of a token: its own, and that of the log-in it came from
HOLDERS = 1000  # that are put together once


@dataclass(frozen=True, slots=True)
class Holder:
    """An active person, or a service ID. `password` is a person's as it is stored, where it was asked for."""

    identity: Identity
    password: str = field(default="", repr=False)

    @property
    def password_stamp(self) -> str:
        """What `users.password_stamp` says of the person, "" for a service ID."""
        if not self.password:
            return ""
        return users.password_stamp(get_user_model()(iam_id=self.identity.iam_id, password=self.password))


@dataclass(frozen=True, slots=True)
class FoundValue:
    """The key of a value, whatever its state, how it is stored, and whom it belongs to, if that is anybody."""

    value: str = field(repr=False)
    record: Row
    key: UsedKey
    holder: Holder | None


@dataclass(frozen=True, slots=True)
class Source:
    """What a token was made from, as it is now; None for what is gone, and for a person who was deactivated.

    `is_signed_here`: the key that signed it is one of this server's. `is_revoked`: it is, or its whole log-in.
    """

    holder: Holder | None
    key: UsedKey | None
    is_signed_here: bool
    is_revoked: bool


def find_value(spellings: Sequence[str]) -> FoundValue | None:
    """Return what is known about the first of these that is the value of a key, None where none is."""
    stored = {pair: text for text in spellings for pair in settings.APIKEYS_PEPPERS.digests(text)}
    if not stored:
        return None
    statement, keys = _of_values(len(stored))
    found = {}
    for key, person, service in statement.rows([part for pair in stored for part in pair]):
        record = keys.row(key)
        found[record.digest, record.pepper] = record, person, service
    for pair, value in stored.items():
        if pair in found:
            record, person, service = found[pair]
            return FoundValue(value, record, to_used(record), _holder(person, service))
    return None


def find_source(iam_id: str, key_id: str = "", *, kid: str = "", ids: Sequence[uuid.UUID] = ()) -> Source:
    """Return what is known about an identity and its key `key_id`, and about a token that key `kid` signed.

    `ids` are the token's own and that of its log-in.
    """
    revoked = [_stored_id(ids[number]) if number < len(ids) else None for number in range(MOST_IDS)]
    statement, keys = _of_sources()
    [row] = statement.rows([kid, *revoked, iam_id, iam_id, key_id, iam_id])
    person, service, key, is_signed_here, is_revoked, password = row
    return Source(
        _holder(person, service, password or ""),
        to_used(keys.row(key)) if key else None,
        bool(is_signed_here),
        bool(is_revoked),
    )


def _holder(person: tuple[Any, ...] | None, service: tuple[Any, ...] | None, password: str = "") -> Holder | None:
    if person is not None:
        return Holder(_identity_of_person(person), password)
    return Holder(_identity_of_service(service)) if service else None


# A row that says the same stands for the same identity: what is remembered is no answer of the database.


@lru_cache(HOLDERS)
def _identity_of_person(row: tuple[Any, ...]) -> Identity:
    return users.identity_of(_persons().instance(row))


@lru_cache(HOLDERS)
def _identity_of_service(row: tuple[Any, ...]) -> Identity:
    service = _services().row(row)
    return Identity(service.iam_id, service.account_id, service.name, email="")


def _stored_id(token_id: uuid.UUID) -> Any:
    return Revocation._meta.pk.get_db_prep_value(token_id, connection)


@cache
def _persons() -> Columns:
    return Columns(get_user_model(), "person", PERSON)


@cache
def _services() -> Columns:
    return Columns(ServiceIdRecord, "service", SERVICE)


@cache
def _of_values(number: int) -> tuple[Statement, Columns]:
    """Return the statement that finds the keys of `number` digests, each under its pepper, and the columns of these."""
    keys, persons, services = Columns(ApiKeyRecord, "key", USED), _persons(), _services()
    statement = Statement(
        f"SELECT {keys}, {persons}, {services} FROM {table(ApiKeyRecord, 'key')} "  # noqa: S608
        f"LEFT JOIN {table(persons.model, 'person')} ON person.iam_id = key.iam_id AND person.is_active "
        f"LEFT JOIN {table(ServiceIdRecord, 'service')} ON service.iam_id = key.iam_id "
        f"WHERE {has_digest('key', number)}",
        keys,
        persons,
        services,
    )
    return statement, keys


@cache
def _of_sources() -> tuple[Statement, Columns]:
    """Return the statement about what a token was made from, and the columns of its key.

    It has one row whatever is there, since each of its parts may be gone by itself.
    """
    keys, persons, services = Columns(ApiKeyRecord, "key", USED), _persons(), _services()
    statement = Statement(
        f"SELECT {persons}, {services}, {keys}, "  # noqa: S608
        f"EXISTS (SELECT 1 FROM {table(SigningKey, 'signing')} WHERE signing.kid = %s), "
        f"EXISTS (SELECT 1 FROM {table(Revocation, 'revoked')} WHERE revoked.id IN (%s, %s)), "
        f'person."password" FROM (SELECT 1) one '
        f"LEFT JOIN {table(persons.model, 'person')} ON person.iam_id = %s AND person.is_active "
        f"LEFT JOIN {table(ServiceIdRecord, 'service')} ON service.iam_id = %s "
        f"LEFT JOIN {table(ApiKeyRecord, 'key')} ON key.id = %s AND key.iam_id = %s",
        persons,
        services,
        keys,
    )
    return statement, keys
