"""Users of the console as identities, and the names of owners of keys, persons and service IDs alike."""

import hashlib
from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model

from apikeys.domain import SERVICE_ID_PREFIX, Identity, Owner
from apikeys.models import MANAGER, ServiceIdRecord

Person = Any  # a user of the console: the app does not know the project's class


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
            identity = identity_of(user)
            user_id = user.get_username()
            # People of an upstream IAM have no other user ID here.
            found[identity.iam_id] = Owner(
                identity.iam_id, identity.name, user.email if user_id == identity.iam_id else user_id
            )
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


def is_administrator(iam_id: str, account_id: str) -> bool:
    """Tell whether somebody is an active administrator of an account."""
    people = get_user_model()._default_manager.filter(iam_id=iam_id, is_active=True, is_superuser=True)
    return any(person.account_id == account_id for person in people)


def password_stamp(user: Person) -> str:
    """Return 32 hex digits that differ for each person and password, and from which neither can be told."""
    return hashlib.sha256(f"{user.iam_id} {user.get_session_auth_hash()}".encode()).hexdigest()[:32]
