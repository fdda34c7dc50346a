"""The console is never without an administrator who can log in, whoever changes or deletes people."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from apikeys.exceptions import LastAdministrator

# What makes somebody one; a change of anything else needs no look at the others.
MAKING = frozenset({"is_superuser", "is_active"})


def locked() -> list[Any]:
    """Return all active administrators, whose rows are locked until the transaction ends.

    Whoever changes one of them locks all of them first, and in one order: of two who leave at once the second sees that
    the first has, and neither waits for the other for ever.
    """
    people = get_user_model()._default_manager
    return list(people.select_for_update().filter(is_superuser=True, is_active=True).order_by("pk"))


def check_another(person: Any) -> None:
    """Raise LastAdministrator where this person is an active administrator, and no other one could log in.

    Who never chose a password could not. Needs a transaction: until it ends nobody else can make an administrator less.
    """
    active = locked()
    others = [found for found in active if found.pk != person.pk]
    if len(others) < len(active) and not any(found.has_usable_password() for found in others):
        raise LastAdministrator


def check_change(person: Any, update_fields: Any = None) -> None:
    """Raise LastAdministrator where saving a person as it is now would leave no administrator. Needs a transaction."""
    is_one = person.is_superuser and person.is_active
    if person.pk is None or is_one or (update_fields is not None and not MAKING & {*update_fields}):
        return
    check_another(person)


def check_deletion(instance: Any, **_kwargs: Any) -> None:
    """Raise LastAdministrator where the deletion of a person would leave no administrator."""
    with transaction.atomic():
        check_another(instance)
