"""Answers for what went wrong: an error page, or the same words for htmx to put into the page's alert."""

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import loader
from django.utils import translation
from django.utils.translation import gettext as _

from apikeys.api import errors as api
from apikeys.api.paths import is_api
from apikeys.storage.errors import Fault, fault_of
from console.log_in.auth import HashingBusy

RETRY_SECONDS = 5
HASHING_RETRY_SECONDS = 2
OF_WHAT_IS_ASKED = (403, 404, 405)  # the server itself is well


def wording(status: int) -> tuple[str, str]:
    """Return title and explanation for an HTTP status."""
    return {
        400: (_("Bad request"), _("The server did not understand this request. Nothing was changed.")),
        403: (_("Not allowed"), _("You do not have permission to do this. Nothing was changed.")),
        404: (_("Page not found"), _("There is nothing at this address. It may have been deleted.")),
        405: (
            _("Method not allowed"),
            _("This address does not accept that kind of request. Nothing was changed."),
        ),
        411: (
            _("Length required"),
            _("The form came without its length. Nothing was changed. Send it with Content-Length."),
        ),
        413: (
            _("Too much data"),
            _("The request is too large. Nothing was changed. Shorten what you typed."),
        ),
        415: (
            _("Compressed data"),
            _("The server does not read compressed requests. Nothing was changed. Send it uncompressed."),
        ),
        429: (
            _("Too many requests"),
            _("The server is busy with too many requests. Wait a moment, then try again."),
        ),
        500: (_("Something went wrong"), _("The server could not finish this request. Try again shortly.")),
        503: (_("Not available"), _("The key store did not answer. Try again shortly.")),
        507: (
            _("Disk full"),
            _(
                "The server's disk is full, so this could not be saved. API keys still work, and you can delete or "
                "disable them. Ask the administrator to free space, then try again."
            ),
        ),
    }.get(status, (_("Something went wrong"), _("The server could not finish this request. Try again shortly.")))


def problem(
    request: HttpRequest, status: int, *, message: str = "", title: str = "", retry_after: int | None = None
) -> HttpResponse:
    """Return the error page for `status`; for htmx, a message for the page's alert region.

    `message` replaces the usual explanation. The page stands alone, without session and database, unless what was asked
    for is all that is wrong: then whoever is logged in has their menu.
    """
    # An answer from outside LocaleMiddleware must not speak the language of the thread's last reader.
    with translation.override(translation.get_language_from_request(request)):
        return _problem(request, status, message=message, title=title, retry_after=retry_after)


def _is_logged_in(request: HttpRequest) -> bool:
    """Tell whether somebody is known to be; not where no database tells that."""
    try:
        user = getattr(request, "user", None)
        return user is not None and user.is_authenticated
    except Error:
        return False


def for_exception(request: HttpRequest, error: BaseException | None) -> HttpResponse:
    """Return the error page for an exception that nobody caught."""
    if isinstance(error, HashingBusy):
        return problem(request, 429, retry_after=HASHING_RETRY_SECONDS)
    fault = fault_of(error)
    if fault is Fault.FULL:
        return problem(request, 507)
    if fault is Fault.UNAVAILABLE:
        with translation.override(translation.get_language_from_request(request)):
            message = _("The database is busy or cannot be reached. Try again in a moment.")
        return problem(request, 503, message=message, retry_after=RETRY_SECONDS)
    return problem(request, 500)


def _problem(request: HttpRequest, status: int, *, message: str, title: str, retry_after: int | None) -> HttpResponse:
    usual_title, usual_message = wording(status)
    if is_api(request):
        answer = api.status_answer(request, status, message or usual_message)
        if retry_after is not None:
            answer.headers["Retry-After"] = str(retry_after)
        return answer.as_response()
    context = {"title": title or usual_title, "message": message or usual_message, "status": status}
    if request.headers.get("HX-Request") == "true":
        response = render(request, "_problem.html", context, status=status)
        response.headers["HX-Retarget"] = "#problem"
        response.headers["HX-Reswap"] = "innerHTML"
    else:
        context["has_account"] = status in OF_WHAT_IS_ASKED and _is_logged_in(request)
        response = HttpResponse(loader.render_to_string("error.html", context, request), status=status)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response
