"""A request as the views get it: what the middleware added to Django's, so that a type checker knows it."""

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from apikeys.domain import Caller
from apikeys.upstream.sessions import IAMAccess

if TYPE_CHECKING:  # the stubs' name for AUTH_USER_MODEL; the app does not import the project's own class
    from django.contrib.auth.models import _User


class Request(HttpRequest):
    """Only for annotations: no request is made of this class.

    `user` is a person in every view that requires a log-in. Whatever answers above a middleware, such as an error
    page, lacks what that one adds.
    """

    client_address: str  # console.middleware.request_gate
    correlation_id: str  # the same; 32 hex digits, new for each request
    user: "_User"  # django.contrib.auth
    htmx: HtmxDetails  # django_htmx; true for a request that htmx sent
    caller: Caller  # apikeys.identity.callers, once something asked for it, as the next one
    iam_access: IAMAccess
    started_at: float  # apikeys.api.decorators; seconds of time.time
    told_of_log_in: dict[
        str, Any
    ]  # what its event says of the factor; console.factors.second_step, where one was shown
    shows_value: bool  # a view sets it whose page shows a key's value; console.middleware.bfcache_cookie reads it
