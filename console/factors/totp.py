"""Codes of an authenticator app (RFC 6238: SHA-1, 6 digits, 30 seconds), each of which is taken once."""

import hmac
import re

import pyotp
import segno
from django.conf import settings
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_variables

from apikeys import sealing
from console.factors.models import Authenticator
from console.models import User

STEP_SECONDS = 30
CODE = re.compile(r"[0-9]{6}", re.ASCII)
PURPOSE = "console second factor"


def new_secret() -> str:
    """Return 160 random bits in Base32, as people type them into an app that can't scan."""
    return pyotp.random_base32()


def uri_of(secret: str, person: User, issuer: str) -> str:
    """Return what a QR code tells an app; `issuer` is this console, as the app shows it beside the user ID."""
    return pyotp.TOTP(secret).provisioning_uri(name=person.username, issuer_name=issuer)


def qr_code(text: str) -> SafeString:
    """Return a QR code as an SVG element without style, script or address: a strict policy lets it through."""
    drawn = segno.make(text, error="m", micro=False).svg_inline(
        omitsize=True, svgclass="qr", lineclass=None, dark="#000", light="#fff"
    )
    return SafeString(drawn)  # nosec B703  # numbers of a path, of which the library writes each


@sensitive_variables("secret")
def keep(person: User, secret: str, code: str) -> bool:
    """Keep the secret of a person's app, in place of another one, where the app shows this code now."""
    step = _step_of(secret, code)
    if step is None:
        return False
    fields = {"sealed": seal(secret, person), "last_step": step, "created_at": timezone.now()}
    Authenticator.objects.update_or_create(user=person, defaults=fields)
    return True


@sensitive_variables("secret")
def use(person: User, code: str) -> bool:
    """Tell whether a person's app shows this code, and use it up: of two requests with one code the second is refused.

    A secret that was sealed with an earlier SECRET_KEY is sealed anew. The caller has counted the attempt.
    """
    row = Authenticator.objects.filter(user=person).first()
    secret, is_old = unseal(bytes(row.sealed), person) if row else ("", False)
    step = _step_of(secret, code) if secret else None
    if step is None:
        return False
    fields: dict[str, object] = {"last_step": step} | ({"sealed": seal(secret, person)} if is_old else {})
    return Authenticator.objects.filter(user=person, last_step__lt=step).update(**fields) == 1


def seal(secret: str, person: User) -> bytes:
    """Return a secret sealed for one person."""
    return sealing.seal_lasting(secret.encode(), PURPOSE, person.iam_id)


def unseal(sealed: bytes, person: User) -> tuple[str, bool]:
    """Return a secret, and whether an earlier SECRET_KEY sealed it; "" where no key that is known did."""
    for key in sealing.secret_keys():
        try:
            opened = sealing.unseal(sealing.cipher(key, PURPOSE), sealed, person.iam_id)
        except (sealing.InvalidTag, ValueError):
            continue
        return opened.decode(), key != settings.SECRET_KEY
    return "", False


def use_up(database: str) -> None:
    """Let every code that an app shows now count as used: in a database from a backup that is not known any more."""
    Authenticator.objects.using(database).update(last_step=_present_step() + 1)


@sensitive_variables("secret")
def seal_again() -> int:
    """Seal what an earlier SECRET_KEY sealed under the present one; return how many secrets are under that now."""
    number = 0
    for row in Authenticator.objects.select_related("user").iterator():
        before = bytes(row.sealed)
        secret, is_old = unseal(before, row.user)
        number += bool(secret)
        if is_old:  # unless the person has another app by now
            Authenticator.objects.filter(pk=row.pk, sealed=before).update(sealed=seal(secret, row.user))
    return number


def unreadable() -> int:
    """Return how many secrets no SECRET_KEY that is known has sealed."""
    return sum(
        not unseal(bytes(row.sealed), row.user)[0] for row in Authenticator.objects.select_related("user").iterator()
    )


@sensitive_variables("secret", "shown")
def _step_of(secret: str, code: str) -> int | None:
    """Return the step whose code this is: the present one, the one before or the one after, as clocks differ."""
    if not CODE.fullmatch(code):
        return None
    now, found = _present_step(), None
    for step in (now - 1, now, now + 1):
        shown = pyotp.TOTP(secret).generate_otp(step)
        if hmac.compare_digest(shown, code):
            found = step
    return found


def _present_step() -> int:
    return int(timezone.now().timestamp()) // STEP_SECONDS
