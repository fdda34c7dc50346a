"""What the database knows about a value or a token, asked by one statement each, at every check.

A value that is not a key's present one, or is refused, takes a second statement, about values that were replaced and
keys that were deleted: every refusal takes the same two, so that its time tells nothing.

Here are facts; tokens.py says what they mean. Nothing is remembered between two questions: what was revoked, disabled,
changed or deleted before a question is asked is so in its answer.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection

from apikeys import networks
from apikeys.backends.records import has_digest, to_previous, to_used
from apikeys.backends.rules import networks_over
from apikeys.domain import Identity, PreviousValue, Reason, UsedKey
from apikeys.identity import users
from apikeys.models import ApiKeyRecord, DeletedKeyRecord, Revocation, RulesRecord, ServiceIdRecord, SigningKey
from apikeys.models import PreviousValue as PreviousValueRecord
from apikeys.storage.statements import Columns, Row, Statement, table

USED = (*(field.name for field in fields(UsedKey)), "pepper", "digest")
PERSON = ("id", "iam_id", "account", "first_name", "last_name", "username", "email", "is_superuser", "may_create_keys")
SERVICE = ("id", "iam_id", "account_id", "name")
MOST_IDS = 2  # of a token: its own, and that of the log-in it came from
REMEMBERED = 1000  # of what follows from a row or an id alone
Part = tuple[Any, ...] | None  # of a row: the columns of one table, None where it joined nothing


@dataclass(frozen=True, slots=True)
class Holder:
    """An active person, or a service ID that is not disabled and that an active person manages.

    `password` is a person's as it is stored, with the mark that ends their sessions, where it was asked for.
    """

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
    """The key of a value, whatever its state, how it is stored, and whom it belongs to, if that is anybody.

    `previous` is what a rotation left of the value where the key has another one now, and `stored` that record or the
    key's: it has the value's digest.
    """

    value: str = field(repr=False)
    record: Row
    key: UsedKey
    holder: Holder | None
    stored: Row
    previous: PreviousValue | None = None
    is_deleted: bool = False
    limits: str = ""  # the networks that keys may be used from at most

    @property
    def value_number(self) -> int:
        return self.previous.number if self.previous else self.key.value_number

    @property
    def ends_at(self) -> datetime | None:
        """When the value can be used no more, as far as that is known."""
        previous = self.previous.ends_at if self.previous else None
        return min(filter(None, (self.key.expires_at, previous)), default=None)

    @property
    def refusal(self) -> Reason | None:
        """Why the value can't be used now, None where it can."""
        if self.key.is_decoy:  # whichever of its values it is, and whoever has deleted it
            return Reason.DECOY
        if self.is_deleted:
            return Reason.DELETED
        if self.previous is not None and not self.previous.works:
            return Reason.REPLACED
        return self.key.refusal or (Reason.OWNER_INACTIVE if self.holder is None else None)

    def refusal_at(self, address: str | None) -> Reason | None:
        """Return why the value can't be used now from an address, None where it can; a None for any address."""
        return self.refusal or refusal_of_address(self.key, self.limits, address)


@dataclass(frozen=True, slots=True)
class Source:
    """What a token was made from, as it is now; None for what is gone, and for a holder who may do nothing now.

    `is_signed_here`: the key that signed it is one of this server's. `is_revoked`: it is, or its whole log-in.
    `limits` are the networks that keys may be used from at most.
    """

    holder: Holder | None
    key: UsedKey | None
    is_signed_here: bool
    is_revoked: bool
    limits: str = ""


def refusal_of_address(key: UsedKey, limits: str, address: str | None) -> Reason | None:
    """Return a reason where a key may not be used from an address; None for any address refuses nothing."""
    if address is None or not (key.networks or limits):
        return None
    return None if networks.admits(key.networks, address) and networks.admits(limits, address) else Reason.NETWORK


def find_value(spellings: Sequence[str], address: str | None = None) -> FoundValue | None:
    """Return what is known about the first of these that is or was the value of a key, None where none is.

    It is as much work to find a value that can be used from the address as `refusal_at` tells, and more for any other.
    """
    stored = _stored(spellings)
    if not stored:
        return None
    rows = _of_values(len(stored)).rows(_parameters(stored))
    return _looked_further(stored, _value_of(stored, rows, _found(False)), address)


def find_source(iam_id: str, key_id: str = "", *, kid: str = "", ids: Sequence[uuid.UUID] = ()) -> Source:
    """Return what is known about an identity and its key `key_id`, and about a token that key `kid` signed.

    `ids` are the token's own and that of its log-in.
    """
    return find_both((), iam_id, key_id, kid=kid, ids=ids)[0]


def find_both(
    spellings: Sequence[str],
    iam_id: str,
    key_id: str = "",
    *,
    kid: str = "",
    ids: Sequence[uuid.UUID] = (),
    whole: bool = False,
    address: str | None = None,
) -> tuple[Source, FoundValue | None]:
    """Return what `find_source` and `find_value` return, at the price of one of them; the address is the value's.

    The record of the value has all columns of its table where it is wanted `whole`.
    """
    stored = _stored(spellings)
    revoked = [*map(_stored_id, ids), *[None] * (MOST_IDS - len(ids))]
    parameters = [kid, *revoked, iam_id, iam_id, key_id, iam_id, *_parameters(stored)]
    rows = _of_sources(len(stored), whole).rows(parameters)
    person, service, key, *found, manager, is_signed_here, is_revoked, limits, password = rows[0]
    source = Source(
        _holder(person, service, manager, password or ""),
        to_used(_keys().row(key)) if key else None,
        bool(is_signed_here),
        bool(is_revoked),
        networks_over(limits),
    )
    if not stored:
        return source, None
    values = [[*row[3:7], limits] for row in rows if row[3] is not None] if found else []
    return source, _looked_further(stored, _value_of(stored, values, _found(whole)), address)


def previous_value(key_id: str, number: int) -> PreviousValue | None:
    """Return what is known about an earlier value of a key, None where that is forgotten, or never was."""
    record = PreviousValueRecord.objects.filter(key_id=key_id, number=number).first()
    return to_previous(record) if record else None


def _looked_further(
    stored: dict[tuple[str, int], str], found: FoundValue | None, address: str | None
) -> FoundValue | None:
    """Return what is known about a value that is a key's, or was: the second question, for all that may be refused."""
    if found is not None and found.refusal_at(address) is None:
        return found
    rows = _of_past_values(len(stored)).rows(_parameters(stored) * 2)
    return found or _past_value_of(stored, rows)


def _past_value_of(stored: dict[tuple[str, int], str], rows: Sequence[Sequence[Any]]) -> FoundValue | None:
    whole = _found(True)
    for previous_part, key_part, person, service, deleted_part, manager, limits in rows:
        previous = _previous().row(previous_part) if previous_part else None
        told = to_previous(previous) if previous else None
        if deleted_part is not None:
            deleted = _deleted().row(deleted_part)
            at = previous or deleted
            value = stored[at.digest, at.pepper]
            return FoundValue(value, deleted, to_used(deleted), None, at, told, is_deleted=True)
        if previous is not None and key_part is not None:
            record, value = whole.row(key_part), stored[previous.digest, previous.pepper]
            holder = _holder(person, service, manager)
            return FoundValue(value, record, to_used(record), holder, previous, told, limits=networks_over(limits))
    return None


def _stored(spellings: Sequence[str]) -> dict[tuple[str, int], str]:
    """Return the spellings of a value, by what a key of theirs has in the columns digest and pepper."""
    return {pair: text for text in spellings for pair in settings.APIKEYS_PEPPERS.digests(text)}


def _parameters(stored: dict[tuple[str, int], str]) -> list[Any]:
    return [part for pair in stored for part in pair]


def _value_of(stored: dict[tuple[str, int], str], rows: Sequence[Sequence[Any]], keys: Columns) -> FoundValue | None:
    found = {}
    for key, *holder, limits in rows:
        record = keys.row(key)
        found[record.digest, record.pepper] = record, holder, limits
    for pair, value in stored.items():
        if pair in found:
            record, holder, limits = found[pair]
            return FoundValue(value, record, to_used(record), _holder(*holder), record, limits=networks_over(limits))
    return None


def _holder(person: Part, service: Part, manager: Any, password: str = "") -> Holder | None:
    """Return who holds a key or a token; `manager` is what `_manager_of` selects."""
    if person is not None:
        return Holder(_identity_of_person(person), password)
    return None if service is None or manager is None else Holder(_identity_of_service(service, bool(manager)))


# A row that says the same stands for the same identity: what is remembered is no answer of the database.


@lru_cache(REMEMBERED)
def _identity_of_person(row: tuple[Any, ...]) -> Identity:
    return users.identity_of(_persons().instance(row))


@lru_cache(REMEMBERED)
def _identity_of_service(row: tuple[Any, ...], may_create_keys: bool) -> Identity:
    service = _services().row(row)
    return Identity(service.iam_id, service.account_id, service.name, email="", may_create_keys=may_create_keys)


@lru_cache(REMEMBERED)
def _stored_id(token_id: uuid.UUID) -> Any:
    return Revocation._meta.pk.get_db_prep_value(token_id, connection)


@cache
def _keys() -> Columns:
    return Columns(ApiKeyRecord, "key", USED)


@cache
def _found(whole: bool) -> Columns:
    """Return the columns of a key that is found by its value."""
    return Columns(
        ApiKeyRecord, "found", {field.name for field in ApiKeyRecord._meta.concrete_fields} if whole else USED
    )


@cache
def _previous() -> Columns:
    return Columns(PreviousValueRecord, "previous", {field.name for field in PreviousValueRecord._meta.concrete_fields})


@cache
def _deleted() -> Columns:
    return Columns(DeletedKeyRecord, "deleted", {field.name for field in DeletedKeyRecord._meta.concrete_fields})


@cache
def _persons(alias: str = "person") -> Columns:
    return Columns(get_user_model(), alias, PERSON)


@cache
def _services(alias: str = "service") -> Columns:
    return Columns(ServiceIdRecord, alias, SERVICE)


@cache
def _of_values(number: int) -> Statement:
    """Return the statement that finds the keys of `number` digests, each under its pepper, and who holds them."""
    selected = _found(False), _persons("owner"), _services("program")
    sql = f"FROM {table(ApiKeyRecord, 'found')} {_owners_of_found()} WHERE {has_digest('found', number)}"
    return Statement(f"SELECT {', '.join(map(str, selected))}, {_manager_of('program')}, {_limits()} {sql}", *selected)


@cache
def _of_past_values(number: int) -> Statement:
    """Return the statement that finds `number` digests among values that were replaced and keys that were deleted.

    It has one row whatever is there.
    """
    selected = _previous(), _found(True), _persons("owner"), _services("program"), _deleted()
    sql = (
        f"SELECT {', '.join(map(str, selected))}, {_manager_of('program')}, {_limits()} "  # nosec B608  # names of the models
        f"FROM (SELECT 1) one "
        f"LEFT JOIN {table(PreviousValueRecord, 'previous')} ON {has_digest('previous', number)} "
        f"LEFT JOIN {table(ApiKeyRecord, 'found')} ON found.id = previous.key_id {_owners_of_found()} "
        f"LEFT JOIN {table(DeletedKeyRecord, 'deleted')} "
        f"ON {has_digest('deleted', number)} OR deleted.id = previous.key_id"
    )
    return Statement(sql, *selected)


@cache
def _of_sources(number: int, whole: bool) -> Statement:
    """Return the statement about what a token was made from, and about the keys of `number` digests.

    It has one row whatever is there, since each of its parts may be gone by itself, and more where digests have.
    """
    selected, managers = [_persons(), _services(), _keys()], [_manager_of("service")]
    joins = [
        f"LEFT JOIN {table(get_user_model(), 'person')} ON person.iam_id = %s AND person.is_active",
        f"LEFT JOIN {table(ServiceIdRecord, 'service')} ON service.iam_id = %s AND {_is_enabled('service')}",
        f"LEFT JOIN {table(ApiKeyRecord, 'key')} ON key.id = %s AND key.iam_id = %s",
    ]
    if number:
        selected += [_found(whole), _persons("owner"), _services("program")]
        managers = [_manager_of("program"), *managers]
        joins += [f"LEFT JOIN {table(ApiKeyRecord, 'found')} ON {has_digest('found', number)}", _owners_of_found()]
    sql = (
        f"SELECT {', '.join([*map(str, selected), *managers])}, "  # nosec B608  # names of the models
        f"EXISTS (SELECT 1 FROM {table(SigningKey, 'signing')} WHERE signing.kid = %s), "
        f"EXISTS (SELECT 1 FROM {table(Revocation, 'revoked')} WHERE revoked.id IN (%s, %s)), "
        f'{_limits()}, person."password" || person."sessions_mark" FROM (SELECT 1) one {" ".join(joins)}'
    )
    return Statement(sql, *selected)


def _limits() -> str:
    return f"(SELECT rules.networks FROM {table(RulesRecord, 'rules')} WHERE rules.id = {RulesRecord.ONLY})"  # nosec B608  # names of the models


def _owners_of_found() -> str:
    return (
        f"LEFT JOIN {table(get_user_model(), 'owner')} ON owner.iam_id = found.iam_id AND owner.is_active "
        f"LEFT JOIN {table(ServiceIdRecord, 'program')} ON program.iam_id = found.iam_id AND {_is_enabled('program')}"
    )


def _is_enabled(service: str) -> str:
    return f"{service}.disabled IS NOT TRUE"


def _manager_of(service: str) -> str:
    """Return the selection of whether the active person who manages a service ID may create keys, null without one.

    It is no join: databases look for nobody where there is no service ID.
    """
    return (
        f"CASE WHEN {service}.id IS NOT NULL THEN (SELECT manager.may_create_keys "  # nosec B608  # names of the models
        f"FROM {table(get_user_model(), 'manager')} WHERE manager.is_active "
        f"AND manager.iam_id = COALESCE({service}.managed_by, {service}.created_by)) END"
    )
