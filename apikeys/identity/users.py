"""Users of the console as identities, and the names of owners of keys, persons and service IDs alike."""

import hashlib
from collections.abc import Iterable
from functools import reduce
from operator import and_, or_
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models

from apikeys.backends.search import fold
from apikeys.domain import SERVICE_ID_PREFIX, Identity, Owner
from apikeys.models import MANAGER, ServiceIdRecord

Person = Any  # a user of the console: the app does not know the project's class
MOST_FOUND = 20  # owners of whom one is to be chosen
MOST_WORDS = 10  # of a name: each is looked for in each person's
MOST_CHARACTERS = 400  # more than anybody's name has, and less than databases compare


def identity_of(user: Person) -> Identity:
    """Return who a user of the console is to the stores."""
    return Identity(
        iam_id=user.iam_id,
        account_id=user.account_id,
        name=user.get_full_name() or user.get_username(),
        email=user.email,
        is_administrator=user.is_superuser,
        may_create_keys=user.may_create_keys,
    )


def owners(iam_ids: Iterable[str]) -> dict[str, Owner]:
    """Return the owner behind each IAM ID, with one query for all persons and one for all service IDs among them."""
    found = {iam_id: Owner(iam_id) for iam_id in iam_ids}
    services = [iam_id for iam_id, owner in found.items() if owner.is_service_id]
    persons = found.keys() - set(services)
    if persons:
        for user in get_user_model()._default_manager.filter(iam_id__in=persons):
            found[user.iam_id] = _owner_of(user)
    if services:
        for iam_id, name in ServiceIdRecord.objects.filter(iam_id__in=services).values_list("iam_id", "name"):
            found[iam_id] = Owner(iam_id, name)
    return found


def is_active(iam_id: str) -> bool:
    """Tell whether an identity may do anything now: an active person, or a service ID of one that is not disabled."""
    people = get_user_model()._default_manager.filter(is_active=True)
    if iam_id.startswith(SERVICE_ID_PREFIX):
        manager = ServiceIdRecord.objects.filter(iam_id=iam_id).exclude(disabled=True).values_list(MANAGER)
        people = people.filter(iam_id__in=manager)
    else:
        people = people.filter(iam_id=iam_id)
    return bool(people.exists())


def active_among(iam_ids: Iterable[str]) -> set[str]:
    """Return the IAM IDs among these that are active people's."""
    people = get_user_model()._default_manager.filter(iam_id__in=set(iam_ids), is_active=True)
    return set(people.values_list("iam_id", flat=True))


def is_administrator(iam_id: str, account_id: str) -> bool:
    """Tell whether somebody is an active administrator of an account."""
    people = get_user_model()._default_manager.filter(iam_id=iam_id, is_active=True, is_superuser=True)
    return any(person.account_id == account_id for person in people)


def find_owners(text: str, account_id: str, *, whole: bool = False) -> list[Owner]:
    """Return whom a text means in an account: persons first, at most MOST_FOUND.

    One who has it as IAM ID, user ID or e-mail address is meant before those whose words it is a part of; a service ID
    has an id and a name. `whole` leaves out whose name it is only a part of.
    """
    if len(text) > MOST_CHARACTERS:
        return []
    exactly = reduce(or_, (models.Q(**{name: text}) for name in ("iam_id", "username__iexact", "email__iexact")))
    named = models.Q(iam_id=text) | models.Q(id=text)
    if found := _found(exactly, named, account_id):
        return found
    words = [has_word(word) for word in text.split()[:MOST_WORDS]]
    found = _found(reduce(and_, words, models.Q()), models.Q(name_folded__contains=fold(text)), account_id)
    return [owner for owner in found if fold(owner.name) == fold(text)] if whole else found


def has_word(word: str) -> models.Q:
    """Return what is true of a person who has a word in the name, the user ID or the e-mail address."""
    columns = ("first_name", "last_name", "username", "email")
    return reduce(or_, (models.Q(**{f"{column}__icontains": word}) for column in columns))


def _found(persons: models.Q, services: models.Q, account_id: str) -> list[Owner]:
    users = get_user_model()._default_manager.filter(persons, account=account_id).order_by("username")[:MOST_FOUND]
    rows = ServiceIdRecord.objects.filter(services, account_id=account_id).order_by("name_folded", "id")
    found = [_owner_of(user) for user in users]
    return [*found, *(Owner(*row) for row in rows.values_list("iam_id", "name")[: MOST_FOUND - len(found)])]


def _owner_of(user: Person) -> Owner:
    identity, user_id = identity_of(user), user.get_username()
    # People of an upstream IAM have no other user ID here.
    return Owner(identity.iam_id, identity.name, user.email if user_id == identity.iam_id else user_id)


def needs_passcode(user: Person) -> bool:
    """Tell whether a password alone does not log somebody in to the command line."""
    return bool(user.must_have_second_factor or user.has_second_factor)


def lacks_second_factor(iam_id: str) -> bool:
    """Tell whether somebody must have a second factor and has none, so that no password of theirs brings a token.

    Who has no password got theirs by a passcode, after a log-in elsewhere that may have had two factors.
    """
    if settings.SECOND_FACTOR == "optional":  # nobody is looked up for nothing
        return False
    user = get_user_model()._default_manager.filter(iam_id=iam_id).first()
    if user is None or not user.has_usable_password():
        return False
    return bool(user.must_have_second_factor and not user.has_second_factor)


def password_stamp(user: Person) -> str:
    """Return 32 hex digits that differ for each person and password, and from which neither can be told."""
    return hashlib.sha256(f"{user.iam_id} {user.get_session_auth_hash()}".encode()).hexdigest()[:32]
