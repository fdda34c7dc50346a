"""Why a key was refused, by the ID of the request, and whose key a value is that somebody found."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from apikeys.backends import store_traits
from apikeys.exceptions import ApiKeyNotFound, InvalidApiKey, NotOffered, RefusalNotFound
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services import found_values, keys, refusals
from apikeys.services.messages import sentence
from apikeys.web.listing import without_values
from apikeys.web.responses import UNPROCESSABLE, dialog, to_list

MOST_OF_AN_ID = 100


class RequestIdForm(forms.Form):
    request_id = forms.CharField(
        label=gettext_lazy("Request ID"), error_messages={"required": gettext_lazy("Enter a request ID.")}
    )


class FoundValueForm(forms.Form):
    """What was pasted is never drawn again, whatever becomes of the form."""

    value = forms.CharField(
        label=gettext_lazy("API key"),
        strip=False,
        error_messages={"required": gettext_lazy("Paste an API key.")},
        widget=forms.PasswordInput,
    )


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("request_id")
@sensitive_variables("asked")
def api_key_refusals(request: Request) -> HttpResponse:
    """What was refused in the request of an ID, for whom the key concerns."""
    _check_offered()
    if request.method == "GET":
        return dialog(request, "refusals", {"form": RequestIdForm()})
    # Somebody may take a value for the ID: it is replaced before anything repeats it.
    asked = without_values(request.POST.get("request_id", ""))[:MOST_OF_AN_ID]
    form = RequestIdForm({"request_id": asked})
    if not form.is_valid():
        return dialog(request, "refusals", {"form": form}, UNPROCESSABLE)
    caller = caller_of(request)
    try:
        found = refusals.by_request(caller, form.cleaned_data["request_id"])
    except RefusalNotFound as exc:
        form.add_error("request_id", sentence(exc))
        return dialog(request, "refusals", {"form": form}, exc.status)
    owners = keys.owners_of([explained.key for explained in found])
    told = [(explained, owners[explained.key.iam_id]) for explained in found]
    return dialog(request, "refusals", {"form": form, "told": told})


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("value")
@sensitive_variables("form", "value")
def api_key_found(request: Request) -> HttpResponse:
    """Whose key is this: the value is looked at once, and is in nothing that is answered or kept."""
    _check_offered()
    if request.method == "GET":
        return dialog(request, "found", {"form": FoundValueForm()})
    form = FoundValueForm(request.POST)
    if not form.is_valid():
        return dialog(request, "found", {"form": form}, UNPROCESSABLE)
    found = found_values.whose(caller_of(request), form.cleaned_data["value"])
    return dialog(request, "found", {"form": FoundValueForm(), "is_answered": True, "found": found})


@require_POST
@sensitive_post_parameters("proof")
def api_key_found_end(request: Request) -> HttpResponseBase:
    """Disable at once, for whoever has just shown the value."""
    try:
        key, is_disabled = found_values.end_at_once(caller_of(request), request.POST.get("proof", ""))
    except ApiKeyNotFound:
        messages.info(request, _("That API key no longer exists. It may have been deleted in another tab."))
        return to_list(request)
    except InvalidApiKey as exc:
        form = FoundValueForm({})
        form.errors.clear()
        form.add_error(None, sentence(exc))
        return dialog(request, "found", {"form": form}, UNPROCESSABLE)
    message = (
        _("%(name)s is disabled and does not work until it is enabled.")
        if is_disabled
        else _("The previous value of %(name)s has ended.")
    )
    messages.success(request, message % {"name": key.name})
    return to_list(request)


def _check_offered() -> None:
    if not store_traits().knows_values:
        raise NotOffered
