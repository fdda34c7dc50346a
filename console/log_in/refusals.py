"""Refusals of log-ins, as pages tell them: by a mark in the address of the log-in page, or in a sentence."""

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import ngettext

# In the address of the log-in page, which says why it is shown: a message would leave a session with each stranger.
LATE, PASSKEY_REFUSED = "late=1", "passkey=1"


def redirect_to_log_in(mark: str) -> HttpResponse:
    """Return a redirect to the log-in page, which says what the mark stands for."""
    return HttpResponseRedirect(f"{reverse('login')}?{mark}")


def too_many_message(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return ngettext(
        "Too many attempts. Wait %(minutes)d minute, then try again.",
        "Too many attempts. Wait %(minutes)d minutes, then try again.",
        minutes,
    ) % {"minutes": minutes}
