"""Manage > Access > Rules: what an administrator sets for all keys, and what was there before and breaks it."""

from dataclasses import asdict
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apikeys.domain import MAX_DAYS, MAX_PER_IDENTITY, ApiKeyQuery, Creators, Rules, Sort
from apikeys.identity.callers import caller_of, check_administrator
from apikeys.identity.request import Request
from apikeys.services import rules
from apikeys.web.forms import NetworksField, sent_form
from apikeys.web.listing import ListState, number_of
from apikeys.web.responses import UNPROCESSABLE, see_other

CREATORS = {
    Creators.EVERYBODY: gettext_lazy("Everybody"),
    Creators.SOME: gettext_lazy("Administrators, and people whom they allow it"),
    Creators.ADMINISTRATORS: gettext_lazy("Administrators"),
}
UNENDING = ListState(ApiKeyQuery(whole_account=True, sort=Sort.EXPIRES, descending=True)).url()


class RulesForm(forms.Form):
    """`chosen()` has each rule that was changed, by name, once it is valid; none that a setting decides on."""

    max_lifetime_days = forms.IntegerField(
        label=gettext_lazy("Longest lifetime in days"), min_value=0, max_value=MAX_DAYS
    )
    must_expire = forms.BooleanField(label=gettext_lazy("API keys must expire"), required=False)
    creators = forms.TypedChoiceField(label=gettext_lazy("Who may create API keys"), choices=CREATORS, coerce=Creators)
    networks = NetworksField()
    keys_per_identity = forms.IntegerField(
        label=gettext_lazy("Most API keys of a person"), min_value=0, max_value=MAX_PER_IDENTITY
    )

    def __init__(self, sent: QueryDict | None, held: Rules, settings: dict[str, str]) -> None:
        super().__init__(sent, initial=asdict(held))
        for field in self.fields.values():
            field.show_hidden_initial = True  # what another administrator changes meanwhile stays
        for name, setting in settings.items():
            self.fields[name].disabled = True
            self.fields[name].help_text = setting

    def initially(self) -> list[str]:
        """Return the hidden elements that say what each field was when the form was opened."""
        return [self[name].as_hidden(only_initial=True) for name in self.fields]

    def chosen(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.changed_data}


@require_http_methods(["GET", "POST"])
def rules_page(request: Request) -> HttpResponseBase:
    """The rules, and a form to set them."""
    caller = caller_of(request)
    check_administrator(caller)
    held, sent = rules.effective(), sent_form(request)
    form = RulesForm(sent, held, rules.decided_by_settings())
    if form.is_valid():
        rules.change(caller, **form.chosen())
        messages.success(request, _("The rules were saved."))
        return see_other(reverse("rules"))
    return _drawn(request, form, held, UNPROCESSABLE if form.is_bound else 200)


def _drawn(request: Request, form: RulesForm, held: Rules, status: int) -> HttpResponse:
    found = rules.exceptions_of(caller_of(request), held)
    context = {"form": form, "found": found, "unending_url": reverse("api_key_list") + UNENDING}
    context |= {"unending": number_of(found.unending or 0), "crowded": number_of(found.crowded or 0)}
    return render(request, "apikeys/rules.html", context, status=status)
