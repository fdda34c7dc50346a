"""Recovery codes: ten for each person, each of which works once, for when the app or the passkey is lost."""

import base64
import hashlib
import secrets

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_variables

from console.factors.models import RecoveryCode
from console.models import User

NUMBER = 10
BYTES = 15  # 120 bits, 24 letters and digits: one fast hash is safe, as with the values of keys
GROUP = 4
FEW = 3  # that are left, from where on people are told to make new ones


@sensitive_variables("codes")
def renew(person: User) -> list[str]:
    """Return a person's new codes, in groups of four characters; earlier ones end. They are told once."""
    codes = [base64.b32encode(secrets.token_bytes(BYTES)).decode().lower() for _ in range(NUMBER)]
    with transaction.atomic():
        person.locked()  # of two at once the second sees the codes of the first, and ends them
        RecoveryCode.objects.filter(user=person).delete()
        RecoveryCode.objects.bulk_create(RecoveryCode(digest=_digest(person, code), user=person) for code in codes)
    return ["-".join(code[start : start + GROUP] for start in range(0, len(code), GROUP)) for code in codes]


def use(person: User, code: str) -> bool:
    """Tell whether this is a code of the person's, and use it up. The caller has counted the attempt."""
    return RecoveryCode.objects.filter(user=person, digest=_digest(person, code)).delete()[0] == 1


def left(person: User) -> int:
    """Return how many codes of the person's still work."""
    return RecoveryCode.objects.filter(user=person).count()


def tell_left(request: HttpRequest, person: User) -> None:
    """Tell somebody who has just used a code how many are left, and where few are, what to do about it."""
    number = left(person)
    if number > FEW:
        told = ngettext("%(number)d recovery code is left.", "%(number)d recovery codes are left.", number)
        messages.info(request, told % {"number": number})
    elif number:
        told = ngettext(
            "Only %(number)d recovery code is left. Make new ones soon: Account > Second factors.",
            "Only %(number)d recovery codes are left. Make new ones soon: Account > Second factors.",
            number,
        )
        messages.warning(request, told % {"number": number})
    else:
        told = _("That was your last recovery code. Make new ones now: Account > Second factors.")
        messages.warning(request, told)


def _digest(person: User, code: str) -> str:
    return hashlib.sha256(f"{person.iam_id} {code.lower()}".encode("utf-8", "replace")).hexdigest()
