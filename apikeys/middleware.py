"""The one place that turns an ApiKeyError into a page, or into a message for htmx."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django_htmx.http import HttpResponseClientRedirect

from apikeys import typed
from apikeys.exceptions import (
    AccountNeeded,
    AlreadyReceived,
    ApiKeyError,
    BackendUnavailable,
    CreationUncertain,
    HandoverError,
    LogInAgain,
)
from apikeys.exceptions import gettext_noop as _

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
# What can be opened again by its address.
PAGES = ("dashboard", "api_key_list", "api_key_create", "api_key_edit", "api_key_delete", "api_key_details")


class ApiKeyErrors:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, ApiKeyError):
            return None
        if isinstance(exception, LogInAgain):
            return to_log_in(request, exception)
        if isinstance(exception, AccountNeeded):
            return whole_page(request, redirect_to_login(_place(request), resolve_url(settings.CHOOSE_ACCOUNT_URL)))
        context = {"message": sentence(exception), "key_id": getattr(exception, "key_id", "")}
        if isinstance(exception, BackendUnavailable) and request.method == "GET":
            context["retry_url"] = request.get_full_path()
        if isinstance(exception, CreationUncertain):
            context["title"] = gettext("The API key may have been created")
            template = "apikeys/_unanswered.html" if request.htmx else "apikeys/unanswered.html"  # type: ignore[attr-defined]
        elif isinstance(exception, HandoverError):
            template = "apikeys/_not_again.html" if request.htmx else "apikeys/not_again.html"  # type: ignore[attr-defined]
            context |= _not_again(request, exception)
        else:
            template = "_problem.html" if request.htmx else "apikeys/refused.html"  # type: ignore[attr-defined]
            context["title"] = "" if request.htmx else _refused_title(request)  # type: ignore[attr-defined]
        response = render(request, template, context, status=exception.status)
        if template == "_problem.html":
            response.headers["HX-Retarget"] = "#problem"
            response.headers["HX-Reswap"] = "innerHTML"
        return response


def _not_again(request: HttpRequest, error: HandoverError) -> dict[str, object]:
    """Return the title for a form that came again, and whether it was the one that downloads."""
    if request.resolver_match is None or request.resolver_match.url_name != "api_key_download":
        return {"title": gettext("This key was already created"), "is_download": False}
    title = (
        gettext("This key was already downloaded") if isinstance(error, AlreadyReceived) else _refused_title(request)
    )
    return {"title": title, "is_download": True}


def _refused_title(request: HttpRequest) -> str:
    match = request.resolver_match
    is_change = match is not None and request.method == "POST"
    return gettext(REFUSED.get(match.url_name or "", _("Nothing was changed")) if is_change else _("Not available"))  # type: ignore[union-attr]


def to_log_in(request: HttpRequest, error: LogInAgain) -> HttpResponse:
    """End the session, and lead to log-in and back to the same place with what was typed."""
    iam_id, back = request.user.iam_id, _place(request)  # type: ignore[union-attr]
    logout(request)
    keep_typed(request, iam_id)
    messages.warning(request, sentence(error))
    return whole_page(request, redirect_to_login(back, resolve_url(settings.LOGIN_URL)))


def keep_typed(request: HttpRequest, iam_id: str) -> str:
    """Keep what this person typed until the log-in, and return the page that shows it again, "" for nothing typed."""
    fields = typed.fields_of(request)
    if not fields:
        return ""
    back = _place(request)
    typed.keep(request, urlsplit(back).path, iam_id, fields)
    return back


def _place(request: HttpRequest) -> str:
    """Return the page that a person is on: this one, or for what has no page of its own the one it came from."""
    match = request.resolver_match
    if match and match.url_name in PAGES and not (request.htmx and request.method == "GET"):  # type: ignore[attr-defined]
        return request.get_full_path()
    return open_page(request) or reverse("api_key_list")


def open_page(request: HttpRequest) -> str:
    """Return the address, here, of the page that htmx asks from, "" where it names none of ours."""
    try:
        current = urlsplit(request.headers.get("HX-Current-URL", ""))._replace(scheme="", netloc="").geturl()
    except ValueError:
        return ""
    is_ours = current.startswith("/") and url_has_allowed_host_and_scheme(current, allowed_hosts=None)
    return current if is_ours else ""


def whole_page(request: HttpRequest, answer: HttpResponseRedirect) -> HttpResponse:
    """Return a redirect to log-in that htmx follows with the whole page, instead of getting it inside a table."""
    if not request.htmx:  # type: ignore[attr-defined]
        return answer
    response = HttpResponseClientRedirect(answer.url)
    response.status_code = 401
    return response


def sentence(error: ApiKeyError) -> str:
    """Return the error's message in the reader's language."""
    message = gettext(error.message)
    return message % error.params if error.params else message
