"""Manage > Access > Scopes: what keys can be limited to, for services behind the console."""

from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from apikeys import scopes
from apikeys.exceptions import InvalidApiKey, ScopeInUse
from apikeys.identity.callers import caller_of, check_administrator
from apikeys.identity.request import Request
from apikeys.services import offered_scopes
from apikeys.services.messages import sentence
from apikeys.services.validation import clean_sentence
from apikeys.web.forms import ValidatedField, sent_form
from apikeys.web.responses import UNPROCESSABLE, see_other


class SentenceForm(forms.Form):
    sentence = ValidatedField(clean_sentence, label=gettext_lazy("What it allows"))


class ScopeForm(SentenceForm):
    name = ValidatedField(scopes.clean_name, label=gettext_lazy("Name"))


@require_http_methods(["GET", "POST"])
def scope_list(request: Request) -> HttpResponseBase:
    """Every scope, and a form to define one."""
    caller = caller_of(request)
    check_administrator(caller)
    form = ScopeForm(sent_form(request))
    if form.is_valid():
        try:
            made = offered_scopes.define(caller, **form.cleaned_data)
        except InvalidApiKey as exc:
            form.add_error(exc.field, sentence(exc))
        else:
            messages.success(request, _("%(name)s is defined: keys can be limited to it.") % {"name": made.name})
            return see_other(reverse("scope_list"))
    return _drawn(request, form, UNPROCESSABLE if form.errors else 200)


@require_http_methods(["GET", "POST"])
def scope_edit(request: Request) -> HttpResponseBase:
    """Say in other words what a scope allows; its name is what services know it by, and stays."""
    caller = caller_of(request)
    scope = offered_scopes.get(caller, request.GET.get("name", ""))
    form = SentenceForm(sent_form(request), initial={"sentence": scope.sentence})
    if form.is_valid():
        offered_scopes.reword(caller, scope.name, form.cleaned_data["sentence"])
        messages.success(request, _("The changes to %(name)s were saved.") % {"name": scope.name})
        return see_other(reverse("scope_list"))
    context = {"scope": scope, "form": form, "query": urlencode({"name": scope.name})}
    return render(request, "apikeys/scope_edit.html", context, status=UNPROCESSABLE if form.errors else 200)


@require_POST
def scope_delete(request: Request) -> HttpResponseBase:
    """Delete a scope that no key has."""
    name = request.POST.get("name", "")
    try:
        offered_scopes.delete(caller_of(request), name)
    except ScopeInUse as exc:
        return _drawn(request, ScopeForm(), exc.status, refusal=sentence(exc))
    messages.success(request, _("%(name)s was deleted.") % {"name": name})
    return see_other(reverse("scope_list"))


def _drawn(request: Request, form: ScopeForm, status: int, **context: str) -> HttpResponse:
    listed = [
        (scope, "" if scope.name in scopes.BUILT_IN else urlencode({"name": scope.name}))
        for scope in offered_scopes.offered()
    ]
    return render(request, "apikeys/scopes.html", {"form": form, "scopes": listed} | context, status=status)
