"""Refusals of log-ins, as pages tell and note them: by a mark in the address of the log-in page, or in a sentence."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from apikeys import audit
from apikeys.backends import store_traits
from apikeys.exceptions import TooManyAttempts
from apikeys.web.responses import UNPROCESSABLE
from console.log_in.events import record

View = Callable[..., HttpResponseBase]

# In the address of the log-in page, which says why it is shown: a message would leave a session with each stranger.
LATE, PASSKEY_REFUSED = "late=1", "passkey=1"


def redirect_to_log_in(mark: str) -> HttpResponse:
    """Return a redirect to the log-in page, which says what the mark stands for."""
    return HttpResponseRedirect(f"{reverse('login')}?{mark}")


def noting(view: View) -> View:
    """Note what the view of a log-in page refuses, as far as no signal tells it."""

    @wraps(view)
    def with_events(request: HttpRequest, *arguments: Any, **keywords: Any) -> HttpResponseBase:
        response = view(request, *arguments, **keywords)
        typed = request.POST.get("username", "") if request.method == "POST" else ""
        if response.status_code == TooManyAttempts.status:
            record(request, audit.LIMIT, typed, reason="TooManyAttempts")
        elif response.status_code == UNPROCESSABLE and store_traits().is_upstream:
            record(request, audit.LOG_IN, typed, reason="LogInRefused")
        return response

    return with_events
