"""The one place that turns an ApiKeyError into a page, or into a message for htmx."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext

from apikeys.exceptions import ApiKeyError, HandoverError


class ApiKeyErrors:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, ApiKeyError):
            return None
        context = {"message": sentence(exception), "key_id": getattr(exception, "key_id", "")}
        if isinstance(exception, HandoverError):
            template = "apikeys/_not_again.html" if request.htmx else "apikeys/not_again.html"  # type: ignore[attr-defined]
        else:
            template = "_problem.html" if request.htmx else "apikeys/refused.html"  # type: ignore[attr-defined]
        response = render(request, template, context, status=exception.status)
        if template == "_problem.html":
            response.headers["HX-Retarget"] = "#problem"
            response.headers["HX-Reswap"] = "innerHTML"
        return response


def sentence(error: ApiKeyError) -> str:
    """Return the error's message in the reader's language."""
    message = gettext(error.message)
    return message % error.params if error.params else message
