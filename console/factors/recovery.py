"""Recovery codes: ten for each person, each of which works once, for when the app or the passkey is lost."""

import base64
import hashlib
import secrets

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from console.factors.models import RecoveryCode
from console.models import User

NUMBER = 10
BYTES = 15  # 120 bits, 24 letters and digits: one fast hash is safe, as with the values of keys
GROUP = 4


@sensitive_variables("codes")
def renew(person: User) -> list[str]:
    """Return a person's new codes, in groups of four characters; earlier ones end. They are told once."""
    codes = [base64.b32encode(secrets.token_bytes(BYTES)).decode().lower() for _ in range(NUMBER)]
    with transaction.atomic():
        RecoveryCode.objects.filter(user=person).delete()
        RecoveryCode.objects.bulk_create(RecoveryCode(digest=_digest(person, code), user=person) for code in codes)
    return ["-".join(code[start : start + GROUP] for start in range(0, len(code), GROUP)) for code in codes]


def use(person: User, code: str) -> bool:
    """Tell whether this is a code of the person's, and use it up. The caller has counted the attempt."""
    return RecoveryCode.objects.filter(user=person, digest=_digest(person, code)).delete()[0] == 1


def _digest(person: User, code: str) -> str:
    return hashlib.sha256(f"{person.iam_id} {code.lower()}".encode("utf-8", "replace")).hexdigest()
