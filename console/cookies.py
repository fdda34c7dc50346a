"""Cookies with the prefix `__Host-` on plain http: a browser that still has some from an older version keeps them."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from console.sessions import SessionStore

GetResponse = Callable[[HttpRequest], HttpResponse]


def set_cookie(response: HttpResponse, name: str, text: str, max_age: int | None = None) -> None:
    """Set a cookie that no script can read, for `max_age` seconds, or until the browser ends."""
    response.set_cookie(name, text, max_age, secure=settings.SECURE_COOKIES, httponly=True, samesite="Lax")


def prefixed_cookies(get_response: GetResponse) -> GetResponse:
    """Take a prefixed cookie for the plain one that is absent.

    Once a plain session was given or ended, the prefixed one is over too: it must not come back after a log-out.
    """
    if settings.SECURE_COOKIES:
        raise MiddlewareNotUsed

    def middleware(request: HttpRequest) -> HttpResponse:
        before = request.COOKIES.get(f"{settings.SECURE_COOKIE_PREFIX}{settings.SESSION_COOKIE_NAME}")
        had_both = before is not None and settings.SESSION_COOKIE_NAME in request.COOKIES
        take_prefixed(request)
        response = get_response(request)
        given = response.cookies.get(settings.SESSION_COOKIE_NAME)
        # One that is only written again has the same id.
        if before and given is not None and given.value != before and (had_both or given.value):
            SessionStore().delete(before)
        return response

    return middleware


def take_prefixed(request: HttpRequest) -> None:
    """Add a plain cookie for each prefixed one that came without it, unless cookies have the prefix here."""
    if settings.SECURE_COOKIES:
        return
    for name in (
        settings.SESSION_COOKIE_NAME,
        settings.CSRF_COOKIE_NAME,
        settings.LANGUAGE_COOKIE_NAME,
        settings.THEME_COOKIE_NAME,
        settings.BFCACHE_COOKIE_NAME,
    ):
        prefixed = request.COOKIES.get(f"{settings.SECURE_COOKIE_PREFIX}{name}")
        if prefixed is not None:
            request.COOKIES.setdefault(name, prefixed)
