"""/v1/serviceids, and the empty collections that clients ask for at start."""

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.debug import sensitive_variables

from apikeys.api.decorators import Operation, authenticated, resource
from apikeys.api.keys import (
    check_account,
    created,
    flag,
    flag_header,
    idempotency_key,
    json_body,
    key_draft,
    required,
    tagged,
)
from apikeys.api.paging import (
    choice,
    conditions,
    is_descending,
    neighbours,
    page_size,
    parameter,
    printable,
    read_token,
)
from apikeys.domain import ApiKeyDraft, Caller, ServiceIdChanges, ServiceIdDraft, ServiceIdQuery, ServiceIdSort
from apikeys.exceptions import BadRequest
from apikeys.exceptions import gettext_noop as _
from apikeys.iam import payloads
from apikeys.services import keys, service_ids

SORTS = tuple(str(sort) for sort in ServiceIdSort)


@authenticated
def list_service_ids(request: HttpRequest, caller: Caller) -> JsonResponse:
    check_account(caller, parameter(request, "account_id"))
    refuse_group(parameter(request, "group_id"))
    query = ServiceIdQuery(
        name=printable("name", parameter(request, "name")),
        conditions=conditions(request),
        sort=ServiceIdSort(choice("sort", parameter(request, "sort", ServiceIdSort.CREATED), SORTS)),
        descending=is_descending(request),
        page_size=page_size(request),
        cursor=read_token(parameter(request, "pagetoken")),
    )
    with_history = flag(request, "include_history")
    page = service_ids.list_service_ids(caller, query)
    histories = keys.histories_of(page.service_ids) if with_history else {}
    found = [payloads.service_id(service, history=histories.get(service.id)) for service in page.service_ids]
    return JsonResponse(
        {"offset": page.offset, "limit": query.page_size, **neighbours(request, page), "serviceids": found}
    )


@authenticated
@sensitive_variables("body", "key", "issued")
def create_service_id(request: HttpRequest, caller: Caller) -> JsonResponse:
    body = json_body(request)
    required(body, "account_id")
    check_account(caller, payloads.text_field(body, "account_id"))
    refuse_group(payloads.text_field(body, "group_id"))
    draft = ServiceIdDraft(
        name=payloads.text_field(body, "name") or "",
        description=payloads.text_field(body, "description") or "",
        unique_instance_crns=payloads.crns_field(body) or (),
        locked=flag_header(request, "Entity-Lock"),
    )
    key = first_key(request, body)
    service, issued = service_ids.create_service_id(caller, draft, key=key, nonce=idempotency_key(request))
    answer = payloads.service_id(service)
    if issued is None:
        return created(answer)
    answer["apikey"] = payloads.api_key(issued.key, value=issued.value)
    return created(answer, asked_to_store=bool(payloads.bool_field(body["apikey"], "store_value")))


def first_key(request: HttpRequest, body: dict[str, Any]) -> ApiKeyDraft | None:
    """Return what the first key of a new service ID shall be, None without one. Raises InvalidApiKey, BadRequest."""
    disabled = flag_header(request, "Entity-Disable")
    found = body.get("apikey")
    if found is None:
        if disabled:
            raise BadRequest("Entity-Disable", _("A service ID can't be disabled, only its API keys can."))
        return None
    if not isinstance(found, dict):
        raise BadRequest("apikey", _("The property %(name)s must be an object."), name="apikey")
    return replace(key_draft(found, for_service_id=True), disabled=disabled)


@authenticated
def get_service_id(request: HttpRequest, caller: Caller, service_id: str) -> JsonResponse:
    service = service_ids.get_service_id(caller, service_id)
    history = service_ids.get_history(caller, service_id) if flag(request, "include_history") else None
    usage = service_ids.get_usage(caller, service_id) if flag(request, "include_activity") else None
    return tagged(payloads.service_id(service, history=history, usage=usage))


@authenticated
def update_service_id(request: HttpRequest, caller: Caller, service_id: str) -> JsonResponse:
    entity_tag = request.headers.get("If-Match", "")
    if not entity_tag:
        raise BadRequest("If-Match", _("The header If-Match is missing."))
    body = json_body(request)
    changes = ServiceIdChanges(
        name=payloads.text_field(body, "name"),
        description=payloads.text_field(body, "description"),
        unique_instance_crns=payloads.crns_field(body),
    )
    changed = service_ids.update_service_id(caller, service_id, changes, entity_tag=entity_tag)
    return tagged(payloads.service_id(changed))


@authenticated
def delete_service_id(request: HttpRequest, caller: Caller, service_id: str) -> HttpResponse:
    service_ids.delete_service_id(caller, service_id)
    return HttpResponse(status=204)


@authenticated
def lock_service_id(request: HttpRequest, caller: Caller, service_id: str) -> HttpResponse:
    service_ids.lock_service_id(caller, service_id, locked=True)
    return HttpResponse(status=204)


@authenticated
def unlock_service_id(request: HttpRequest, caller: Caller, service_id: str) -> HttpResponse:
    service_ids.lock_service_id(caller, service_id, locked=False)
    return HttpResponse(status=204)


def refuse_group(group_id: str | None) -> None:
    """Raise BadRequest for a group of service IDs: to leave it out of account would answer another question."""
    if group_id:
        raise BadRequest("group_id", _("This server has no groups of service IDs. Leave group_id out."))


def empty_collection(name: str) -> Operation:
    """Return a view of a collection that this server has nothing in."""

    @authenticated
    def list_nothing(request: HttpRequest, caller: Caller) -> JsonResponse:
        check_account(caller, parameter(request, "account_id"))
        return JsonResponse({name: []})

    return resource(GET=list_nothing)


collection = resource(GET=list_service_ids, POST=create_service_id)
item = resource(GET=get_service_id, PUT=update_service_id, DELETE=delete_service_id)
lock = resource(POST=lock_service_id, DELETE=unlock_service_id)
