"""/v1/serviceids, and the empty collections that clients ask for at start."""

from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from apikeys.api import bodies, fields
from apikeys.api.answers import JsonAnswer
from apikeys.api.auth import check_account
from apikeys.api.decorators import View, authenticated, no_content, resource, switch
from apikeys.api.fields import Body, flag, flag_header, json_body, needed_header, parameter, text_field
from apikeys.api.keys import asks_to_store, created, key_draft, tagged
from apikeys.api.paging import neighbours, service_id_query
from apikeys.domain import ApiKeyDraft, Caller, ServiceIdChanges, ServiceIdDraft
from apikeys.exceptions import BadRequest
from apikeys.exceptions import gettext_noop as _
from apikeys.iam import payloads
from apikeys.services import keys, service_ids


@authenticated
def list_service_ids(request: HttpRequest, caller: Caller) -> JsonAnswer:
    """Return one page of the service IDs that the caller manages. Raises BadRequest (400), Unauthenticated (401)."""
    query = service_id_query(request, caller)
    refuse_group(parameter(request, "group_id"))
    page = service_ids.list_service_ids(caller, query)
    histories = keys.histories_of(page.service_ids) if flag(request, "include_history") else {}
    found = [payloads.service_id(service, history=histories.get(service.id)) for service in page.service_ids]
    return JsonAnswer(
        {"offset": page.offset, "limit": query.page_size, **neighbours(request, page), "serviceids": found}
    )


@authenticated
@sensitive_variables("body", "key", "issued", "answer")
def create_service_id(request: HttpRequest, caller: Caller) -> JsonAnswer:
    """Make a service ID, with a first key where the body describes one, and return both (201).

    Raises BadRequest and InvalidApiKey (400), Unauthenticated (401), MadeByPeopleOnly (403), IdempotencyKeyReused,
    AlreadyReceived and HandoverExpired (409).
    """
    body = json_body(request)
    check_account(caller, fields.needed_field(body, "account_id"))
    refuse_group(text_field(body, "group_id"))
    attributes = bodies.draft_attributes(bodies.SERVICE_ID, body)
    draft = ServiceIdDraft(**attributes, locked=flag_header(request, "Entity-Lock"))
    key = first_key(request, body)
    service, issued = service_ids.create_service_id(
        caller, draft, key=key, delivery=fields.delivery_for(request, caller)
    )
    answer = payloads.service_id(service)
    if issued is None:
        return created(answer, None)
    answer["apikey"] = payloads.api_key(issued.key, value=issued.value)
    return created(answer, issued, asked_to_store=asks_to_store(body["apikey"]))


@sensitive_variables("body", "found")
def first_key(request: HttpRequest, body: Body) -> ApiKeyDraft | None:
    """Return what the first key of a new service ID shall be, None without one. Raises InvalidApiKey, BadRequest."""
    disabled = flag_header(request, "Entity-Disable")
    found = body.get("apikey")
    if found is None:
        if disabled:
            raise BadRequest(
                "Entity-Disable", _("This is for the first API key of the service ID: describe one, or leave it out.")
            )
        return None
    if not isinstance(found, dict):
        raise BadRequest("apikey", _("The property %(name)s must be an object."), name="apikey")
    return key_draft(found, for_service_id=True, disabled=disabled)


@authenticated
def get_service_id(request: HttpRequest, caller: Caller, service_id: str) -> JsonAnswer:
    """Return one service ID. Raises BadRequest (400), Unauthenticated (401), ServiceIdNotFound (404)."""
    service = service_ids.get_service_id(caller, service_id)
    history = service_ids.get_history(caller, service_id) if flag(request, "include_history") else None
    usage = service_ids.get_usage(caller, service_id) if flag(request, "include_activity") else None
    return tagged(payloads.service_id(service, history=history, usage=usage))


@authenticated
def update_service_id(request: HttpRequest, caller: Caller, service_id: str) -> JsonAnswer:
    """Change the members that the body has, and return the service ID.

    Raises BadRequest and InvalidApiKey (400), Unauthenticated (401), ServiceIdNotFound (404), ServiceIdConflict and
    ServiceIdLocked (409).
    """
    entity_tag = needed_header(request, "If-Match")
    changes = ServiceIdChanges(**bodies.changed_attributes(bodies.SERVICE_ID, json_body(request)))
    changed = service_ids.update_service_id(caller, service_id, changes, entity_tag=entity_tag)
    return tagged(payloads.service_id(changed))


def refuse_group(group_id: str) -> None:
    """Raise BadRequest for a group of service IDs: to leave it out of account would answer another question."""
    if group_id:
        raise BadRequest("group_id", _("This server has no groups of service IDs. Leave group_id out."))


def empty_collection(name: str) -> View:
    """Return a view of a collection that this server has nothing in."""

    @authenticated
    def list_nothing(request: HttpRequest, caller: Caller) -> JsonAnswer:
        check_account(caller, parameter(request, "account_id"))
        return JsonAnswer({name: []})

    return resource(GET=list_nothing)


collection = resource(GET=list_service_ids, POST=create_service_id)
item = resource(GET=get_service_id, PUT=update_service_id, DELETE=no_content(service_ids.delete_service_id))
lock = switch(service_ids.lock_service_id, "locked")
disable = switch(service_ids.disable_service_id, "disabled")
