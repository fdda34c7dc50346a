"""The one place that turns an ApiKeyError into a page, or into a message for htmx."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext

from apikeys.exceptions import (
    AccountNeeded,
    AlreadyReceived,
    ApiKeyError,
    BackendUnavailable,
    CreationUnconfirmed,
    HandoverError,
    LogInAgain,
)
from apikeys.exceptions import gettext_noop as _
from apikeys.identity.request import Request
from apikeys.services.messages import sentence
from apikeys.web.navigation import log_in_again, next_url_of, redirect_whole_page

# What a refused request was for, by the name of its address; a page that can't be shown has a title of its own.
REFUSED = {
    "api_key_create": _("The API key was not created"),
    "api_key_edit": _("The API key was not changed"),
    "api_key_lock": _("The API key was not locked"),
    "api_key_unlock": _("The API key was not unlocked"),
    "api_key_disable": _("The API key was not disabled"),
    "api_key_enable": _("The API key was not enabled"),
    "api_key_delete": _("The API key was not deleted"),
    "api_key_download": _("The API key was not downloaded"),
}


class ApiKeyErrors:
    def __init__(self, get_response: Callable[[Request], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Request) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: Request, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, ApiKeyError):
            return None
        if isinstance(exception, LogInAgain):
            return log_in_again(request, exception)
        if isinstance(exception, AccountNeeded):
            return redirect_whole_page(
                request, redirect_to_login(next_url_of(request), resolve_url(settings.CHOOSE_ACCOUNT_URL))
            )
        context = {"message": sentence(exception), "key_id": getattr(exception, "key_id", "")}
        if isinstance(exception, BackendUnavailable) and request.method == "GET":
            context["retry_url"] = request.get_full_path()
        if isinstance(exception, CreationUnconfirmed):
            context["title"] = gettext("The API key may have been created")
            template = "apikeys/_unconfirmed.html" if request.htmx else "apikeys/unconfirmed.html"
        elif isinstance(exception, HandoverError):
            template = "apikeys/_not_again.html" if request.htmx else "apikeys/not_again.html"
            context |= _not_again(request, exception)
        else:
            template = "_problem.html" if request.htmx else "apikeys/refused.html"
            context["title"] = "" if request.htmx else _what_was_refused(request)
        response = render(request, template, context, status=exception.status)
        if template == "_problem.html":
            response.headers["HX-Retarget"] = "#problem"
            response.headers["HX-Reswap"] = "innerHTML"
        return response


def _not_again(request: Request, error: HandoverError) -> dict[str, object]:
    """Return the title for a form that came again, and whether it was the one that downloads."""
    if request.resolver_match is None or request.resolver_match.url_name != "api_key_download":
        return {"title": gettext("This key was already created"), "is_download": False}
    title = (
        gettext("This key was already downloaded") if isinstance(error, AlreadyReceived) else _what_was_refused(request)
    )
    return {"title": title, "is_download": True}


def _what_was_refused(request: Request) -> str:
    """Return what did not happen, as a title; for a request that would change nothing, that it is not available."""
    match = request.resolver_match
    if match is None or request.method != "POST":
        return gettext("Not available")
    return gettext(REFUSED.get(match.url_name or "", _("Nothing was changed")))
