"""What every request passes: headers, size and purpose, log-in required, the reader's zone, the bfcache cookie."""

import logging
import secrets
from collections.abc import Callable, MutableMapping
from contextvars import Token
from datetime import UTC
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase, ResponseHeaders
from django.shortcuts import resolve_url
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]

from apikeys import zones
from apikeys.api.paths import is_api
from apikeys.identity.request import Request
from apikeys.values import mask_origin
from apikeys.web import drafts
from apikeys.web.background import is_background
from apikeys.web.navigation import keep_draft, open_page, redirect_whole_page, without_values_in
from console.addresses import client_address
from console.cookies import GetResponse, set_cookie
from console.errors import problem
from console.logs import answered_request
from console.policies import DATA_POLICY, HEADERS, page_policy, strict_transport
from console.sessions import ENDED, SessionStore

METHODS_OF_PAGES = ("GET", "HEAD", "OPTIONS", "POST")

host_logger = logging.getLogger("django.security.DisallowedHost")


def security_headers(get_response: GetResponse) -> GetResponse:
    """Set the headers of every answer, errors and static files included."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, text in protecting(request, response.status_code, response.headers).items():
            response.headers[name] = text
        return response

    return middleware


def protecting(request: HttpRequest, status: int, own: MutableMapping[str, str] | ResponseHeaders) -> dict[str, str]:
    """Return the headers that an answer is to have, whatever its own say; what it must not have is taken from these."""
    is_page = own.get("Content-Type", "").startswith(("text/html", "image/svg+xml"))
    policy = own.get("Content-Security-Policy") or (page_policy() if is_page else DATA_POLICY)
    found = HEADERS | {"Content-Security-Policy": policy}
    if not (request.path.startswith(settings.STATIC_URL) and status in (200, 206, 304)):
        if not is_api(request) or "no-store" not in own.get("Cache-Control", ""):
            found["Cache-Control"] = "no-store"
        for validator in ("Last-Modified", "Expires", *(["ETag"] if is_page else [])):
            own.pop(validator, None)
    if correlation_id := getattr(request, "correlation_id", ""):
        found["X-Correlation-Id"] = correlation_id
    if request.is_secure() and (remembered := strict_transport()):
        found["Strict-Transport-Security"] = remembered
    return found


def request_gate(get_response: GetResponse) -> Callable[[Request], HttpResponse]:
    """Set `client_address` and `correlation_id`, and refuse what no page of the console ever sends."""

    def middleware(request: Request) -> HttpResponse:
        identified = identify_request(request)
        try:
            refused = refusal(request)
            if refused is not None:
                return refused
            response = get_response(request)
            if isinstance(response, HttpResponseNotAllowed):
                return _method_not_allowed(request, response.headers["Allow"])
            return response
        finally:
            answered_request.reset(identified)

    return middleware


def identify_request(request: Request) -> Token[str]:
    """Set `client_address` and `correlation_id`; log lines name the request until the token is given back."""
    request.client_address = client_address(request.META)
    request.correlation_id = secrets.token_hex(16)
    return answered_request.set(request.correlation_id)


def refusal(request: Request) -> HttpResponse | None:
    """Return the answer to a request that neither a page nor a program sends, None for any other."""
    headers = request.META
    length = content_length(request)
    if length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return problem(request, 413)
    if "HTTP_TRANSFER_ENCODING" in headers and not is_api(request):
        return problem(request, 411)  # chunks that break off look complete, and half a form is a form
    if length and not is_plain(request):
        return problem(request, 415)
    if request.method not in METHODS_OF_PAGES and not is_api(request):
        return _method_not_allowed(request, ", ".join(METHODS_OF_PAGES))
    if request.content_params and request.content_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        return problem(request, 400)  # Python knows encodings that no form is sent in
    if "prefetch" in headers.get("HTTP_SEC_PURPOSE", "") and not request.path.startswith(settings.STATIC_URL):
        return HttpResponse(status=503)
    try:
        request.get_host()  # refuses other hosts here, above WhiteNoise, so that it holds on every route
    except DisallowedHost:  # one line: Django would add a traceback to each, and show a value as it is
        host = mask_origin(headers.get("HTTP_HOST", ""))
        host_logger.error("Invalid HTTP_HOST header: %r. You may need to add it to ALLOWED_HOSTS.", host)
        return problem(request, 400)
    if settings.SECURE_SSL_REDIRECT and is_api(request) and not request.is_secure():
        return _in_clear(request)
    return None


def _in_clear(request: HttpRequest) -> HttpResponse:
    """Refuse a program without TLS, which a redirect would lead on, so that nobody saw what it sends in clear."""
    with translation.override(translation.get_language_from_request(request)):
        message = _(
            "Use https:// here. What was sent crossed the network in clear: if it was a key, a token or a password, "
            "replace it."
        )
    return problem(request, 403, message=message)


def _method_not_allowed(request: Request, allow: str) -> HttpResponse:
    refusal = problem(request, 405)
    refusal.headers["Allow"] = allow
    return refusal


def content_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def is_plain(request: HttpRequest) -> bool:
    """Tell whether the body is neither compressed nor encoded otherwise; it may be chunked."""
    codings = request.META.get("HTTP_CONTENT_ENCODING", ""), request.META.get("HTTP_TRANSFER_ENCODING", "")
    return codings[0].strip().lower() in ("", "identity") and codings[1].strip().lower() in ("", "chunked")


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise, which keeps hashed files for a year."""

    FOREVER = 365 * 24 * 60 * 60


class Sessions(SessionMiddleware):
    """Django's, but a session knows from where and with what it is used."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        session = cast("SessionStore", request.session)
        session.address = cast("Request", request).client_address
        session.agent = request.META.get("HTTP_USER_AGENT", "")


class LoginRequired(LoginRequiredMiddleware):
    """Django's, but a form's draft is kept for after the log-in, and htmx leaves the page and swaps no part of it.

    What a person asks for begins the idle time of the session anew.
    """

    def process_view(
        self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        # Django would load the user first: health checks must answer without the database.
        if not getattr(view_func, "login_required", True):
            return None
        refused = super().process_view(request, view_func, view_args, view_kwargs)
        if refused is None and not is_background(view_func):
            cast("SessionStore", request.session).renew()
        return refused

    def handle_no_permission(  # type: ignore[override]
        self, request: Request, view_func: Any
    ) -> HttpResponseBase:
        author = drafts.author_of(request)
        next_url = keep_draft(request, author) if author else ""
        told = ""
        if next_url:
            messages.warning(request, _("Your session has ended. Log in again to continue with what you typed."))
        else:
            next_url = _place_of(request)
            if settings.SESSION_COOKIE_NAME in request.COOKIES and request.session.session_key is None:
                told = f"&{ENDED}"  # no message: it would be a row for each cookie that a stranger invents
        login = redirect_to_login(next_url, resolve_url(settings.LOGIN_URL))
        return redirect_whole_page(request, HttpResponseRedirect(login.url + told))


def _place_of(request: Request) -> str:
    """Return where a log-in leads back to: what was asked for, or the page from which htmx asked."""
    if not request.htmx:
        return without_values_in(request.get_full_path())
    return open_page(request) or resolve_url(settings.LOGIN_REDIRECT_URL)


class ReaderZone:
    """Pages show times as clocks do where the reader is; what needs no log-in knows no reader, and shows UTC."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(UTC):  # what a view chooses ends with its answer: a thread has many readers
            return self.get_response(request)

    def process_view(self, request: Request, view_func: Any, view_args: Any, view_kwargs: Any) -> None:
        if getattr(view_func, "login_required", True):
            timezone.activate(zones.named(request.user.time_zone))


def bfcache_cookie(get_response: GetResponse) -> Callable[[Request], HttpResponse]:
    """Change a cookie with each page that shows a key's value, and with the document after it.

    Chromium drops a page from its back/forward cache (bfcache), "no-store" or not, once an HttpOnly cookie has changed:
    so the browser's Back does not show the value again, without scripts too. A new session id would do the same, but
    end the session where its response is lost.
    """

    def middleware(request: Request) -> HttpResponse:
        request.shows_value = False
        response = get_response(request)
        mark_document(request, response)
        return response

    return middleware


def mark_document(request: Request, response: HttpResponse) -> None:
    """Change the cookie where the page shows a value, or where it is the document after such a page."""
    # A picture or a fetch belongs to the page that asked, only a document comes after it.
    is_document = request.META.get("HTTP_SEC_FETCH_DEST", "document") == "document"
    follows_value = request.COOKIES.get(settings.BFCACHE_COOKIE_NAME, "").startswith("1.")
    shows_value = getattr(request, "shows_value", False)
    if shows_value or (is_document and follows_value):
        set_cookie(response, settings.BFCACHE_COOKIE_NAME, f"{int(shows_value)}.{secrets.token_urlsafe(9)}")
