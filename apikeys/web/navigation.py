"""Where a person is, and how they come back there: the page that htmx asks from, the log-in and the way back."""

from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect

from apikeys.exceptions import LogInAgain
from apikeys.identity.request import Request
from apikeys.services.messages import sentence
from apikeys.web import drafts

# What can be opened again by its address.
PAGES = ("dashboard", "api_key_list", "api_key_create", "api_key_edit", "api_key_delete", "api_key_details")


def to_log_in(request: Request, error: LogInAgain) -> HttpResponse:
    """End the session, and lead to log-in and back to the same place with what was typed."""
    iam_id, back = request.user.iam_id, page_of(request)
    logout(request)
    keep_drafts(request, iam_id)
    messages.warning(request, sentence(error))
    return full_page(request, redirect_to_login(back, resolve_url(settings.LOGIN_URL)))


def keep_drafts(request: Request, iam_id: str) -> str:
    """Keep what this person typed until the log-in, and return the page that shows it again, "" for nothing typed."""
    fields = drafts.fields_of(request)
    if not fields:
        return ""
    back = page_of(request)
    drafts.keep(request, urlsplit(back).path, iam_id, fields)
    return back


def page_of(request: Request) -> str:
    """Return the page that a person is on: this one, or for what has no page of its own the one it came from."""
    match = request.resolver_match
    if match and match.url_name in PAGES and not (request.htmx and request.method == "GET"):
        return request.get_full_path()
    return open_page(request) or reverse("api_key_list")


def open_page(request: Request) -> str:
    """Return the address, here, of the page that htmx asks from, "" where it names none of ours."""
    try:
        current = urlsplit(request.headers.get("HX-Current-URL", ""))._replace(scheme="", netloc="").geturl()
    except ValueError:
        return ""
    is_ours = current.startswith("/") and url_has_allowed_host_and_scheme(current, allowed_hosts=None)
    return current if is_ours else ""


def full_page(request: Request, answer: HttpResponseRedirect) -> HttpResponse:
    """Return a redirect to log-in that htmx follows with the whole page, instead of getting it inside a table."""
    if not request.htmx:
        return answer
    response = HttpResponseClientRedirect(answer.url)
    response.status_code = 401
    return response
