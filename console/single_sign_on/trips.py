"""Trips to the provider: what a browser needs to come back with, sealed in its session, taken once, for ten minutes."""

import json
import secrets
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from django.http import HttpRequest
from django.utils import timezone

from apikeys.clocks import CLOCK_TOLERANCE
from console.log_in import limiter
from console.session_secrets import SessionSecret

SESSION_KEY = "single_sign_on"
KEPT = SessionSecret(SESSION_KEY, "console single sign-on")
LIFETIME_SECONDS = 600
MOST = 5  # of one browser, in several windows; the oldest is forgotten


class Purpose(StrEnum):
    """What somebody goes to the provider for."""

    LOG_IN = "log in"
    PROVE = "prove"  # once more who they are
    CONNECT = "connect"  # the user who is logged in with somebody there


@dataclass(frozen=True, slots=True)
class Trip:
    """One trip: what the provider must repeat in the ID token, and show it has not lost; `began` in unix seconds.

    `person_id` is who was logged in, None for a log-in.
    """

    purpose: Purpose
    next_url: str = ""
    person_id: int | None = None
    began: float = 0.0
    nonce: str = field(default="", repr=False)
    verifier: str = field(default="", repr=False)


def begin(
    request: HttpRequest, purpose: Purpose, *, next_url: str = "", person_id: int | None = None
) -> tuple[str, Trip]:
    """Keep a new trip in the session; return its state, which is 256 random bits, and the trip."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    trip = Trip(purpose, next_url, person_id, timezone.now().timestamp(), nonce, verifier)
    kept = dict([*_living(request).items(), (state, trip)][-MOST:])
    _keep(request, kept)
    return state, trip


def take(request: HttpRequest, state: str) -> Trip | None:
    """Return the trip of a state and forget it; None where this browser is on none that is so called."""
    kept = _living(request)
    trip = kept.pop(state, None)
    if trip is None or not limiter.take_once(state):  # of two requests at once one has it
        return None
    _keep(request, kept)
    return trip


def _living(request: HttpRequest) -> dict[str, Trip]:
    now = timezone.now().timestamp()
    tolerance = CLOCK_TOLERANCE.total_seconds()
    return {state: trip for state, trip in _read(request).items() if -tolerance < now - trip.began < LIFETIME_SECONDS}


def _read(request: HttpRequest) -> dict[str, Trip]:
    try:
        kept = json.loads(KEPT.find(request.session))
        return {state: Trip(**trip | {"purpose": Purpose(trip["purpose"])}) for state, trip in kept.items()}
    except (ValueError, TypeError, KeyError):  # nothing, or what another release kept
        return {}


def _keep(request: HttpRequest, kept: dict[str, Trip]) -> None:
    if not kept:
        KEPT.forget(request.session)
        return
    KEPT.keep(request.session, json.dumps({state: asdict(trip) for state, trip in kept.items()}))
