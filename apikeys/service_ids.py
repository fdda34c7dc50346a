"""One function for each thing that can be done with service IDs; with services.py, the one door to the stores."""

from apikeys import audit, services
from apikeys.backends import service_ids_for
from apikeys.backends.service_ids import SERVICE_ID, ServiceIdPage
from apikeys.changes import audited
from apikeys.checks import clean_description, clean_name
from apikeys.domain import ApiKeyDraft, Caller, HistoryEntry, IssuedApiKey, ServiceId


def is_service_id(text: str) -> bool:
    """Tell whether a text has the form of a service ID's id."""
    return SERVICE_ID.fullmatch(text) is not None


def list_service_ids(caller: Caller, *, name: str, page_size: int, after: str) -> ServiceIdPage:
    """Return one page of the service IDs that the caller manages."""
    return service_ids_for(caller.identity).page(name=name, page_size=page_size, after=after)


def get_service_id(caller: Caller, service_id: str) -> ServiceId:
    """Return one. Raises ServiceIdNotFound."""
    return service_ids_for(caller.identity).get(service_id)


def get_history(caller: Caller, service_id: str) -> list[HistoryEntry]:
    """Return the changes of a service ID, oldest first. Raises ServiceIdNotFound."""
    return service_ids_for(caller.identity).get_history(service_id)


def create_service_id(
    caller: Caller, *, name: str, description: str, locked: bool = False, key: ApiKeyDraft | None = None
) -> tuple[ServiceId, IssuedApiKey | None]:
    """Make a service ID, with a first key where one is described. Raises InvalidApiKey."""
    name, description = clean_name(name), clean_description(description)
    with audited(caller, audit.SERVICE_ID_CREATE):
        service = service_ids_for(caller.identity).create(name, description, locked=locked)
        audit.record(caller, audit.SERVICE_ID_CREATE, target=service)
        if key is None:
            return service, None
        return service, services.create_api_key(caller, services.owned_by(key, service.iam_id))


def update_service_id(caller: Caller, service_id: str, *, entity_tag: str, **changes: str) -> ServiceId:
    """Change name or description. Raises InvalidApiKey, ApiKeyConflict, ApiKeyLocked, ServiceIdNotFound."""
    if "name" in changes:
        changes["name"] = clean_name(changes["name"])
    if "description" in changes:
        changes["description"] = clean_description(changes["description"])
    with audited(caller, audit.SERVICE_ID_UPDATE, service_id):
        service = service_ids_for(caller.identity).update(service_id, entity_tag=entity_tag, **changes)
        audit.record(caller, audit.SERVICE_ID_UPDATE, target=service)
    return service


def lock_service_id(caller: Caller, service_id: str, *, locked: bool) -> ServiceId:
    """Lock against change and deletion, or unlock. Raises ServiceIdNotFound."""
    with audited(caller, audit.SERVICE_ID_UPDATE, service_id):
        service = service_ids_for(caller.identity).set_locked(service_id, locked)
        audit.record(caller, audit.SERVICE_ID_UPDATE, target=service, lock=locked)
    return service


def delete_service_id(caller: Caller, service_id: str) -> ServiceId:
    """End a service ID for good. Raises DeleteNotPossible while it has keys, ApiKeyLocked, ServiceIdNotFound."""
    with audited(caller, audit.SERVICE_ID_DELETE, service_id):
        service = service_ids_for(caller.identity).delete(service_id)
        audit.record(caller, audit.SERVICE_ID_DELETE, target=service)
    return service
