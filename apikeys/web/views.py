"""The list, and what is done to one key of it. Each view is one use case: form, service, answer."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apikeys import networks
from apikeys.backends import store_traits
from apikeys.domain import CONTAINED, ApiKey
from apikeys.exceptions import ApiKeyConflict, ApiKeyHeld, RuleBroken, StoreError
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services import keys, offered_scopes, refusals, review_rules, rotation, rules
from apikeys.services.messages import sentence
from apikeys.web import drafts, responses
from apikeys.web.charts import chart_of
from apikeys.web.compression import compressed
from apikeys.web.filters import WHOSE
from apikeys.web.forms import LEAKED_ACTIONS, EditForm, limits_of
from apikeys.web.listing import ListState, actions_of
from apikeys.web.navigation import without_values_in


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("q")
def api_key_list(request: Request) -> HttpResponseBase:
    """The list, or only its table when htmx asks.

    Without script the search form is posted, and redirected to its URL: somebody may search for a key's value, which
    must be in no URL. An owner who was typed is there by IAM ID.
    """
    address = _better_address(request)
    if address:
        return responses.see_other(address)
    if responses.wants_fragment(request):
        if request.htmx.target == responses.LIST:
            return responses.in_place(request)
        context = responses.list_context(request)
        page = render(request, "apikeys/_table.html", context)
    else:
        context, status = responses.page_context(request)
        page = render(request, "apikeys/page.html", context, status=status)
    return compressed(request, page) if responses.is_plain(request, context["state"]) else page


def _better_address(request: Request) -> str:
    """Return where the list that a request asks for is better found, "" where that is where it was asked for."""
    address, is_sent = request.get_full_path(), request.method == "POST"
    is_changed = is_sent or without_values_in(address) != address
    if not (is_changed or WHOSE in request.GET):
        return ""
    caller = caller_of(request)
    state = ListState.from_url(request.POST if is_sent else request.GET, may_see_all=keys.lists_whole_account(caller))
    meant = keys.find_owners(caller, state.whose) if state.whose else []
    if len(meant) == 1:
        state = state.of_owner(meant[0].iam_id)
    return reverse("api_key_list") + state.url() if is_changed or len(meant) == 1 else ""


@require_GET
def api_key_details(request: Request, key_id: str) -> HttpResponse:
    """Everything about a key but its value, and its history."""
    caller = caller_of(request)
    key, history = keys.get_details(caller, key_id)
    why = refusals.why_of(key, history) if store_traits().knows_values else None
    by = [why.cause.by] if why and why.cause and why.cause.by else []
    owners = keys.owners_of([key], *by)
    context: dict[str, Any] = {"why": why, "cause_by": owners[by[0]] if by else None, "key": key, "history": history}
    context |= {"leaked_action": LEAKED_ACTIONS[key.action_when_leaked]} | _networks_of(key)
    context["scopes"] = offered_scopes.described(key.scope)
    context |= {"owner": owners[key.iam_id], "creator": owners[key.created_by]} | _life_of(key)
    context["owner_page"] = responses.page_of_owner(caller, owners[key.iam_id])
    context |= {
        "actions": actions_of(key, caller.identity, rotates=store_traits().knows_values),
        "key_url": reverse("api_key_details", args=[key.id]),
        "held": _held(key),
    }
    return responses.dialog(request, "details", context)


def _networks_of(key: ApiKey) -> dict[str, Any]:
    """Return what the details tell of where a key can be used from; the rules where they leave less of it."""
    admitted, left_out = networks.parted(key.networks)
    limits = rules.effective().networks
    at_most = "" if networks.is_within(key.networks, limits) else ", ".join(networks.listed(limits))
    return {"admitted": admitted, "left_out": left_out, "networks_at_most": at_most}


def _held(key: ApiKey) -> list[str]:
    """Return in sentences what was done to a key that only an administrator can undo."""
    states = ((key.disabled, key.disabled_hold, False), (key.locked, key.locked_hold, True))
    return [
        sentence(ApiKeyHeld(hold, is_locked=is_lock)) for is_so, hold, is_lock in states if is_so and hold in CONTAINED
    ]


def _life_of(key: ApiKey) -> dict[str, Any]:
    """Return what the details tell of the uses of a key, and of a rotation and a pause that are under way."""
    if not store_traits().knows_values:
        return {}
    use = keys.use_of(key)
    found: dict[str, Any] = {"use": use, "chart": chart_of(use.days), "review_notes": review_rules.notes_of(key)}
    if previous := rotation.previous_value_of(key):
        found |= {"previous": previous, "progress": rotation.progress_of(key, previous)}
    if key.is_paused:
        found["refused_in_pause"] = refusals.refusals_since(key.id, key.modified_at)
    return found


@require_POST
def api_key_lock(request: Request, key_id: str, locked: bool) -> HttpResponseBase:
    """Lock against change and deletion, or unlock."""
    key = keys.lock_api_key(caller_of(request), key_id, locked=locked)
    message = _("%(name)s is locked: it can't be changed or deleted.") if locked else _("%(name)s is unlocked.")
    messages.success(request, message % {"name": key.name})
    return responses.to_list(request)


@require_POST
def api_key_disable(request: Request, key_id: str, disabled: bool) -> HttpResponseBase:
    """Stop a key from being used, or let it be used again."""
    key = keys.disable_api_key(caller_of(request), key_id, disabled=disabled)
    message = (
        _("%(name)s is disabled and does not work until it is enabled.")
        if disabled
        else _("%(name)s is enabled and works again.")
    )
    messages.success(request, message % {"name": key.name})
    return responses.to_list(request)


@require_http_methods(["GET", "POST"])
def api_key_edit(request: Request, key_id: str) -> HttpResponseBase:
    """Edit name, description and expiration; a stale edit shows both versions."""
    caller, held = caller_of(request), rules.effective()
    if request.method == "GET":
        key = keys.get_api_key_to_edit(caller, key_id)
        initial = {name: getattr(key, name) for name in EditForm.base_fields if hasattr(key, name)}
        initial |= limits_of(key) | drafts.take(request, caller.identity.iam_id)
        return _edit_dialog(request, EditForm(initial=initial, rules=held), key)
    form = EditForm(request.POST, address=request.client_address, rules=held)
    if not form.is_valid():
        key = keys.get_api_key(caller, key_id)  # that it is gone is said rather than what is wrong with the form
        return _edit_dialog(request, form, key, responses.UNPROCESSABLE)
    try:
        try:
            changed = keys.update_api_key(caller, key_id, form.changes(), entity_tag=form.cleaned_data["entity_tag"])
        except ApiKeyConflict as exc:
            key = keys.get_api_key(caller, key_id)
            form.replace("entity_tag", key.entity_tag)
            return _edit_dialog(request, form, key, exc.status, conflict=sentence(exc))
        except RuleBroken as exc:
            form.refuse(exc)
            return _edit_dialog(request, form, keys.get_api_key(caller, key_id), responses.UNPROCESSABLE)
    except StoreError as exc:
        form.add_error(None, sentence(exc))
        return responses.dialog(request, "edit", {"form": form}, exc.status)
    messages.success(request, _("The changes to %(name)s were saved.") % {"name": changed.name})
    return responses.to_list(request)


def _edit_dialog(request: Request, form: EditForm, key: ApiKey, status: int = 200, **context: Any) -> HttpResponse:
    form.end_by(rules.latest_end_of(form.rules, key))
    return responses.dialog(request, "edit", {"form": form, "key": key} | context, status)
