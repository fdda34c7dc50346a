"""One-time passcodes: how somebody whose password is not enough logs in to the command line."""

import base64
import hashlib
import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from apikeys.clocks import CLOCK_TOLERANCE
from console.factors.models import Passcode
from console.models import User

LIFETIME = timedelta(minutes=2)
BYTES = 15  # 120 bits, 24 letters and digits: one fast hash is safe


@sensitive_variables("code")
def make(person: User) -> str:
    """Return a person's new passcode, which works once and for two minutes; an earlier one ends."""
    code = base64.b32encode(secrets.token_bytes(BYTES)).decode().lower()
    with transaction.atomic():
        Passcode.objects.filter(user=person).delete()
        Passcode.objects.create(digest=_digest(code), user=person, ends_at=timezone.now() + LIFETIME)
    return code


def use(code: str) -> User | None:
    """Return the person of a passcode, and use it up; None where it does not work. The caller counts the attempt."""
    now = timezone.now()
    # One that ends later was made before the clock was set back.
    rows = Passcode.objects.filter(digest=_digest(code), ends_at__gt=now, ends_at__lte=now + LIFETIME + CLOCK_TOLERANCE)
    found = rows.filter(user__is_active=True).select_related("user").first()
    if found is None or not Passcode.objects.filter(digest=found.digest).delete()[0]:
        return None
    return found.user


def forget_ended() -> None:
    """Remove passcodes that nobody has used in time."""
    ended = Passcode.objects.filter(ends_at__lt=timezone.now())
    if ended.exists():  # most sweeps find nothing and must not take the write lock
        ended.delete()


def _digest(code: str) -> str:
    return hashlib.sha256(code.strip().lower().encode("utf-8", "replace")).hexdigest()
