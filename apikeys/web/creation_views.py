"""Creating a key and handing over its value: the form, the page with the value, its receipt, more time, the file."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apikeys.domain import ApiKeyDraft, Identity, IssuedApiKey
from apikeys.exceptions import (
    ApiKeyLimitReached,
    BeingCreated,
    CreationNotAllowed,
    NotAuthorized,
    RuleBroken,
    StoreError,
)
from apikeys.iam import payloads
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services import creation, offered_scopes, rules, unconfirmed
from apikeys.services.delivery import LIFETIME, MOST_EXTENSIONS, Delivery
from apikeys.services.messages import sentence
from apikeys.web import drafts, prefill
from apikeys.web.background import background
from apikeys.web.forms import CreateForm, new_nonce
from apikeys.web.navigation import without_values_in
from apikeys.web.responses import (
    DIALOGS,
    LIST,
    UNPROCESSABLE,
    dialog,
    see_other,
    service_of,
    state_of,
    to_list,
)

# Shown in the form, so that what was typed stays, and the form can be sent again.
SHOWN_IN_FORM = (ApiKeyLimitReached, BeingCreated, NotAuthorized, StoreError)
PIXEL = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("nonce")
def api_key_create(request: Request) -> HttpResponseBase:
    """The create dialog, which a link may fill in, and the key it makes: over the list of a service ID, for that."""
    address = request.get_full_path()
    if request.method == "GET" and without_values_in(address) != address:  # a link brought a value: no page repeats it
        return see_other(without_values_in(address))
    caller = caller_of(request)
    service = service_of(caller, state_of(request))
    form_of = partial(
        CreateForm,
        iam_id=caller.identity.iam_id,
        account_id=caller.identity.account_id,
        address=request.client_address,
        rules=rules.effective(),
    )
    if request.method == "GET":
        refusal = rules.refusal_of_creation(caller, service.iam_id if service else "")
        if isinstance(refusal, CreationNotAllowed):
            return dialog(request, "not_created", {"message": sentence(refusal)})
        context = {"form": _form_to_fill_in(request, caller.identity, form_of), "service": service}
        return dialog(request, "create", context | ({"notice": sentence(refusal)} if refusal else {}))
    form = form_of(request.POST)
    status = UNPROCESSABLE
    if form.is_valid():
        try:
            draft = replace(form.draft(), iam_id=service.iam_id) if service else form.draft()
            return create_and_show(request, draft, form.cleaned_data["delivery"])
        except RuleBroken as exc:
            form.refuse(exc)
        except SHOWN_IN_FORM as exc:
            form.add_error(None, sentence(exc))
            status = exc.status
    return dialog(request, "create", {"form": form, "service": service}, status)


def _form_to_fill_in(request: Request, identity: Identity, form_of: Callable[..., CreateForm]) -> CreateForm:
    """Return a form with what was typed before a log-in, else with what a link gives."""
    initial = {"nonce": new_nonce(), "action_when_leaked": settings.APIKEYS_ACTION_WHEN_LEAKED}
    initial |= {"account": identity.account_id}
    draft, given = drafts.take(request, identity.iam_id), prefill.read(request.GET)
    if given and not draft:
        return prefill.form_with(given, initial, form_of)
    return form_of(initial=initial | draft)


@sensitive_variables("issued", "context")
def create_and_show(request: Request, draft: ApiKeyDraft, delivery: Delivery) -> HttpResponse:
    """Create the key and answer with the one page that holds its value.

    No redirect: the value would have to wait somewhere for the next request.
    """
    return show_value(request, creation.create_api_key(caller_of(request), draft, delivery), delivery)


@sensitive_variables("issued", "context")
def show_value(request: Request, issued: IssuedApiKey, delivery: Delivery) -> HttpResponse:
    """Return the one page that holds a new value, of a new key or of one that was rotated."""
    context = {
        "issued": issued,
        "delivery": delivery,
        "scopes": offered_scopes.described(issued.key.scope),
        "created_at": payloads.format_date(issued.key.created_at),
        "server_url": settings.PROGRAMS_URL,
        "lifetime": int(LIFETIME.total_seconds()),
        "most_extensions": MOST_EXTENSIONS,
        "is_rotated": issued.key.value_number > 1,
        "owner_url": state_of(request).of_same_owner().url(),
    }
    # The script finds these words again, in the title of the page as well.
    context["heading"] = context["page_title"] = _("API key rotated") if context["is_rotated"] else DIALOGS["created"]
    request.shows_value = not request.htmx
    return dialog(request, "created", context)


@background
@require_POST
@sensitive_post_parameters("nonce")
def api_key_receipt(request: Request) -> HttpResponseBase:
    """The receipt: the page with the value was drawn, or is being closed; the sealed value is wiped."""
    creation.confirm_receipt(caller_of(request), request.POST.get("nonce", ""))
    if request.htmx and request.htmx.target != LIST:
        return HttpResponse(status=204)
    return to_list(request)


@background
@require_GET
def api_key_scriptless_receipt(request: Request, nonce_digest: str) -> HttpResponse:
    """The picture that a page without script has below the value: asking for it is the receipt of the page."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin":
        creation.confirm_scriptless_receipt(caller_of(request), nonce_digest)
    return HttpResponse(PIXEL, content_type="image/svg+xml")


@require_POST
@sensitive_post_parameters("nonce")
def api_key_more_time(request: Request) -> HttpResponse:
    """More time for what is still sealed.

    Without script the answer is a page in another tab: the one with the value has to stay where it is.
    """
    wait = creation.more_time(caller_of(request), request.POST.get("nonce", ""))
    if request.htmx:
        return HttpResponse(status=204)
    request.shows_value = True  # in the other tab: the document after it comes later
    return render(request, "apikeys/more_time.html", {"wait": wait})


@require_POST
@sensitive_post_parameters("nonce")
@sensitive_variables("issued")
def api_key_download(request: Request) -> HttpResponse:
    """The file, for a page without script, once."""
    issued = creation.download_api_key(caller_of(request), request.POST.get("nonce", ""))
    return HttpResponse(
        payloads.key_file(issued),
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{payloads.KEY_FILE_NAME}"'},
    )


@require_POST
def api_key_dismiss(request: Request, creation_id: int) -> HttpResponseBase:
    """The person has looked for a key whose creation is unconfirmed: say no more of it."""
    unconfirmed.dismiss(caller_of(request), creation_id)
    return to_list(request)
