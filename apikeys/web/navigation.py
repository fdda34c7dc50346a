"""The page a person is on, and the next URL: how the log-in leads back to that page, with a draft."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect

from apikeys.exceptions import LogInAgain
from apikeys.identity.request import Request
from apikeys.services.messages import sentence
from apikeys.web import drafts, prefill
from apikeys.web.filters import WHOSE
from apikeys.web.listing import without_values

TYPED = ("q", WHOSE, *prefill.NAMES)  # parameters of addresses that hold somebody's words
# What can be opened again by its address.
PAGES = (
    "dashboard",
    "api_key_list",
    "api_key_create",
    "api_key_edit",
    "api_key_delete",
    "api_key_details",
    "api_key_refusals",
    "api_key_found",
    "service_id_list",
    "service_id_create",
    "service_id_details",
    "service_id_edit",
    "service_id_delete",
    "scope_list",
    "scope_edit",
)


def log_in_again(request: Request, error: LogInAgain) -> HttpResponse:
    """Log out and return a redirect to the log-in, which leads back to the same page with the draft."""
    iam_id, next_url = request.user.iam_id, next_url_of(request)
    logout(request)
    keep_draft(request, iam_id)
    messages.warning(request, sentence(error))
    return redirect_whole_page(request, redirect_to_login(next_url, resolve_url(settings.LOGIN_URL)))


def keep_draft(request: Request, iam_id: str) -> str:
    """Keep what this person typed until the log-in, and return the URL that shows it again, "" for nothing typed."""
    fields = drafts.fields_of(request)
    if not fields:
        return ""
    next_url = next_url_of(request)
    drafts.keep(request, {"path": urlsplit(next_url).path, "iam_id": iam_id, "fields": fields})
    return next_url


def next_url_of(request: Request) -> str:
    """Return the page that a person is on: this one, or for what has no page of its own the one it came from."""
    match = request.resolver_match
    if match and match.url_name in PAGES and not (request.htmx and request.method == "GET"):
        return without_values_in(request.get_full_path())
    return open_page(request) or reverse("api_key_list")


def without_values_in(url: str) -> str:
    """Return an address with the hint of each key's value that is in what it searches for or fills in."""
    parts = urlsplit(url)
    asked = parse_qsl(parts.query, keep_blank_values=True)
    hinted = [(name, without_values(text) if name in TYPED else text) for name, text in asked]
    return url if hinted == asked else urlunsplit(parts._replace(query=urlencode(hinted)))


def open_page(request: Request) -> str:
    """Return the path and query of the page that htmx asks from, "" where it names none of this console."""
    try:
        current = urlsplit(request.headers.get("HX-Current-URL", ""))._replace(scheme="", netloc="").geturl()
    except ValueError:
        return ""
    return local_url(current)


def requested_next_url(request: HttpRequest) -> str:
    """Return the next URL that a form or an address names, "" where it names none of this console."""
    return local_url(request.POST.get("next") or request.GET.get("next") or "")


def local_url(text: str) -> str:
    """Return a path of this console as it is, "" for any other address: what is sent leads nobody elsewhere."""
    is_local = text.startswith("/") and url_has_allowed_host_and_scheme(text, allowed_hosts=None)
    return text if is_local else ""


def redirect_whole_page(request: Request, redirect: HttpResponseRedirect) -> HttpResponse:
    """Return a redirect as htmx needs it, 401 and HX-Redirect, so that it leaves the page and swaps no part of it."""
    if not request.htmx:
        return redirect
    response = HttpResponseClientRedirect(redirect.url)
    response.status_code = 401
    return response
