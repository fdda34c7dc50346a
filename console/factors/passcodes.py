"""One-time passcodes: how somebody whose password is not enough logs in to the command line."""

import base64
import hashlib
import secrets
from collections.abc import Callable
from datetime import timedelta

from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from apikeys.clocks import CLOCK_TOLERANCE
from console.factors.models import Passcode
from console.models import Session, User

LIFETIME = timedelta(minutes=2)
BYTES = 15  # 120 bits, 24 letters and digits: one fast hash is safe


@sensitive_variables("code")
def make(person: User, session: str) -> str:
    """Return a person's new passcode, which works once, for two minutes and while a session lives; an earlier one ends.

    `session` is how the store calls the one that asks, and `person` whom it found. Raises SessionInterrupted where they
    have another password since.
    """
    code = base64.b32encode(secrets.token_bytes(BYTES)).decode().lower()
    with transaction.atomic():
        if person.locked_unchanged() is None:
            raise SessionInterrupted("The password was changed before a passcode was made.")
        Passcode.objects.filter(user=person).delete()
        ends_at = timezone.now() + LIFETIME
        Passcode.objects.create(digest=_digest(code), user=person, ends_at=ends_at, session=session)
    return code


@sensitive_variables("code")
def use(code: str, then: Callable[[User], object]) -> User | None:
    """Return the person of a passcode, and use it up; None where it does not work. The caller counts the attempt.

    `then` is called with the person in the same transaction, which holds their row: whoever ends their sessions or
    changes their password meanwhile comes before both, or after. Where it raises, the passcode works on.
    """
    found = _working(code)  # a wrong one takes no lock
    if found is None:
        return None
    with transaction.atomic():
        person = found.user.locked()
        if person is None or _working(code) is None or not Passcode.objects.filter(digest=found.digest).delete()[0]:
            return None
        then(person)
    return person


def _working(code: str) -> Passcode | None:
    now = timezone.now()
    # One that ends later was made before the clock was set back.
    rows = Passcode.objects.filter(digest=_digest(code), ends_at__gt=now, ends_at__lte=now + LIFETIME + CLOCK_TOLERANCE)
    found = rows.filter(user__is_active=True).select_related("user").first()
    if found is None or found.session is None:
        return found
    made_by = Session.objects.filter(session_key=found.session).first()
    return found if made_by is not None and made_by.lives_at(now) else None


def forget_ended() -> None:
    """Remove passcodes that nobody has used in time."""
    ended = Passcode.objects.filter(ends_at__lt=timezone.now())
    if ended.exists():  # most sweeps find nothing and must not take the write lock
        ended.delete()


def _digest(code: str) -> str:
    return hashlib.sha256(code.strip().lower().encode("utf-8", "replace")).hexdigest()
