"""/v1/serviceids, and the empty collections that clients ask for at start."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.debug import sensitive_variables

from apikeys import service_ids, wire
from apikeys.api.decorators import Operation, authenticated, resource
from apikeys.api.keys import check_account, flag, flag_header, json_body, key_draft, required, tagged
from apikeys.api.paging import page_size, page_url, parameter, printable
from apikeys.domain import Caller
from apikeys.exceptions import BadRequest
from apikeys.exceptions import gettext_noop as _


@authenticated
def list_service_ids(request: HttpRequest, caller: Caller) -> JsonResponse:
    check_account(caller, parameter(request, "account_id"))
    size = page_size(request)
    after = parameter(request, "pagetoken")
    if after and not service_ids.is_service_id(after):
        raise BadRequest("pagetoken", _("pagetoken is not valid. Take it from the answer's next or previous URL."))
    name = printable("name", parameter(request, "name"))
    page = service_ids.list_service_ids(caller, name=name, page_size=size, after=after)
    body: dict[str, Any] = {"limit": size, "first": page_url(request, "")}
    if page.next:
        body["next"] = page_url(request, page.next)
    return JsonResponse(body | {"serviceids": [wire.service_id(service) for service in page.service_ids]})


@authenticated
@sensitive_variables("body", "key_body", "draft", "issued")
def create_service_id(request: HttpRequest, caller: Caller) -> JsonResponse:
    body = json_body(request)
    required(body, "account_id")
    check_account(caller, wire.text_field(body, "account_id"))
    key_body = body.get("apikey")
    draft = None
    if key_body is not None:
        if not isinstance(key_body, dict):
            raise BadRequest("apikey", _("The property %(name)s must be an object."), name="apikey")
        draft = key_draft(key_body)
    service, issued = service_ids.create_service_id(
        caller,
        name=wire.text_field(body, "name") or "",
        description=wire.text_field(body, "description") or "",
        locked=flag_header(request, "Entity-Lock"),
        key=draft,
    )
    answer = wire.service_id(service)
    if issued is not None:
        answer["apikey"] = wire.api_key(issued.key, value=issued.value)
    return JsonResponse(answer, status=201)


@authenticated
def get_service_id(request: HttpRequest, caller: Caller, service_id: str) -> JsonResponse:
    service = service_ids.get_service_id(caller, service_id)
    history = service_ids.get_history(caller, service_id) if flag(request, "include_history") else None
    return tagged(wire.service_id(service, history=history))


@authenticated
def update_service_id(request: HttpRequest, caller: Caller, service_id: str) -> JsonResponse:
    entity_tag = request.headers.get("If-Match", "")
    if not entity_tag:
        raise BadRequest("If-Match", _("The header If-Match is missing."))
    body = json_body(request)
    changes = {name: text for name in ("name", "description") if (text := wire.text_field(body, name)) is not None}
    return tagged(wire.service_id(service_ids.update_service_id(caller, service_id, entity_tag=entity_tag, **changes)))


@authenticated
def delete_service_id(request: HttpRequest, caller: Caller, service_id: str) -> HttpResponse:
    service_ids.delete_service_id(caller, service_id)
    return HttpResponse(status=204)


@authenticated
def lock_service_id(request: HttpRequest, caller: Caller, service_id: str) -> JsonResponse:
    return tagged(wire.service_id(service_ids.lock_service_id(caller, service_id, locked=True)))


@authenticated
def unlock_service_id(request: HttpRequest, caller: Caller, service_id: str) -> JsonResponse:
    return tagged(wire.service_id(service_ids.lock_service_id(caller, service_id, locked=False)))


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
