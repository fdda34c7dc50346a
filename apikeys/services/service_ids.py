"""One function for each thing that can be done with service IDs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import IntegrityError, transaction

from apikeys import audit, domain
from apikeys.backends import service_ids_for
from apikeys.backends.service_ids import key_counts
from apikeys.exceptions import IdempotencyKeyReused, InvalidApiKey
from apikeys.exceptions import gettext_noop as _
from apikeys.identity import users
from apikeys.identity.callers import check_administrator
from apikeys.services import creation, deletion, keys, narrowing
from apikeys.services.delivery import Delivery
from apikeys.storage.reserve import revocation

NEWEST = 10  # keys that the page of a service ID shows


def list_service_ids(caller: domain.Caller, query: domain.ServiceIdQuery) -> domain.ServiceIdPage:
    """Return one page of the service IDs that the caller manages."""
    return service_ids_for(caller).page(query)


def get_service_id(caller: domain.Caller, service_id: str) -> domain.ServiceId:
    """Return one. Raises ServiceIdNotFound."""
    return service_ids_for(caller).get(service_id)


@dataclass(frozen=True, slots=True)
class Managed:
    """A service ID with the person who manages it, or did, and whether that person is active."""

    service: domain.ServiceId
    manager: domain.Owner
    is_managed: bool


@dataclass(frozen=True, slots=True)
class Described(Managed):
    """The same with the number of its keys."""

    keys: int


def with_managers(seen: Sequence[domain.ServiceId]) -> list[Managed]:
    """Return service IDs that the caller has seen, each with its manager; two queries for all."""
    managers = {service.managed_by for service in seen}
    people, active = users.owners(managers), users.active_among(managers)
    return [Managed(service, people[service.managed_by], service.managed_by in active) for service in seen]


def describe(seen: Sequence[domain.ServiceId]) -> list[Described]:
    """Return service IDs that the caller has seen, each with what stands beside it; a few queries for all."""
    counts = key_counts([service.iam_id for service in seen])
    return [
        Described(found.service, found.manager, found.is_managed, counts[found.service.iam_id])
        for found in with_managers(seen)
    ]


def manager_of(iam_id: str) -> domain.Owner:
    """Return who somebody is who manages service IDs, or did; only an administrator is to be told of others."""
    return users.owners([iam_id])[iam_id]


def newest_keys(caller: domain.Caller, service: domain.ServiceId) -> tuple[domain.ApiKey, ...]:
    """Return the newest keys of a service ID that the caller manages, at most NEWEST."""
    query = domain.ApiKeyQuery(iam_id=service.iam_id, sort=domain.Sort.CREATED, descending=True, page_size=NEWEST)
    return keys.list_api_keys(caller, query).keys


def get_history(caller: domain.Caller, service_id: str) -> list[domain.HistoryEntry]:
    """Return the changes of a service ID, oldest first. Raises ServiceIdNotFound."""
    return service_ids_for(caller).get_history(service_id)


def get_usage(caller: domain.Caller, service_id: str) -> domain.Usage:
    """Return how often a service ID has authenticated, and when last. Raises ServiceIdNotFound."""
    return service_ids_for(caller).get_usage(service_id)


def create_service_id(
    caller: domain.Caller,
    draft: domain.ServiceIdDraft,
    *,
    key: domain.ApiKeyDraft | None = None,
    delivery: Delivery | None = None,
) -> tuple[domain.ServiceId, domain.IssuedApiKey | None]:
    """Make a service ID, with a first key where one is described.

    The same request sent again with the same nonce makes nothing, and returns what it made before: the key as long
    as its hand-over lasts. Raises MadeByPeopleOnly for a service ID, InvalidApiKey, IdempotencyKeyReused,
    AlreadyReceived, HandoverExpired.
    """
    try:
        return _create(caller, draft, key, delivery)
    except IntegrityError:
        if delivery is None:
            raise
        return _create(caller, draft, key, delivery)  # the same request has committed first: what it made is there now


def _create(
    caller: domain.Caller, draft: domain.ServiceIdDraft, key: domain.ApiKeyDraft | None, delivery: Delivery | None
) -> tuple[domain.ServiceId, domain.IssuedApiKey | None]:
    store = service_ids_for(caller)
    of_key = delivery.for_first_key() if delivery else None
    with audit.change(caller, audit.SERVICE_ID_CREATE) as step:
        service = store.made_with(delivery.nonce_digest) if delivery else None
        if service is None:
            service = store.create(draft, nonce_digest=delivery.nonce_digest if delivery else "")
            step.record(service)
        elif not draft.describes(service) or bool(of_key and of_key.is_begun()) != bool(key):
            raise IdempotencyKeyReused
        else:
            step.record_nothing()
        if key is None:
            return service, None
        return service, creation.create_api_key(caller, replace(key, iam_id=service.iam_id), of_key, same_only=True)


def update_service_id(
    caller: domain.Caller, service_id: str, changes: domain.ServiceIdChanges, *, entity_tag: str
) -> domain.ServiceId:
    """Change a service ID and return its record; `entity_tag` may be a whole If-Match.

    Raises ServiceIdConflict, ServiceIdLocked, ServiceIdNotFound.
    """
    with audit.change(caller, audit.SERVICE_ID_UPDATE, service_id) as step:
        service = service_ids_for(caller).update(service_id, changes, entity_tag=entity_tag)
        step.record(service)
    return service


def lock_service_id(caller: domain.Caller, service_id: str, *, locked: bool) -> domain.ServiceId:
    """Lock against change and deletion, or unlock. Raises ServiceIdHeld, ServiceIdNotFound."""
    with audit.change(caller, audit.SERVICE_ID_UPDATE, service_id) as step:
        service = service_ids_for(caller).set_locked(service_id, locked)
        step.record(service, lock=locked)
    return service


@revocation
def disable_service_id(caller: domain.Caller, service_id: str, *, disabled: bool) -> domain.ServiceId:
    """Refuse all keys and tokens of a service ID from now on, or no longer.

    Raises ServiceIdLocked, ServiceIdHeld, ServiceIdNotFound, WiderThanItsMaker where this makes such a key work.
    """
    with audit.change(caller, audit.SERVICE_ID_UPDATE, service_id, revokes=disabled) as step:
        service = service_ids_for(caller).set_disabled(service_id, disabled)
        if not disabled:
            narrowing.check_keys_of(caller, service.iam_id)
        step.record(service, disable=disabled)
    return service


@revocation
def hand_over(caller: domain.Caller, from_identity: domain.Identity, to_iam_id: str) -> list[domain.ServiceId]:
    """Give the service IDs of a person who goes to an administrator, disabled, and return them.

    The caller is the administrator who says so. Raises NotAuthorized, InvalidApiKey where `to_iam_id` is none of an
    active administrator of the account.
    """
    check_administrator(caller)
    if to_iam_id == from_identity.iam_id or not users.is_administrator(to_iam_id, caller.identity.account_id):
        raise InvalidApiKey("managed_by", _("Service IDs can only be handed to another active administrator."))
    with transaction.atomic():
        given = service_ids_for(caller).hand_over(from_identity, to_iam_id)
        for service in given:
            audit.record(caller, audit.SERVICE_ID_UPDATE, target=service, disable=True, managed_by=to_iam_id)
    return given


def take_over_service_id(caller: domain.Caller, service_id: str) -> domain.ServiceId:
    """Have an administrator manage a service ID from now on. Raises NotAuthorized, ServiceIdNotFound."""
    with audit.change(caller, audit.SERVICE_ID_UPDATE, service_id) as step:
        check_administrator(caller)
        service = service_ids_for(caller).take_over(service_id)
        step.record(service, managed_by=caller.identity.iam_id)
    return service


@revocation
def delete_service_id(caller: domain.Caller, service_id: str) -> domain.ServiceId:
    """End a service ID and its keys for good, or nothing of it.

    Raises DeleteNotPossible where one of its keys is locked, ServiceIdLocked, ServiceIdNotFound.
    """
    with audit.change(caller, audit.SERVICE_ID_DELETE, service_id) as step:
        service, deleted = service_ids_for(caller).delete(service_id)
        for key in deleted:
            deletion.record_removal(caller, key, cause="service ID deleted")
        deletion.forget_owner(service.iam_id)
        step.record(service)
    return service
