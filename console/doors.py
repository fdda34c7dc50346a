"""Two doors: programs and people pass different middleware; docs/adr/0010-the-programs-door.md.

A program sends no session, no form and no part of a page. Its requests pass `settings.PROGRAMS_MIDDLEWARE`, whose
members stand in `settings.MIDDLEWARE` too, and meet the same address book.
"""

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string

from apikeys.api.paths import as_served, is_api
from console.cookies import GetResponse

HOOKS = ("process_view", "process_template_response", "process_exception")


def by_address(get_response: GetResponse) -> GetResponse:
    """Lead requests for the API through the programs' middleware, all others on through the pages'."""
    programs: GetResponse = ProgramsHandler().passes

    def middleware(request: HttpRequest) -> HttpResponse:
        request.path = request.path_info = as_served(request.path_info)
        return (programs if is_api(request) else get_response)(request)

    return middleware


class ProgramsHandler(BaseHandler):
    """Django's way from a request to its view, below the middleware of programs."""

    def __init__(self) -> None:
        """Raise ImproperlyConfigured for middleware that wants more than requests and responses."""
        self.passes: Any = convert_exception_to_response(self.view_answers)
        for name in reversed(settings.PROGRAMS_MIDDLEWARE):
            try:
                middleware = import_string(name)(self.passes)
            except MiddlewareNotUsed:
                continue
            if any(hasattr(middleware, hook) for hook in HOOKS):
                raise ImproperlyConfigured(f"PROGRAMS_MIDDLEWARE: {name} has hooks that programs do not pass.")
            self.passes = convert_exception_to_response(middleware)

    def view_answers(self, request: HttpRequest) -> HttpResponseBase:
        """Return the answer of the view at the address; there are no hooks round it, and no template is drawn later."""
        view, arguments, keywords = self.resolve_request(request)
        answer: HttpResponseBase = view(request, *arguments, **keywords)
        return answer
