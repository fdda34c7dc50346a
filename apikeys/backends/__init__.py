"""The stores of keys, one file each; base.py states their contract. Limits are here, audit and hand-over are not."""

from django.conf import settings

from apikeys.backends.base import ApiKeyBackend, StoreTraits
from apikeys.backends.embedded import EmbeddedBackend
from apikeys.backends.ibm_cloud import IBMCloudBackend
from apikeys.backends.service_ids import EmbeddedServiceIds
from apikeys.domain import Caller
from apikeys.exceptions import NotOffered

BACKENDS: dict[str, type[ApiKeyBackend]] = {
    "embedded": EmbeddedBackend,
    "ibm-cloud": IBMCloudBackend,
}


def store_traits() -> StoreTraits:
    """Return what the configured store is like, whoever asks it."""
    return BACKENDS[settings.APIKEYS_BACKEND].traits


def backend_for(caller: Caller) -> ApiKeyBackend:
    """Return the configured store, bound to what the caller may see. Raises LogInAgain for one without access to it."""
    return BACKENDS[settings.APIKEYS_BACKEND](caller)


def value_store_for(caller: Caller) -> EmbeddedBackend:
    """Return the store that knows the values of its keys, bound to what the caller may see. Raises NotOffered."""
    if not store_traits().knows_values:
        raise NotOffered
    return EmbeddedBackend(caller)


def service_ids_for(caller: Caller) -> EmbeddedServiceIds:
    """Return the service IDs of the embedded store, bound to what the caller manages."""
    return EmbeddedServiceIds(caller)
