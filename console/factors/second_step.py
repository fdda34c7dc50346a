"""The log-in in two steps: after the password nobody is logged in yet; who they are to be is sealed in the session."""

import json
from dataclasses import asdict, dataclass
from typing import cast

from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from apikeys.identity.request import Request
from console import sessions
from console.factors import proofs, recovery
from console.models import User
from console.session_secrets import SessionSecret

SESSION_KEY = "second_step"
KEPT = SessionSecret(SESSION_KEY, "console second step")
LIFETIME_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Half:
    """A log-in whose second step is to come: whose it is, by which backend, since when, and where it leads.

    `stamp` differs once the person has another password, or their sessions were ended.
    """

    person_id: int
    stamp: str
    backend: str
    began: float
    next_url: str
    time_zone: str


def begin(request: HttpRequest, person: User, *, next_url: str, time_zone: str) -> None:
    """Keep that a person's password was right, under a new session id."""
    backend = str(getattr(person, "backend", settings.AUTHENTICATION_BACKENDS[0]))
    half = Half(person.pk, _stamp(person), backend, timezone.now().timestamp(), next_url, time_zone)
    request.session.cycle_key()
    KEPT.keep(request.session, json.dumps(asdict(half)))


def find(request: HttpRequest) -> tuple[User, Half] | None:
    """Return whose second step is due, None where none is, or the password is more than ten minutes old."""
    try:
        half = Half(**json.loads(KEPT.find(request.session)))
    except (ValueError, TypeError):  # nothing, or what another release kept
        return None
    person = User.objects.filter(pk=half.person_id, is_active=True).first()
    is_now = 0 <= timezone.now().timestamp() - half.began < LIFETIME_SECONDS
    if person is None or not is_now or not any(constant_time_compare(stamp, half.stamp) for stamp in _stamps(person)):
        return None
    return person, half


def finish(request: HttpRequest, person: User, half: Half, factor: str) -> None:
    """Log the person in, under another session id, for as long as any log-in from now on."""
    log_in(request, person, backend=half.backend, time_zone=half.time_zone, factor=factor)
    if factor == proofs.RECOVERY:
        recovery.tell_left(request, person)


def log_in(request: HttpRequest, person: User, *, backend: str = "", time_zone: str, factor: str = "") -> None:
    """Log a person in who has shown all that is asked for; a second step that was due is forgotten.

    `factor` is the one that they showed here, "" for none.
    """
    KEPT.forget(request.session)
    if factor:
        cast("Request", request).told_of_log_in = proofs.told(person, factor)
    login(request, person, backend=backend or settings.AUTHENTICATION_BACKENDS[0])
    request.session.pop(sessions.BEGAN, None)
    person.suggest_time_zone(time_zone)


def _stamp(person: User) -> str:
    return str(person.get_session_auth_hash())


def _stamps(person: User) -> list[str]:
    """Return the stamp as each SECRET_KEY that is known makes it: another console may have the next one already."""
    return [_stamp(person), *map(str, person.get_session_auth_fallback_hash())]
