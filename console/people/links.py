"""One-time links to choose a password.

The code of a link stands behind a `#`, which no browser sends: it is in no log of a server or a proxy. Only its SHA-256
is stored. A new link ends the ones before it, and so does any other change of the password.
"""

import hashlib
import secrets
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from console import server_address
from console.models import PasswordLink, User

BYTES = 32
KEPT = timedelta(days=30)  # after its end, to say that a link has ended


def make(person: User, made_by: str) -> str:
    """Return the code of a new link for a person; `made_by` is an IAM ID, "" for an operator. Needs a transaction."""
    PasswordLink.objects.filter(user=person).delete()
    code = secrets.token_urlsafe(BYTES)
    PasswordLink.objects.create(digest=_digest(code), user=person, made_by=made_by)
    return code


def url_of(code: str, base: str = "") -> str:
    """Return the address that somebody is given, below `base` or the one that the server says it has."""
    return f"{(base or server_address.known()).rstrip('/')}{reverse('choose_password')}#{code}"


def code_in(text: str) -> str:
    """Return the code in what somebody brings: the code, or the whole link."""
    return text.strip().rpartition("#")[2]


def find(code: str) -> PasswordLink | None:
    """Return the link of a code while it can be used, else None.

    Whoever made it may still make one: an operator, or somebody who is an administrator now.
    """
    makers = User.objects.filter(iam_id=OuterRef("made_by"), is_superuser=True, is_active=True)
    rows = PasswordLink.objects.select_related("user").filter(Q(made_by="") | Exists(makers))
    return rows.filter(digest=_digest(code), used_at=None, ends_at__gt=timezone.now(), user__is_active=True).first()


def was_used(code: str) -> bool:
    """Tell whether a password was chosen with the link of a code; no longer known once it was changed again."""
    return PasswordLink.objects.filter(digest=_digest(code), used_at__isnull=False).exists()


def use(code: str, encoded: str) -> User | None:
    """Give the person of a link this password, hashed, once; return the person, None where it can't be used any more.

    All sessions and tokens of the person's password before end. Needs a transaction.
    """
    # As whoever makes another link holds the person: of two at once the second finds this one used, or replaced.
    User.objects.select_for_update(of=("self",)).filter(password_links__digest=_digest(code)).first()
    link = find(code)
    if link is None:
        return None
    link.used_at = timezone.now()
    link.save(update_fields=["used_at"])
    link.user.password = encoded
    link.user.save(update_fields=["password"])
    return link.user


def forget_old() -> None:
    """Remove links that ended long ago."""
    old = PasswordLink.objects.filter(ends_at__lt=timezone.now() - KEPT)
    if old.exists():  # most sweeps find nothing and must not take the write lock
        old.delete()


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()
