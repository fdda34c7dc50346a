"""Proofs of who somebody is: a code of their app, a recovery code, a passkey, their password; each is counted first."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from apikeys.identity.request import Request
from console import sessions
from console.factors import passkeys, recovery, totp
from console.log_in import limiter
from console.log_in.devices import known_device
from console.models import User

PROVED_AT = "proved_at"  # of a session: when its person last proved who they are, in unix seconds
TWO_FACTORS = "two_factors"  # of a session: whether it began elsewhere, where more than one factor was asked for
WEAKLY_AT = "proved_weakly_at"  # later than the log-in, by no more than a password or one factor elsewhere
# As audit events call what somebody showed.
APP, RECOVERY, PASSKEY, PASSWORD = "app", "recovery code", "passkey", "password"


@sensitive_variables("code", "text")
def accepts_code(request: HttpRequest, person: User, code: str) -> str:
    """Return which factor this is a code of, the app or a recovery code, which is used up; "" where it is of neither.

    Blanks and dashes do not matter. Raises TooManyAttempts, and then the code was not looked at.
    """
    text = "".join(code.split()).replace("-", "")
    factor, use = (APP, totp.use) if totp.CODE.fullmatch(text) else (RECOVERY, recovery.use)
    return _judge(request, person, factor, lambda: use(person, text))


def accepts_passkey(request: HttpRequest, person: User, sent: str) -> str:
    """Return PASSKEY where one of this person signed the challenge in the session, else "". Raises TooManyAttempts."""
    return _judge(request, person, PASSKEY, lambda: passkeys.use(request, sent, person) is not None)


def _judge(request: HttpRequest, person: User, factor: str, look: Callable[[], bool]) -> str:
    """Return the factor where `look` accepts it, else "".

    Strangers who have the password can't keep the person out on a known device.
    """
    device = known_device(request, person.username)
    limiter.reserve_factor(person.iam_id, factor, device)
    if not look():
        return ""
    limiter.forgive_factor(person.iam_id, factor, device)
    return factor


def told(person: User, factor: str) -> dict[str, Any]:
    """Return what an event says of the factor that somebody showed; of a recovery code, too, how many are left."""
    return {"factor": factor} | ({"codes_left": recovery.left(person)} if factor == RECOVERY else {})


def person_of_passkey(request: Request, sent: str) -> User | None:
    """Return whose passkey has signed the challenge in the session; the challenge was counted, and is taken once."""
    return passkeys.use(request, sent)


def accepts_password(request: HttpRequest, person: User, password: str) -> bool:
    """Tell whether this is a person's password. Raises TooManyAttempts, HashingBusy."""
    found = authenticate(request, username=person.username, password=password)
    return found is not None and found.pk == person.pk


def remember(request: HttpRequest, *, weakly: bool = False) -> None:
    """Remember in the session that its person has just proved who they are; `weakly` by no more than a password."""
    request.session[WEAKLY_AT if weakly else PROVED_AT] = timezone.now().timestamp()


def remember_elsewhere(request: HttpRequest, asked_at: float | None, *, has_both: bool) -> None:
    """Remember what somebody proved elsewhere, and when; without a moment it counts from now."""
    now = timezone.now().timestamp()
    request.session[PROVED_AT] = now if asked_at is None else min(now, asked_at)
    request.session[TWO_FACTORS] = has_both


def remember_log_in(sender: Any, request: HttpRequest, **_kwargs: Any) -> None:
    """Remember the proof of a log-in, whatever way it came."""
    remember(request)


def seconds_since(request: HttpRequest, *, weakly: bool) -> float:
    """Return how long ago the session's person last proved who they are; less than 0 after a clock was set back.

    The log-in was by all that its person had. What they gave later counts where it was more than a password, or where
    `weakly` says that this is enough. A session from before this was noted counts from its beginning.
    """
    now, session = timezone.now().timestamp(), request.session
    proved = [float(session.get(PROVED_AT) or session.get(sessions.BEGAN) or now)]
    if weakly and WEAKLY_AT in session:
        proved.append(float(session[WEAKLY_AT]))
    return min((now - moment for moment in proved if moment <= now), default=-1)


user_logged_in.connect(remember_log_in, dispatch_uid="console.factors.proofs")
