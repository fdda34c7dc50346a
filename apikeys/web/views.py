"""The page: list, create and hand over, edit, delete. Each view is one use case: form, service, template."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect, replace_url, reswap, retarget

from apikeys import values
from apikeys.domain import PAGE_SIZES, ApiKeyDraft, ApiKeyPage, Sort
from apikeys.exceptions import (
    ApiKeyConflict,
    ApiKeyLimitReached,
    ApiKeyNotFound,
    BeingCreated,
    NotAuthorized,
    StoreError,
)
from apikeys.iam import payloads
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services import delivery, keys
from apikeys.services.messages import sentence
from apikeys.web import drafts
from apikeys.web.forms import CreateForm, EditForm, new_nonce
from apikeys.web.listing import ListState, Row, order, position, said, without_values
from apikeys.web.navigation import open_page

UNPROCESSABLE = 422
LIST = "list"  # id of all that a change of a key may change on the page of the list
# Told in the form, so that what was typed stays, and the form can be sent again.
TOLD_IN_FORM = (ApiKeyLimitReached, BeingCreated, NotAuthorized, StoreError)
PIXEL = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("q")
def api_key_list(request: Request) -> HttpResponseBase:
    """The list, or only its table when htmx asks.

    A form without script is posted, and answered with the address of what it found: somebody may look for a value,
    which belongs into no address.
    """
    caller = caller_of(request)
    if request.method == "POST" or without_values(request.GET.get("q", "")) != request.GET.get("q", ""):
        sent = request.POST if request.method == "POST" else request.GET
        state = ListState.from_url(sent, may_see_all=keys.lists_whole_account(caller))
        return see_other(reverse("api_key_list") + state.url())
    if _wants_fragment(request):
        if request.htmx.target == LIST:
            return in_place(request)
        return render(request, "apikeys/_table.html", list_context(request))
    context, status = page_context(request)
    return render(request, "apikeys/list.html", context, status=status)


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("nonce")
def api_key_create(request: Request) -> HttpResponse:
    """The create dialog, and the key it makes."""
    identity = caller_of(request).identity
    if request.method == "GET":
        initial = {"nonce": new_nonce(), "action_when_leaked": settings.APIKEYS_ACTION_WHEN_LEAKED}
        initial |= {"account": identity.account_id} | drafts.take(request, identity.iam_id)
        return dialog(request, "create", {"form": CreateForm(initial=initial)})
    form, status = CreateForm(request.POST), UNPROCESSABLE
    nonce = request.POST.get("nonce", "")
    if not delivery.is_nonce(nonce):
        form.add_error(None, _("This form is incomplete. Send it again."))
    if form.data.get("account") not in (None, "", identity.account_id):
        form.add_error(
            None,
            _("You chose another account after you opened this form. Check the account, then send the form again."),
        )
        form.replace("account", identity.account_id)
    if form.is_valid():
        try:
            return hand_over(request, form.draft(), nonce)
        except TOLD_IN_FORM as exc:
            form.add_error(None, sentence(exc))
            status = exc.status
    if not delivery.is_nonce(nonce):
        form.replace("nonce", new_nonce())
    return dialog(request, "create", {"form": form}, status)


@sensitive_variables("issued", "nonce")
def hand_over(request: Request, draft: ApiKeyDraft, nonce: str) -> HttpResponse:
    """Create the key and answer with the one page that holds its value.

    No redirect: the value would have to wait somewhere for the next request.
    """
    caller = caller_of(request)
    issued = keys.create_api_key(caller, draft, nonce=nonce)
    context: dict[str, object] = {
        "issued": issued,
        "wait": keys.waiting(caller, nonce),
        "created_at": payloads.format_date(issued.key.created_at),
        "nonce": nonce,
        "nonce_digest": delivery.digest(nonce),
        "server_url": settings.PROGRAMS_URL,
        "lifetime": int(delivery.LIFETIME.total_seconds()),
        "most_extensions": delivery.MOST_EXTENSIONS,
    }
    request.shows_value = not request.htmx
    return dialog(request, "created", context)


@require_POST
@sensitive_post_parameters("nonce")
def api_key_receipt(request: Request) -> HttpResponseBase:
    """The page with the value was drawn, or is being closed: wipe the sealed value."""
    keys.confirm_receipt(caller_of(request), request.POST.get("nonce", ""))
    if request.htmx and request.htmx.target != LIST:
        return HttpResponse(status=204)
    return to_list(request)


@require_GET
def api_key_scriptless_receipt(request: Request, nonce_digest: str) -> HttpResponse:
    """The picture that a page without script includes behind the value: it was drawn."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin":
        keys.confirm_scriptless_receipt(caller_of(request), nonce_digest)
    return HttpResponse(PIXEL, content_type="image/svg+xml")


@require_POST
@sensitive_post_parameters("nonce")
def api_key_more_time(request: Request) -> HttpResponse:
    """More time for what is still sealed.

    Without script the answer is a page in another tab: the one with the value has to stay where it is.
    """
    wait = keys.more_time(caller_of(request), request.POST.get("nonce", ""))
    if request.htmx:
        return HttpResponse(status=204)
    request.shows_value = True  # in the other tab: the document after it comes later
    return render(request, "apikeys/more_time.html", {"wait": wait})


@require_POST
@sensitive_post_parameters("nonce")
@sensitive_variables("issued")
def api_key_download(request: Request) -> HttpResponse:
    """The file, for a page without script, once."""
    issued = keys.download_api_key(caller_of(request), request.POST.get("nonce", ""))
    return HttpResponse(
        payloads.key_file(issued),
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{payloads.KEY_FILE_NAME}"'},
    )


@require_POST
def api_key_settle(request: Request, claim_id: int) -> HttpResponseBase:
    """The person has looked for a key whose creation was not answered: say no more of it."""
    keys.settle_uncertain_creation(caller_of(request), claim_id)
    return to_list(request)


@require_GET
def api_key_details(request: Request, key_id: str) -> HttpResponse:
    """Everything about a key but its value, and its history."""
    key, history = keys.get_details(caller_of(request), key_id)
    owners = keys.owners_of([key])
    people = {"owner": owners[key.iam_id], "creator": owners[key.created_by]}
    return dialog(request, "details", {"key": key, "history": history, **people})


@require_POST
def api_key_lock(request: Request, key_id: str, locked: bool) -> HttpResponseBase:
    """Lock against change and deletion, or unlock."""
    key = keys.lock_api_key(caller_of(request), key_id, locked=locked)
    said = _("%(name)s is locked: it can't be changed or deleted.") if locked else _("%(name)s is unlocked.")
    messages.success(request, said % {"name": key.name})
    return to_list(request)


@require_POST
def api_key_disable(request: Request, key_id: str, disabled: bool) -> HttpResponseBase:
    """Stop a key from being used, or let it be used again."""
    key = keys.disable_api_key(caller_of(request), key_id, disabled=disabled)
    said = (
        _("%(name)s is disabled and does not work until it is enabled.")
        if disabled
        else _("%(name)s is enabled and works again.")
    )
    messages.success(request, said % {"name": key.name})
    return to_list(request)


@require_http_methods(["GET", "POST"])
def api_key_edit(request: Request, key_id: str) -> HttpResponseBase:
    """Edit name, description and expiration; a stale edit shows both versions."""
    if request.method == "GET":
        key = keys.get_api_key_to_edit(caller_of(request), key_id)
        initial = {"name": key.name, "description": key.description, "entity_tag": key.entity_tag}
        initial |= drafts.take(request, caller_of(request).identity.iam_id)
        return dialog(request, "edit", {"form": EditForm(initial=initial), "key_id": key_id, "key": key})
    form = EditForm(request.POST)
    context: dict[str, object] = {"form": form, "key_id": key_id}
    if not form.is_valid():
        key = keys.get_api_key(caller_of(request), key_id)  # that there is none comes before what was typed
        return dialog(request, "edit", context | {"key": key}, UNPROCESSABLE)
    try:
        try:
            tag = form.cleaned_data["entity_tag"]
            changed = keys.update_api_key(caller_of(request), key_id, form.changes(), entity_tag=tag)
        except ApiKeyConflict as exc:
            key = keys.get_api_key(caller_of(request), key_id)
            form.replace("entity_tag", key.entity_tag)
            return dialog(request, "edit", context | {"key": key, "conflict": sentence(exc)}, exc.status)
    except StoreError as exc:
        form.add_error(None, sentence(exc))
        return dialog(request, "edit", context, exc.status)
    messages.success(request, _("The changes to %(name)s were saved.") % {"name": changed.name})
    return to_list(request)


@require_http_methods(["GET", "POST"])
def api_key_delete(request: Request, key_id: str) -> HttpResponseBase:
    """Confirm, then delete. A key that is already gone is news, not an error."""
    try:
        if request.method == "GET":
            key = keys.get_api_key(caller_of(request), key_id)
            owner = keys.owners_of([key])[key.iam_id]
            return dialog(request, "delete", {"key": key, "owner": owner})
        deleted = keys.delete_api_key(caller_of(request), key_id)
    except ApiKeyNotFound:
        messages.info(request, _("That API key no longer exists. It may have been deleted in another tab."))
        return to_list(request)
    messages.success(request, _("%(name)s was deleted and no longer works.") % {"name": deleted.name})
    return to_list(request)


def state_of(request: Request) -> ListState:
    """Return what is being looked at; only administrators look at all users' keys."""
    return ListState.from_url(request.GET, may_see_all=keys.lists_whole_account(caller_of(request)))


def list_context(request: Request) -> dict[str, Any]:
    """Return what the list's templates need, from the state in the URL."""
    caller, state = caller_of(request), state_of(request)
    page = keys.list_api_keys(caller, replace(state.query, counted=True))
    if not page.keys and state.query.cursor is not None:  # the rows beyond were deleted meanwhile
        state = state.at(None)
        page = keys.list_api_keys(caller, replace(state.query, counted=True))
    owners = keys.owners_of(page.keys) if state.query.whole_account else {}
    base = reverse("api_key_list")
    return {
        "state": state,
        "page": page,
        "rows": [Row(key, owners.get(key.iam_id), key.is_editable_by(caller.identity)) for key in page.keys],
        "offers_all": keys.lists_whole_account(caller),
        "state_url": state.url(),
        "unsearched_url": base + state.without_search().url(),
        "first_url": base + state.at(None).url() if page.previous else "",
        "previous_url": base + state.at(page.previous).url() if page.previous else "",
        "next_url": base + state.at(page.next).url() if page.next else "",
        "last_url": base + state.at(page.last).url() if page.last else "",
        "offers_last": page.last is not None or page.extent.total is not None,
        "position": position(page, searched=bool(state.query.search)),
        "said": said(page, state.query),
        "order": order(state.query),
        "value_like": values.VALUE_LIKE.pattern,
        "value_prefix": settings.APIKEYS_PREFIX,
        "hint_length": values.HINT_LENGTH,
        "page_sizes": PAGE_SIZES,
        "sort_urls": {sort.value: base + state.sorted_by(sort).url() for sort in Sort},
    }


def page_context(request: Request) -> tuple[dict[str, Any], int]:
    """Return what the page around the list needs, and its status.

    Where the store does not answer, what it says stands in place of the table.
    """
    caller, status = caller_of(request), 200
    try:
        context = list_context(request)
    except (StoreError, NotAuthorized) as exc:
        state = state_of(request)
        context = {"state": state, "state_url": state.url(), "store_problem": sentence(exc)}
        context |= {"page": ApiKeyPage(()), "retry_url": reverse("api_key_list") + state.url()}
        status = exc.status
    listed = context["page"].keys
    context["uncertain"] = [
        {"creation": creation, "candidates": keys.candidates_for(caller, creation, listed)}
        for creation in keys.uncertain_creations(caller)
    ]
    return context, status


def dialog(request: Request, name: str, context: dict[str, object], status: int = 200) -> HttpResponse:
    """Return a dialog: alone for htmx, else as a page of its own over the list."""
    context |= {"author": drafts.signed_author(request.user.iam_id)}
    if _wants_fragment(request):
        context |= {"state_url": state_of(request).url()}
        return render(request, f"apikeys/_{name}.html", context, status=status)
    return render(request, f"apikeys/{name}.html", context | page_context(request)[0], status=status)


def to_list(request: Request) -> HttpResponseBase:
    """Return to the list as it was looked at; where it is the page that is open, only what may have changed in it."""
    base = reverse("api_key_list")
    url = base + state_of(request).url()
    if not request.htmx:
        return see_other(url)
    return in_place(request) if urlsplit(open_page(request)).path == base else HttpResponseClientRedirect(url)


def in_place(request: Request) -> HttpResponse:
    """Return the list as it is now, with the news, for the page that htmx asks from.

    What was done is done: where the store tells no list any more, that is the answer, and no failure.
    """
    context = page_context(request)[0] | {"news": messages.get_messages(request)}
    response = render(request, "apikeys/_list.html", context)
    address = f"{reverse('api_key_list')}{context['state_url']}"
    return replace_url(reswap(retarget(response, f"#{LIST}"), "outerHTML"), address)


def see_other(url: str) -> HttpResponseBase:
    """Return a redirect that is followed with GET."""
    response = redirect(url)
    response.status_code = 303
    return response


def _wants_fragment(request: Request) -> bool:
    return bool(request.htmx) and not request.htmx.history_restore_request
