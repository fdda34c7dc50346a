"""What can be done with people, by an administrator or an operator; each change with its audit event."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q

from apikeys import audit, exceptions
from apikeys.domain import Caller
from apikeys.exceptions import InvalidApiKey
from apikeys.exceptions import gettext_noop as _
from apikeys.identity.callers import check_administrator
from apikeys.identity.users import identity_of
from apikeys.services import owners, service_ids
from apikeys.storage.reserve import revocation
from console import administrators
from console.active_sessions.sessions import end_all
from console.factors import enrolled
from console.log_in.limiter import folded
from console.mails import moved
from console.models import Session, User
from console.people import links

# What an administrator says of a person.
FIELDS = ("username", "first_name", "last_name", "email", "is_superuser", "may_create_keys")
TAKEN = _("Somebody has this user ID already.")
NOT_ASCII = r"[^\x01-\x7f]"  # either database understands it


@dataclass(frozen=True, slots=True)
class Invited:
    """A person, and the code of the link by which they choose a password; it is told once."""

    person: User
    code: str = field(repr=False)


def get(caller: Caller, iam_id: str) -> User:
    """Return a person of the caller's account. Raises NotAuthorized, PersonNotFound."""
    check_administrator(caller)
    found = User.objects.filter(iam_id=iam_id, account_id=caller.identity.account_id).first()
    if found is None:
        raise exceptions.PersonNotFound
    return found


def create(caller: Caller, **fields: Any) -> Invited:
    """Make a person without a password, and a link to choose one.

    Raises NotAuthorized; InvalidApiKey, whose field is that of the person, for what no person may have.
    """
    check_administrator(caller)
    with audit.change(caller, audit.PERSON_CREATE, fields.get("username", ""), is_here=True) as step:
        person = _made(caller, fields)
        code = links.make(person, caller.identity.iam_id)
        step.record_person(person, administrator=person.is_superuser)
    return Invited(person, code)


def add(caller: Caller, **fields: Any) -> User:
    """Make a person who logs in elsewhere, so without a password and a link to choose one. Raises as `create` does."""
    check_administrator(caller)
    with audit.change(caller, audit.PERSON_CREATE, fields.get("username", ""), is_here=True) as step:
        person = _made(caller, fields)
        step.record_person(person, administrator=person.is_superuser)
    return person


@revocation
def change(caller: Caller, iam_id: str, *, seen: str = "", **fields: Any) -> User:
    """Change a person and return it; `seen` is `version_of` the person whom somebody looked at before.

    Raises NotAuthorized, PersonNotFound, PersonConflict where the person is another one since, InvalidApiKey,
    LastAdministrator.
    """
    with audit.change(caller, audit.PERSON_UPDATE, iam_id, is_here=True) as step:
        person = _locked(caller, iam_id)
        if seen and seen != version_of(person):
            raise exceptions.PersonConflict
        changed = sorted(name for name, value in fields.items() if getattr(person, name) != value)
        former = person.email
        for name, value in fields.items():
            setattr(person, name, value)
        person.is_staff = person.is_superuser
        _validate(person)
        if "username" in changed:
            _check_free(person)
        try:
            with transaction.atomic():
                person.save()
        except IntegrityError:
            raise _taken() from None
        moved.tell(person, former)
        step.record_person(person, changed=", ".join(changed), administrator=person.is_superuser)
    return person


@revocation
def set_active(caller: Caller, iam_id: str, *, active: bool) -> User:
    """Refuse a person and all that hangs on them from now on, or no longer; sessions and log-ins end for good.

    Raises NotAuthorized, PersonNotFound, LastAdministrator.
    """
    with audit.change(caller, audit.PERSON_UPDATE, iam_id, is_here=True) as step:
        person = _locked(caller, iam_id)
        person.is_active = active
        person.save(update_fields=["is_active"])
        if not active:
            end_all(caller, person)
        step.record_person(person, active=active)
    return person


@revocation
def new_link(caller: Caller, iam_id: str) -> Invited:
    """Make a link by which a person chooses another password; the one they have works until then.

    Raises NotAuthorized, PersonNotFound.
    """
    with audit.change(caller, audit.PERSON_PASSWORD, iam_id, is_here=True) as step:
        person = _locked(caller, iam_id)
        code = links.make(person, caller.identity.iam_id)
        step.record_person(person)
    return Invited(person, code)


@revocation
def reset_factors(caller: Caller, iam_id: str) -> User:
    """Remove every second factor of a person, and end their sessions, for who lost them or had them stolen.

    Raises NotAuthorized, PersonNotFound.
    """
    with audit.change(caller, audit.FACTOR_DELETE, iam_id, is_here=True) as step:
        person = _locked(caller, iam_id)
        enrolled.remove_all(person)
        step.record_person(person, factor="all")
    return person


def choose_password(caller: Caller, code: str, password: str) -> User:
    """Give the person of a link this password. Raises LinkEnded, HashingBusy."""
    encoded = make_password(password)  # before rows are locked
    with transaction.atomic():
        person = links.use(code, encoded)
        if person is None:
            raise exceptions.LinkEnded
        audit.record_person(caller, audit.PERSON_PASSWORD, person.iam_id, person.username, by="link")
    return person


@revocation
def change_own_password(caller: Caller, person: User, password: str, *, session: str) -> User:
    """Give somebody who has just shown their password another one, and return them as they are now.

    `session` is how the store calls the one that asks. Raises PasswordRefused where the password that was shown is not
    theirs any more, their sessions were ended, or they were deactivated; HashingBusy.
    """
    encoded = make_password(password)  # before rows are locked
    with audit.change(caller, audit.PERSON_PASSWORD, person.iam_id, is_here=True) as step:
        found = person.locked_unchanged()
        if found is None or not (found.is_active and Session.objects.filter(session_key=session).exists()):
            raise exceptions.PasswordRefused
        found.set_hashed_password(encoded)
        found.save(update_fields=["password"])
        step.record_person(found, by="current password")
    return found


@revocation
def delete(caller: Caller, iam_id: str, *, heir: str = "") -> User:
    """Delete a person with their keys, and give their service IDs, disabled, to the administrator `heir`.

    Raises NotAuthorized, PersonNotFound, LastAdministrator; InvalidApiKey where there are service IDs and the heir is
    no other active administrator.
    """
    with audit.change(caller, audit.PERSON_DELETE, iam_id, is_here=True) as step:
        person = _locked(caller, iam_id)
        held = owners.holdings([person.iam_id])[person.iam_id]
        if held.service_ids:
            service_ids.hand_over(caller, identity_of(person), heir)
        end_all(caller, person)
        person.delete()
        step.record_person(
            person,
            keys=held.keys,
            service_ids=held.service_ids,
            heir=heir if held.service_ids else "",
        )
    return person


def version_of(person: User) -> str:
    """Return what differs once somebody has changed what `change` changes, such as whether one is administrator."""
    told = [getattr(person, name) for name in FIELDS]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def is_taken(user_id: str, *, by_others_than: User | None = None) -> bool:
    """Tell whether somebody has a user ID, also in other letters: it would pass for it, and share its limits.

    A user ID has no column for that. The database compares plain letters; all with others are looked at.
    """
    wanted = folded(user_id)
    others = User.objects.exclude(pk=by_others_than.pk) if by_others_than else User.objects.all()
    if others.filter(Q(username__iexact=user_id) | Q(username__iexact=wanted)).exists():
        return True
    with_other_letters = others.filter(username__regex=NOT_ASCII).values_list("username", flat=True)
    return any(folded(name) == wanted for name in with_other_letters.iterator())


def _made(caller: Caller, fields: dict[str, Any]) -> User:
    """Return a new person of the caller's account, without a password. Raises InvalidApiKey."""
    person = User(account_id=caller.identity.account_id, is_staff=fields.get("is_superuser", False), **fields)
    person.set_unusable_password()
    _validate(person)
    administrators.locked()  # of two who are made at once the second sees the user ID of the first
    _check_free(person)
    try:
        with transaction.atomic():
            person.save(force_insert=True)
    except IntegrityError:
        raise _taken() from None
    return person


def _locked(caller: Caller, iam_id: str) -> User:
    """Return a person whose row is locked until the transaction ends. Raises NotAuthorized, PersonNotFound."""
    check_administrator(caller)
    administrators.locked()
    rows = User.objects.select_for_update().filter(account_id=caller.identity.account_id)
    found = rows.filter(iam_id=iam_id).first()
    if found is None:
        raise exceptions.PersonNotFound
    return found


def _validate(person: User) -> None:
    """Raise InvalidApiKey for the first field that a person may not have so."""
    try:
        person.full_clean(exclude=["password"], validate_unique=False)  # the database refuses who is there already
    except ValidationError as exc:
        for field, messages in exc.message_dict.items():
            raise InvalidApiKey(field, str(messages[0])) from None


def _check_free(person: User) -> None:
    if is_taken(person.username, by_others_than=person):
        raise _taken()


def _taken() -> InvalidApiKey:
    return InvalidApiKey("username", TAKEN)
