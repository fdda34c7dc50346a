"""What every operation of the API shares: method, access token, errors in IAM's shape, no cookies."""

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from apikeys.api import auth, errors
from apikeys.api.answers import Answer
from apikeys.api.paths import is_token_path
from apikeys.domain import Caller
from apikeys.exceptions import ApiKeyError
from apikeys.identity.callers import note_refusal
from apikeys.identity.request import Request
from apikeys.storage.errors import is_connection_lost

Operation = Callable[..., Answer]
View = Callable[..., HttpResponseBase]
logger = logging.getLogger(__name__)
VARY = "Accept-Language, Authorization"
NOTHING = {"Content-Type": "text/html; charset=utf-8"}  # as Django's answers without content have it
REPEATABLE = ("GET", "HEAD", "DELETE")
CREATIONS = ("/v1/apikeys", "/v1/serviceids")
GONE = 404


def resource(**operations: Operation) -> View:
    """Return a view with one operation for each method; keyword names are methods, upper case.

    HEAD is answered wherever GET is. The API never looks at a cookie, so there is nothing for CSRF to forge.
    The view's `methods` are those names, for whoever describes the API, and its `answer` is what it answers, without
    Django's response round it.
    """
    allowed = sorted({*operations, "HEAD"} if "GET" in operations else operations)

    def answer(request: Request, **arguments: Any) -> Answer:
        request.started_at = time.time()
        method = request.method or ""
        operation = operations.get("GET" if method == "HEAD" else method)  # the server leaves the body out
        if operation is None:
            refused = errors.status_answer(request, 405, _("This method is not allowed here."))
            refused.headers["Allow"] = ", ".join(allowed)
            return refused
        try:
            found = answered(operation, request, arguments)
        except ApiKeyError as exc:
            note_refusal(request, exc)
            found = errors.error_answer(request, exc)
        except errors.UNREADABLE:  # Django would log a traceback for each
            found = errors.status_answer(request, 400, _("The server can't read this request."))
        errors.with_headers(request, found)
        found.headers["Vary"] = VARY
        return found

    @csrf_exempt
    @login_not_required
    def view(request: Request, **arguments: Any) -> HttpResponseBase:
        return answer(request, **arguments).as_response()

    view.methods = frozenset(operations)  # type: ignore[attr-defined]
    view.answer = answer  # type: ignore[attr-defined]
    return view


def answered(operation: Operation, request: Request, arguments: dict[str, Any]) -> Answer:
    """Return what the operation answers, on its second try where the first lost the database and twice does no harm."""
    try:
        return operation(request, **arguments)
    except Error as exc:
        if not (is_repeatable(request) and is_connection_lost(exc)):
            raise
        logger.warning("The connection to the database was lost; the request is answered once more.")
    connection.close()
    try:
        return operation(request, **arguments)
    except ApiKeyError as exc:
        if request.method == "DELETE" and exc.status == GONE:  # the first try deleted it
            return Answer(204, dict(NOTHING))
        raise


def is_repeatable(request: Request) -> bool:
    """Tell whether to do the request twice is to do it once, for who looks at the store and the last answer.

    Forms of /identity ask, or leave a token behind that nobody gets; but a refresh token is good once.
    """
    return (
        request.method in REPEATABLE
        or (request.path in CREATIONS and "Idempotency-Key" in request.headers)
        or (is_token_path(request) and "refresh_token" not in request.POST)
    )


def authenticated(operation: Operation) -> Operation:
    """Give the operation the caller of the bearer access token as its second argument."""

    @wraps(operation)
    def view(request: Request, **arguments: Any) -> Answer:
        return operation(request, auth.caller_of_token(request), **arguments)

    return view


def no_content(act: Callable[..., object], **how: bool) -> Operation:
    """Return an operation that does something to the object of the path and answers 204.

    Raises Unauthenticated (401) and what `act` of the services raises: that there is no such object for the caller
    (404), or that it is locked (409).
    """

    @authenticated
    def view(request: Request, caller: Caller, **path: str) -> Answer:
        act(caller, *path.values(), **how)
        return Answer(204, dict(NOTHING))

    return view


def switch(act: Callable[..., object], name: str) -> View:
    """Return a view whose POST does something with this keyword true, and whose DELETE with it false."""
    return resource(POST=no_content(act, **{name: True}), DELETE=no_content(act, **{name: False}))
