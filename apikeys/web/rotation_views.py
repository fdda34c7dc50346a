"""Rotating a key: the form, the page with the new value, and what becomes of the previous one."""

from datetime import timedelta

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from apikeys.backends import store_traits
from apikeys.domain import ApiKey, Overlap
from apikeys.exceptions import ApiKeyLocked, InvalidApiKey, NotAuthorized, NotOffered, RotationUnderWay, RuleBroken
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services import keys, rotation, rules
from apikeys.services.delivery import Delivery
from apikeys.services.messages import sentence
from apikeys.web.creation_views import show_value
from apikeys.web.forms import OpaqueField, new_nonce
from apikeys.web.responses import UNPROCESSABLE, dialog, to_list

UNTIL_ENDED = "until_ended"
OVERLAPS = [
    ("3600", gettext_lazy("An hour")),
    ("86400", gettext_lazy("A day")),
    ("604800", gettext_lazy("A week")),
    (UNTIL_ENDED, gettext_lazy("Until I say so")),
    ("0", gettext_lazy("Not at all: it ends at once")),
]
DAY, AT_ONCE = "86400", "0"
SHOWN_IN_FORM = (ApiKeyLocked, NotAuthorized, InvalidApiKey, RotationUnderWay)


class OverlapForm(forms.Form):
    """How long the previous value works on; `overlap()` once it is valid."""

    overlap = forms.ChoiceField(label=gettext_lazy("The previous value works for"), choices=OVERLAPS, required=False)
    ask_at_end = forms.BooleanField(required=False)
    end_previous = forms.BooleanField(required=False)
    nonce = OpaqueField()

    def read(self) -> Overlap:
        """Return the overlap that was chosen, a day where none was."""
        fields = self.cleaned_data
        chosen = fields["overlap"] or DAY
        return Overlap(
            None if chosen == UNTIL_ENDED else timedelta(seconds=int(chosen)),
            asks_at_end=fields["ask_at_end"],
            ends_previous=fields["end_previous"],
        )


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("nonce")
def api_key_rotate(request: Request, key_id: str) -> HttpResponse:
    """The dialog that rotates a key, and the new value; a rotation under way is asked about first."""
    if not store_traits().knows_values:
        raise NotOffered
    caller = caller_of(request)
    key = keys.get_api_key_to_edit(caller, key_id)
    if request.method == "GET":
        form = OverlapForm(initial={"overlap": AT_ONCE if key.leaked else DAY, "nonce": new_nonce()})
        return ask(request, form, key, refusal=rules.refusal_of_rotation(key))
    form, status = OverlapForm(request.POST), UNPROCESSABLE
    if form.is_valid():
        try:
            delivery = Delivery(caller.identity.iam_id, form.cleaned_data["nonce"])
            return show_value(request, rotation.rotate_api_key(caller, key_id, form.read(), delivery), delivery)
        except RuleBroken as exc:
            return ask(request, form, key, UNPROCESSABLE, refusal=exc)
        except SHOWN_IN_FORM as exc:
            form.add_error(None, sentence(exc))
            status = exc.status
    return ask(request, form, key, status)


def ask(
    request: Request, form: OverlapForm, key: ApiKey, status: int = 200, refusal: RuleBroken | None = None
) -> HttpResponse:
    context = {"form": form, "key": key, "previous": rotation.previous_value_of(key)}
    return dialog(request, "rotate", context | ({"refusal": sentence(refusal)} if refusal else {}), status)


@require_POST
def api_key_end_previous(request: Request, key_id: str) -> HttpResponseBase:
    """Finish now: the previous value ends at once."""
    key = rotation.end_previous_value(caller_of(request), key_id)
    messages.success(request, _("The previous value of %(name)s has ended.") % {"name": key.name})
    return to_list(request)


@require_POST
def api_key_extend_previous(request: Request, key_id: str) -> HttpResponseBase:
    """Keep the previous value for another day, and ask again then."""
    overlap = Overlap(timedelta(days=1), asks_at_end=True)
    key = rotation.extend_previous_value(caller_of(request), key_id, overlap)
    messages.success(request, _("The previous value of %(name)s works for another day.") % {"name": key.name})
    return to_list(request)
