"""Audit events of log-ins: who came in and out, who was refused, and what became of second factors and sessions.

Log-in, log-out and refused passwords come from Django's signals, whatever page or API they came by; `record` is for the
rest. A success is a row at once: who can't be audited does not come in. A refusal is noted and counted
(apikeys/audit/counted.py), so that strangers neither fill the disk nor slow log-ins down; and so is the first of two
steps, by which nobody has come in, and which whoever has only the password can do as often as they like.
"""

import logging
from functools import partial
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, signals
from django.db import Error
from django.http import HttpRequest

from apikeys import audit
from apikeys.audit import counted
from apikeys.backends import store_traits
from apikeys.domain import Caller
from apikeys.exceptions import TooManyAttempts
from apikeys.identity.callers import caller_for
from apikeys.identity.users import identity_of
from apikeys.storage.reserve import revocation
from console.log_in import devices
from console.models import User

LONGEST_USER_ID = cast("int", User._meta.get_field("username").max_length)

logger = logging.getLogger(__name__)


def record(
    origin: HttpRequest | Caller, action: str, user: "User | str" = "", *, reason: str = "", **data: Any
) -> None:
    """Write an event about a person; with a `reason`, the class of an error or a word, it was refused, and is counted.

    `user` is a person, or what somebody typed as a user ID: only one that a person has is ever written. `action` is one
    of the catalogue. Of a success that ends nobody's access, an Error of the database is the caller's to raise.
    """
    caller = origin if isinstance(origin, Caller) else _caller_of(origin, user if not reason else "")
    if reason:
        about = _kept(user)
        note = counted.note_limit if action == audit.LIMIT and about else counted.note
        note(caller, action, reason=reason, subject=_subject(about), find=partial(_find, about))
    else:
        found = _find(user)
        audit.record(caller, action, target_id=found.id, target_name=found.name, **data)


def note_first_step(request: HttpRequest, person: User, **told: Any) -> None:
    """Note that somebody had the password of a person, or came back as them, and that their factor is due."""
    find = partial(_find, person)
    counted.note(_caller_of(request, person), audit.FIRST_STEP, reason="", subject=person.iam_id, find=find, **told)


def record_limit(request: HttpRequest, error: TooManyAttempts, user: "User | str" = "") -> None:
    """Record that a limit was reached at a person or what was typed as a user ID, unless an event says so already."""
    if not error.is_audited:
        record(request, audit.LIMIT, user, reason=type(error).__name__)
        error.is_audited = True


def _caller_of(request: HttpRequest, user: "User | str") -> Caller:
    person = user if isinstance(user, User) else getattr(request, "user", None)
    identity = identity_of(person) if isinstance(person, User) else audit.NOBODY
    return caller_for(request, identity)  # type: ignore[arg-type]


def _kept(user: "User | str") -> "User | str":
    """Return whom to keep in memory: what is longer than a user ID can be is nobody's, and may be as long as a body."""
    return user if isinstance(user, User) or len(user) <= LONGEST_USER_ID else ""


def _subject(user: "User | str") -> str:
    return user.iam_id if isinstance(user, User) else user


def _find(user: "User | str") -> counted.Target:
    """Return IAM ID and user ID of a person, nothing of what nobody is called: it may be a password."""
    if isinstance(user, User):
        return counted.Target(user.iam_id, user.username)
    typed = User.normalize_username(user.replace("\0", ""))
    person = User.objects.filter(username=typed).first() if typed else None
    return counted.Target(person.iam_id, person.username) if person else counted.Target()


def connect() -> None:
    """Listen to Django's signals."""
    signals.user_logged_in.connect(_logged_in)
    signals.user_logged_out.connect(_logged_out)
    signals.user_login_failed.connect(_refused)


def _logged_in(request: HttpRequest, user: User, **_kwargs: Any) -> None:
    if not _passed_gate(request):
        return
    try:
        record(request, audit.LOG_IN, user, **_told_of_device(request, user), **_told_of_way(request))
    except Error:
        request.session.clear()  # nobody is logged in whose log-in has no event
        raise


def _told_of_device(request: HttpRequest, user: User) -> dict[str, Any]:
    """Return what the event says of a browser that the person had not logged in with before; upstream none is known."""
    # A browser is remembered with the answer: what it has now is of earlier log-ins.
    is_known = store_traits().is_upstream or devices.known_device(request, user.get_username())
    return {} if is_known else {"new_device": True}


def _told_of_way(request: HttpRequest) -> dict[str, Any]:
    """Return what the event says of who judged the person, where not the console, and of the factor they showed."""
    is_elsewhere = request.session.get(BACKEND_SESSION_KEY) == settings.SIGN_ON_BACKEND
    factor: dict[str, Any] = getattr(request, "told_of_log_in", {})
    return ({"by": "single sign-on"} if is_elsewhere else {}) | factor


def _logged_out(request: HttpRequest | None, user: User | None, **_kwargs: Any) -> None:
    if user is None or request is None or not _passed_gate(request):
        return
    try:
        revocation(record)(request, audit.LOG_OUT, user)
    except Error:  # who wants to leave is not kept in
        logger.exception("A log-out has no audit event.")


def _refused(credentials: dict[str, Any], request: HttpRequest | None = None, **_kwargs: Any) -> None:
    if request is not None and _passed_gate(request):
        record(request, audit.LOG_IN, str(credentials.get("username", "")), reason="PasswordRefused")


def _passed_gate(request: HttpRequest) -> bool:
    return hasattr(request, "client_address")


def refused_form(request: HttpRequest, cause: str) -> None:
    """Note a form that failed the CSRF check."""
    counted.note(_caller_of(request, ""), audit.CSRF, reason="ForgedForm", subject=cause)
