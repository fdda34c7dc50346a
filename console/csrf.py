"""Why a form failed the CSRF check: sentences for the person, a line for the log."""

import logging
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.middleware import csrf
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apikeys.values import mask_origin, mask_path

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refusal:
    """`cause` is for the log; the rest is for the person. `may_pass` tells whether the same form can pass next time."""

    cause: str
    title: str | Promise
    message: str | Promise
    advice: str | Promise
    may_pass: bool = False


OUT_OF_DATE = Refusal(
    "its token is missing or old",
    _("This page is out of date"),
    _("You may have logged in or out in another tab since you opened it. Nothing was changed."),
    _("Open the page again, then send the form again."),
    may_pass=True,
)
NO_COOKIE = Refusal(
    "its cookie did not come back",
    _("Your browser did not return a cookie"),
    _(
        "This form needs a cookie that your browser did not send back. Cookies may be off or blocked, or you opened "
        "the page at another address. Nothing was changed."
    ),
    _("Allow cookies for this address, then open the page again."),
    may_pass=True,
)
NO_ORIGIN = Refusal(
    "the browser does not tell which page it came from",
    _("Your browser did not say where this form came from"),
    _(
        "The console accepts only forms from its own pages, and your browser did not name the page. A privacy setting, "
        "an extension or a frame can hide it. Nothing was changed."
    ),
    _("Open the page again in a window of its own, or turn that setting off for this address."),
)
OTHER_SITE = Refusal(
    "it came from another site",
    _("This form came from another site"),
    _("The console accepts only forms from its own pages. Nothing was changed."),
    _("If you meant to do this, open the console and do it there."),
)
OTHER_HOST = Refusal(
    "the browser names another host than the request, so a proxy may rewrite Host",
    _("The address changed on the way"),
    _(
        "Your browser opened one address and the server received another: a proxy in between changes the host name. "
        "Nothing was changed."
    ),
    _("Ask your administrator to make the proxy pass on the Host header."),
)
UNKNOWN_HTTPS = Refusal(
    "the browser uses https and this server does not know, so HTTPS=true is missing",
    _("The server does not know that you use HTTPS"),
    _("You opened the console over HTTPS, but its server is set up for plain HTTP. Nothing was changed."),
    _("Ask your administrator to set HTTPS=true."),
)


def explain_refusal(request: HttpRequest, reason: str) -> Refusal:
    """Return what the person is told for Django's reason, and log one line about it; neither has what was sent."""
    refusal = _refusal(request, reason)
    logger.warning(
        "Refused a form for %s: %s (%s). Host: %s, Origin: %s",
        mask_path(request.path),
        refusal.cause,
        reason.partition(" - ")[0].rstrip("."),  # what follows was sent
        mask_origin(request.headers.get("Host", "")),
        mask_origin(request.headers.get("Origin", "")) or None,
    )
    return refusal


def _refusal(request: HttpRequest, reason: str) -> Refusal:
    if reason.startswith("CSRF cookie"):
        return NO_COOKIE
    if reason.startswith("CSRF token"):
        return OUT_OF_DATE
    if request.headers.get("Origin") == "null" or reason in (csrf.REASON_NO_REFERER, csrf.REASON_MALFORMED_REFERER):
        return NO_ORIGIN
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return OTHER_SITE
    return UNKNOWN_HTTPS if _is_https_here(request) else OTHER_HOST


def _is_https_here(request: HttpRequest) -> bool:
    try:
        origin = urlsplit(request.headers.get("Origin", ""))
    except ValueError:
        return False
    return (origin.scheme, origin.netloc) == ("https", request.get_host()) and not request.is_secure()
