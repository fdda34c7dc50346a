"""Two doors, for programs and for people; docs/adr/0010-the-programs-door.md.

A program sends no session, no form of a page and no part of one. Its requests pass one function in place of
middleware, with the same checks and headers, and meet the same address book. The server calls it without Django's
handler; under any other server, and in tests, the first middleware does.
"""

from collections.abc import Callable
from functools import cache
from time import perf_counter
from typing import Any

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections, reset_queries
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.urls import ResolverMatch, URLResolver, get_resolver
from django.utils import translation
from django.utils.log import log_response

from apikeys.api.answers import Answer
from apikeys.api.paths import as_served, is_api, is_path_of_api
from apikeys.identity.request import Request
from console import metrics
from console.cookies import GetResponse, take_prefixed
from console.logs import answered_request
from console.middleware import identify_request, mark_document, protecting, refusal
from console.server import rsgi
from console.server.rsgi import Environ


def by_address(get_response: GetResponse) -> GetResponse:
    """Lead requests for the API through the programs' door, all others on through the pages'."""
    programs = ProgramsDoor()

    def middleware(request: HttpRequest) -> HttpResponse:
        request.path = request.path_info = as_served(request.path_info)
        if not is_api(request):
            began = perf_counter()
            response = get_response(request)
            metrics.note(request, response.status_code, perf_counter() - began)
            return response
        return programs.answer(request).as_response()  # type: ignore[arg-type]

    return middleware


class ProgramsDoor:
    """From a program's request to its answer, as the settings were when the door was made."""

    def __init__(self) -> None:
        # Typed by Django for its own responses, and for coroutines as well.
        self.guarded: Any = convert_exception_to_response(self._guarded)  # type: ignore[arg-type]
        self.view_answers: Any = convert_exception_to_response(view_answers)  # type: ignore[arg-type]
        frames = XFrameOptionsMiddleware(self.view_answers)
        self.own = {"X-Frame-Options": frames.get_xframe_options_value(HttpRequest(), HttpResponse())}

    def answer(self, request: Request) -> Answer:
        """Return the answer with all its headers. Raises nothing."""
        began = perf_counter()
        answer = as_answer(self.guarded(request))
        answer.headers |= protecting(request, answer.status_code, answer.headers)
        answer.headers |= self.own
        metrics.note(request, answer.status_code, perf_counter() - began)
        return answer

    def _guarded(self, request: Request) -> Answer:
        identified = identify_request(request)
        try:
            return self._answer_to_known(request)
        finally:
            answered_request.reset(identified)

    def _answer_to_known(self, request: Request) -> Answer:
        refused = refusal(request)
        if refused is not None:
            return Answer.of(refused)
        has_cookies = "HTTP_COOKIE" in request.META
        answer = self._in_its_language(request, has_cookies=has_cookies)
        if has_cookies:  # a browser can open an address of the API after a page with a value
            response = answer.as_response()
            mark_document(request, response)
            answer = Answer.of(response)
        return answer

    def _in_its_language(self, request: Request, *, has_cookies: bool) -> Answer:
        if has_cookies:
            take_prefixed(request)
        if has_cookies or "HTTP_ACCEPT_LANGUAGE" in request.META:
            language = translation.get_language_from_request(request)
        else:
            language = settings.LANGUAGE_CODE
        translation.activate(language)
        answer = as_answer(self.view_answers(request))
        headers = answer.headers
        if not headers.get("Vary", "").startswith("Accept-Language"):
            headers["Vary"] = ", ".join(filter(None, [headers.get("Vary"), "Accept-Language"]))
        headers.setdefault("Content-Language", language)
        headers.setdefault("Content-Length", str(len(answer.content)))
        return answer


class ProgramsApplication:
    """Answers requests for the API as the server has them, without a signal that one begins or ends."""

    def __init__(self) -> None:
        self.door = ProgramsDoor()

    def __call__(self, environ: Environ) -> rsgi.Answer | None:
        """Return the answer, None where the address is not one of the API."""
        if not is_path_of_api(as_served(environ["PATH_INFO"])):
            return None
        if settings.DEBUG:
            reset_queries()
        close_old_connections()  # what Django does when a request begins
        request = WSGIRequest(environ)
        request.path = request.path_info = as_served(request.path_info)
        answer = self.door.answer(request)  # type: ignore[arg-type]
        if answer.status_code >= 400:
            response = answer.as_response()
            log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request)
        request.close()
        headers = list(answer.headers.items())
        if answer.response is not None:
            headers += [("Set-Cookie", morsel.OutputString()) for morsel in answer.response.cookies.values()]
        return answer.status_code, headers, answer.content


def as_answer(found: Answer | HttpResponse) -> Answer:
    """Return an answer, also where Django has made a response of what was raised."""
    return found if isinstance(found, Answer) else Answer.of(found)


def view_answers(request: HttpRequest) -> Answer | HttpResponse:
    """Return the answer of the view at the address; there are no hooks round it, and no template is drawn later."""
    match = resolve(request.path_info)
    request.resolver_match = match
    answers: Callable[..., Answer | HttpResponse] = getattr(match.func, "answer", match.func)
    return answers(request, *match.args, **match.kwargs)


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
