"""The one place that turns an ApiKeyError into a page, or into a message for htmx."""

from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext
from django_htmx.http import reswap, retarget

from apikeys import exceptions
from apikeys.exceptions import gettext_noop as _
from apikeys.identity.callers import note_refusal
from apikeys.identity.request import Request
from apikeys.services.messages import sentence
from apikeys.web.navigation import log_in_again, next_url_of, redirect_whole_page

DOWNLOAD = "api_key_download"
ROTATION = "api_key_rotate"
# What is said in place of the sentence about a key that was created.
ENDED_ROTATIONS: dict[type[exceptions.ApiKeyError], str] = {
    exceptions.AlreadyReceived: _("This API key was rotated and its new value shown. It is never shown a second time."),
    exceptions.HandoverExpired: _("This API key was rotated, but the time to show its new value has run out."),
}
# The title of the page for a change that was refused, by the name of its URL.
NOT_DONE = {
    "api_key_create": _("The API key was not created"),
    "api_key_edit": _("The API key was not changed"),
    "api_key_lock": _("The API key was not locked"),
    "api_key_unlock": _("The API key was not unlocked"),
    "api_key_disable": _("The API key was not disabled"),
    "api_key_enable": _("The API key was not enabled"),
    "api_key_delete": _("The API key was not deleted"),
    ROTATION: _("The API key was not rotated"),
    "api_key_restore": _("The API key was not restored"),
    "api_key_pause": _("The API key was not paused"),
    "api_key_found_end": _("The API key was not disabled"),
    DOWNLOAD: _("The API key was not downloaded"),
    "scope_list": _("The scope was not defined"),
    "scope_edit": _("The scope was not changed"),
    "scope_delete": _("The scope was not deleted"),
    "service_id_create": _("The service ID was not created"),
    "service_id_edit": _("The service ID was not changed"),
    "service_id_lock": _("The service ID was not locked"),
    "service_id_unlock": _("The service ID was not unlocked"),
    "service_id_disable": _("The service ID was not disabled"),
    "service_id_enable": _("The service ID was not enabled"),
    "service_id_delete": _("The service ID was not deleted"),
    "rules": _("The rules were not changed"),
}


class ApiKeyErrors(MiddlewareMixin):
    """Answers each ApiKeyError that a view raises: with the log-in, the choice of account, or a sentence."""

    def process_exception(self, request: Request, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, exceptions.ApiKeyError):
            return None
        note_refusal(request, exception)
        if isinstance(exception, exceptions.LogInAgain):
            return log_in_again(request, exception)
        if isinstance(exception, exceptions.AccountNeeded):
            return redirect_whole_page(
                request, redirect_to_login(next_url_of(request), resolve_url(settings.CHOOSE_ACCOUNT_URL))
            )
        if isinstance(exception, exceptions.HandoverError):
            return _answer_of_handover(request, exception)
        return _refusal(request, exception)


def _answer_of_handover(request: Request, error: exceptions.HandoverError) -> HttpResponse:
    """Return a dialog for htmx, else a page, for a form to create or download that hands no value over."""
    is_rotation = _url_name(request) == ROTATION
    if isinstance(error, exceptions.CreationUnconfirmed):
        name, title = "unconfirmed", gettext("The API key may have been created")
    else:
        name, title = "handover_ended", _what_ended(request, error)
    context = {
        "dialog_id": name,
        "title": title,
        "message": gettext(ENDED_ROTATIONS[type(error)]) if is_rotation else sentence(error),
        "is_rotation": is_rotation,
        "key_id": error.key_id,
        "is_download": _url_name(request) == DOWNLOAD,
    }
    return render(request, f"apikeys/{'_' if request.htmx else ''}{name}.html", context, status=error.status)


def _what_ended(request: Request, error: exceptions.HandoverError) -> str:
    if _url_name(request) == ROTATION:
        return gettext("This key was already rotated")
    if _url_name(request) != DOWNLOAD:
        return gettext("This key was already created")
    return (
        gettext("This key was already downloaded")
        if isinstance(error, exceptions.AlreadyReceived)
        else _what_failed(request)
    )


def _refusal(request: Request, error: exceptions.ApiKeyError) -> HttpResponse:
    """Return the sentence for the page's alert region for htmx, else a page, to try again where that may help."""
    context: dict[str, Any] = {"message": sentence(error)}
    if request.htmx:
        response = render(request, "_problem.html", context, status=error.status)
        return reswap(retarget(response, "#problem"), "innerHTML")
    context["title"] = _what_failed(request)
    context["is_forbidden"] = isinstance(error, exceptions.NotAuthorized)
    if isinstance(error, exceptions.BackendUnavailable) and request.method == "GET":
        context["retry_url"] = request.get_full_path()
    return render(request, "apikeys/refused.html", context, status=error.status)


def _what_failed(request: Request) -> str:
    """Return what a request did not do, as a title; of one that would change nothing, that it is not available."""
    if request.method != "POST":
        return gettext("Not available")
    return gettext(NOT_DONE.get(_url_name(request), _("Nothing was changed")))


def _url_name(request: Request) -> str:
    match = request.resolver_match
    return (match.url_name or "") if match else ""
