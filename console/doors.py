"""Two doors, for programs and for people; docs/adr/0010-the-programs-door.md.

A program sends no session, no form of a page and no part of one. Its requests pass one function in place of
middleware, with the same checks and headers, and meet the same address book. The server calls it without Django's
handler; under any other server, and in tests, the first middleware does.
"""

from functools import cache
from typing import Any

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections, reset_queries
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import ResolverMatch, URLResolver, get_resolver
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.log import log_response

from apikeys.api.paths import as_served, is_api, is_path_of_api
from apikeys.identity.request import Request
from console.cookies import GetResponse, take_prefixed
from console.middleware import identify_request, mark_document, protecting, refusal
from console.rsgi import Answer, Environ

Header = tuple[str, str]


def by_address(get_response: GetResponse) -> GetResponse:
    """Lead requests for the API through the programs' door, all others on through the pages'."""
    programs = ProgramsDoor()

    def middleware(request: HttpRequest) -> HttpResponse:
        request.path = request.path_info = as_served(request.path_info)
        if not is_api(request):
            return get_response(request)
        answer, more = programs.answer(request)  # type: ignore[arg-type]
        for name, text in more:
            answer.headers[name] = text
        return answer

    return middleware


class ProgramsDoor:
    """From a program's request to its answer, as the settings were when the door was made."""

    def __init__(self) -> None:
        # Typed by Django for coroutines as well.
        self.guarded: Any = convert_exception_to_response(self._guarded)  # type: ignore[arg-type]
        self.view_answers: Any = convert_exception_to_response(view_answers)
        self.security = SecurityMiddleware(self.view_answers)
        self.frame_options = XFrameOptionsMiddleware(self.view_answers).get_xframe_options_value(
            HttpRequest(), HttpResponse()
        )

    def answer(self, request: Request) -> tuple[HttpResponse, list[Header]]:
        """Return the answer, and headers that come to its own, or in place of them. Raises nothing."""
        answer: HttpResponse = self.guarded(request)
        more = protecting(request, answer)
        more.append(("X-Frame-Options", self.frame_options))
        return answer, more

    def _guarded(self, request: Request) -> HttpResponse:
        identify_request(request)
        refused = refusal(request)
        if refused is not None:
            return refused
        has_cookies = "HTTP_COOKIE" in request.META
        answer = self.security.process_request(request) or self._in_its_language(request, has_cookies=has_cookies)
        if self.security.sts_seconds:
            self.security.process_response(request, answer)
        if has_cookies:  # a browser can open an address of the API after a page with a value
            mark_document(request, answer)
        return answer

    def _in_its_language(self, request: Request, *, has_cookies: bool) -> HttpResponse:
        if has_cookies:
            take_prefixed(request)
        if has_cookies or "HTTP_ACCEPT_LANGUAGE" in request.META:
            language = translation.get_language_from_request(request)
        else:
            language = settings.LANGUAGE_CODE
        translation.activate(language)
        answer: HttpResponse = self.view_answers(request)
        if not answer.headers.get("Vary", "").startswith("Accept-Language"):
            patch_vary_headers(answer, ("Accept-Language",))
        answer.headers.setdefault("Content-Language", language)
        answer.headers.setdefault("Content-Length", str(len(answer.content)))
        return answer


class ProgramsApplication:
    """Answers requests for the API as they come from `console.rsgi`, without a signal that one begins or ends."""

    def __init__(self) -> None:
        self.door = ProgramsDoor()

    def __call__(self, environ: Environ) -> Answer | None:
        """Return the answer, None where the address is not one of the API."""
        if not is_path_of_api(as_served(environ["PATH_INFO"])):
            return None
        if settings.DEBUG:
            reset_queries()
        close_old_connections()  # what Django does when a request begins
        request = WSGIRequest(environ)
        request.path = request.path_info = as_served(request.path_info)
        answer, more = self.door.answer(request)  # type: ignore[arg-type]
        if answer.status_code >= 400:
            log_response("%s: %s", answer.reason_phrase, request.path, response=answer, request=request)
        request.close()
        replaced = {name for name, _text in more}
        headers = [(name, text) for name, text in answer.headers.items() if name not in replaced]
        headers += more
        if answer.cookies:
            headers += [("Set-Cookie", morsel.OutputString()) for morsel in answer.cookies.values()]
        return answer.status_code, headers, answer.content


def view_answers(request: HttpRequest) -> HttpResponseBase:
    """Return the answer of the view at the address; there are no hooks round it, and no template is drawn later."""
    match = resolve(request.path_info)
    request.resolver_match = match
    answer: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
    return answer


def resolve(path: str) -> ResolverMatch:
    """Return what is at an address. Raises Resolver404."""
    resolver = get_resolver()
    known = _whole_paths(resolver)
    match = known.get(path)
    if match is None:
        match = resolver.resolve(path)
        if not match.kwargs and not match.args:  # the address book has the path as it is, so these are few
            known[path] = match
    return match


@cache
def _whole_paths(resolver: URLResolver) -> dict[str, ResolverMatch]:
    return {}
