"""The stores behind the service layer, one file each; `base` states their contract."""

from collections.abc import Callable

from django.conf import settings

from apikeys.backends.base import ApiKeyBackend
from apikeys.backends.embedded import EmbeddedBackend
from apikeys.backends.ibm_cloud import IBMCloudBackend
from apikeys.backends.service_ids import EmbeddedServiceIds
from apikeys.domain import Identity

BACKENDS: dict[str, Callable[[Identity], ApiKeyBackend]] = {
    "embedded": EmbeddedBackend,
    "ibm-cloud": IBMCloudBackend,
}


def backend_for(identity: Identity) -> ApiKeyBackend:
    """Return the configured store, bound to what `identity` may see."""
    return BACKENDS[settings.APIKEYS_BACKEND](identity)


def service_ids_for(identity: Identity) -> EmbeddedServiceIds:
    """Return the service IDs of the embedded store, bound to what `identity` manages."""
    return EmbeddedServiceIds(identity)
