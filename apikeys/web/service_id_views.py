"""The pages of service IDs: their list, one of them with its keys, and what is done to it."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apikeys.domain import ServiceId
from apikeys.exceptions import DeleteNotPossible, ServiceIdConflict, ServiceIdLocked
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services import service_ids
from apikeys.services.messages import sentence
from apikeys.web import drafts
from apikeys.web.forms import new_nonce
from apikeys.web.responses import UNPROCESSABLE, see_other
from apikeys.web.service_id_forms import CreateServiceIdForm, EditServiceIdForm, ServiceIdListState


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("q")
def service_id_list(request: Request) -> HttpResponseBase:
    """The list. The search is posted, and redirected to its URL: a value that somebody pastes must be in no URL."""
    sent = request.POST if request.method == "POST" else request.GET
    caller = caller_of(request)
    state = ServiceIdListState.from_url(sent, by_manager=caller.identity.is_administrator)
    if request.method == "POST" or state.search != sent.get("q", "").strip():
        return see_other(reverse("service_id_list") + state.url())
    page = service_ids.list_service_ids(caller, state.query)
    context = {
        "state": state,
        "manager": service_ids.manager_of(state.manager) if state.manager else None,
        "described": service_ids.describe(page.service_ids),
        "offset": page.offset,
        "next_url": state.at(page.next).url() if page.next else "",
        "previous_url": state.at(page.previous).url() if page.previous else "",
        "is_administrator": caller.identity.is_administrator,
    }
    return render(request, "apikeys/service_ids.html", context)


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("nonce")
def service_id_create(request: Request) -> HttpResponseBase:
    """The form, and the service ID that it makes."""
    caller = caller_of(request)
    if request.method == "GET":
        typed = drafts.take(request, caller.identity.iam_id)
        return _form(request, CreateServiceIdForm(initial={"nonce": new_nonce()} | typed))
    form = CreateServiceIdForm(request.POST, iam_id=caller.identity.iam_id)
    if not form.is_valid():
        return _form(request, form, status=UNPROCESSABLE)
    made, _key = service_ids.create_service_id(caller, form.draft(), delivery=form.cleaned_data["delivery"])
    messages.success(request, _("%(name)s was created. Create an API key for it next.") % {"name": made.name})
    return _to(made)


@require_GET
def service_id_details(request: Request, service_id: str) -> HttpResponse:
    """Everything about one, and its newest keys."""
    caller = caller_of(request)
    [described] = service_ids.describe([service_ids.get_service_id(caller, service_id)])
    context = {
        "described": described,
        "service": described.service,
        "newest": service_ids.newest_keys(caller, described.service),
        "usage": service_ids.get_usage(caller, service_id),
        "history": service_ids.get_history(caller, service_id),
        "is_administrator": caller.identity.is_administrator,
        "is_mine": described.service.managed_by == caller.identity.iam_id,
    }
    return render(request, "apikeys/service_id.html", context)


@require_http_methods(["GET", "POST"])
def service_id_edit(request: Request, service_id: str) -> HttpResponseBase:
    """Edit name and description; a stale edit shows both versions."""
    caller = caller_of(request)
    service = service_ids.get_service_id(caller, service_id)
    if request.method == "GET":
        initial = {name: getattr(service, name) for name in EditServiceIdForm.base_fields}
        initial |= drafts.take(request, caller.identity.iam_id)
        return _form(request, EditServiceIdForm(initial=initial), service)
    form = EditServiceIdForm(request.POST)
    if not form.is_valid():
        return _form(request, form, service, UNPROCESSABLE)
    try:
        changed = service_ids.update_service_id(
            caller, service_id, form.changes(), entity_tag=form.cleaned_data["entity_tag"]
        )
    except ServiceIdConflict as exc:
        service = service_ids.get_service_id(caller, service_id)
        form.replace("entity_tag", service.entity_tag)
        return _form(request, form, service, exc.status, conflict=sentence(exc))
    messages.success(request, _("The changes to %(name)s were saved.") % {"name": changed.name})
    return _to(changed)


@require_POST
def service_id_lock(request: Request, service_id: str, locked: bool) -> HttpResponseBase:
    """Lock against change and deletion, or unlock."""
    service = service_ids.lock_service_id(caller_of(request), service_id, locked=locked)
    message = _("%(name)s is locked: it can't be changed or deleted.") if locked else _("%(name)s is unlocked.")
    return _done(request, service, message)


@require_POST
def service_id_disable(request: Request, service_id: str, disabled: bool) -> HttpResponseBase:
    """Refuse all keys of a service ID, or no longer."""
    service = service_ids.disable_service_id(caller_of(request), service_id, disabled=disabled)
    message = (
        _("%(name)s is disabled: its API keys do not work until it is enabled.")
        if disabled
        else _("%(name)s is enabled: its API keys work again.")
    )
    return _done(request, service, message)


@require_POST
def service_id_take_over(request: Request, service_id: str) -> HttpResponseBase:
    """Have the administrator who asks manage it from now on."""
    service = service_ids.take_over_service_id(caller_of(request), service_id)
    return _done(request, service, _("You manage %(name)s now."))


@require_http_methods(["GET", "POST"])
def service_id_delete(request: Request, service_id: str) -> HttpResponseBase:
    """Confirm, then delete with all keys. One that can't be deleted says why, and what to do."""
    caller = caller_of(request)
    service = service_ids.get_service_id(caller, service_id)
    problem, status = "", 200
    if request.method == "POST":
        try:
            service_ids.delete_service_id(caller, service_id)
        except (DeleteNotPossible, ServiceIdLocked) as exc:
            problem, status = sentence(exc), exc.status
        else:
            messages.success(request, _("%(name)s was deleted with its API keys.") % {"name": service.name})
            return see_other(reverse("service_id_list"))
    [described] = service_ids.describe([service])
    context = {"described": described, "service": service, "newest": service_ids.newest_keys(caller, service)}
    context |= {"usage": service_ids.get_usage(caller, service_id), "problem": problem}
    return render(request, "apikeys/service_id_delete.html", context, status=status)


def _form(
    request: Request,
    form: CreateServiceIdForm | EditServiceIdForm,
    service: ServiceId | None = None,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    context = {"form": form, "service": service, "author": drafts.SIGNER.sign(request.user.iam_id)} | more
    return render(request, "apikeys/service_id_form.html", context, status=status)


def _done(request: Request, service: ServiceId, message: str) -> HttpResponseBase:
    messages.success(request, message % {"name": service.name})
    return _to(service)


def _to(service: ServiceId) -> HttpResponseBase:
    return see_other(reverse("service_id_details", args=[service.id]))
