"""Who is logged in: Django's middleware, whose sessions outlive a change of SECRET_KEY as they are."""

from types import SimpleNamespace
from typing import Any

from django.contrib import auth
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject


class Authentication(AuthenticationMiddleware):
    """Django's, which would give a session that a former SECRET_KEY made another id at its next request.

    Of two requests of one page at that moment the second has the id that is gone, and its person would be logged out;
    between two processes of which one has the next key already it would change each time. A session ends long before
    the key that made it is forgotten, so it needs no new id.
    """

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: user_of(request))  # type: ignore[assignment]


def user_of(request: HttpRequest) -> Any:
    """Return who is logged in, nobody for a session that no SECRET_KEY knows or that a change of password ended."""
    return auth.get_user(SimpleNamespace(session=AsItIs(request.session)))  # type: ignore[arg-type]


class AsItIs:
    """A session as Django looks at it: it can be read and ended, and is not changed."""

    def __init__(self, session: SessionBase) -> None:
        self.session = session
        self.get, self.flush = session.get, session.flush

    def __getitem__(self, name: str) -> Any:
        return self.session[name]

    def __setitem__(self, name: str, value: object) -> None:
        pass

    def cycle_key(self) -> None:
        pass
