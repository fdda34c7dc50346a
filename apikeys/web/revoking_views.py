"""All keys of a person, or of everybody, are disabled at once, after somebody has typed whose."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services import revoking
from apikeys.web.responses import UNPROCESSABLE, dialog, to_list

EVERYBODY = "revoke all"  # what is typed for everybody: the same in each language


class RevokeForm(forms.Form):
    """What was typed has to be `phrase`."""

    typed = forms.CharField(
        required=False, max_length=255, error_messages={"max_length": gettext_lazy("This is not what is asked for.")}
    )

    def __init__(self, *args: Any, phrase: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.phrase = phrase

    def clean_typed(self) -> str:
        if self.cleaned_data["typed"].strip() != self.phrase:
            raise forms.ValidationError(_("Type %(phrase)s to confirm."), params={"phrase": self.phrase})
        return self.phrase


@require_http_methods(["GET", "POST"])
def api_keys_revoke(request: Request, iam_id: str = "") -> HttpResponseBase:
    """Ask, then disable every key of somebody, of everybody where nobody is named."""
    caller = caller_of(request)
    owner = revoking.find_owner(caller, iam_id) if iam_id else None
    number = revoking.count(caller, owner)
    form = RevokeForm(request.POST or None, phrase=(owner.user_id or owner.iam_id) if owner else EVERYBODY)
    if not form.is_valid():
        context = {"form": form, "owner": owner, "number": number, "number_told": f"{number:,}"}
        context |= {"is_held": caller.identity.is_administrator}
        return dialog(request, "revoke", context, UNPROCESSABLE if form.is_bound else 200)
    done = revoking.revoke_all(caller, owner)
    message = ngettext("%(number)s API key was disabled.", "%(number)s API keys were disabled.", done)
    messages.success(request, message % {"number": f"{done:,}"})
    return to_list(request)
