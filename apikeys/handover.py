"""The sealed copy of a new value, and the one delivery it exists for; design.md, section 5.

The key of the seal is derived from a nonce that only the asking form knows, so that the row alone, in a
stolen database or a backup, opens nothing.
"""

import hashlib
import re
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from apikeys.domain import IssuedApiKey
from apikeys.exceptions import AlreadyReceived, ApiKeyNotFound, BeingCreated, CreationUncertain, HandoverExpired
from apikeys.models import Handover
from apikeys.sealing import InvalidTag, cipher, seal, unseal
from apikeys.timeouts import ANSWER_WITHIN

LIFETIME = timedelta(seconds=300)
SWEEP_SECONDS = 5
FORGET_AFTER = timedelta(days=30)  # no form is sent again after that
PURPOSE = "apikeys hand-over v1"

_NONCE = re.compile(r"[A-Za-z0-9_-]{22,128}")
MIN_VARIETY = 5  # of 22 random decimal digits, one text in three million has fewer different characters


def is_nonce(nonce: str) -> bool:
    """Tell whether `nonce` has the form of one: 22 to 128 URL-safe characters, 128 bits or more if random."""
    return _NONCE.fullmatch(nonce) is not None


def has_variety(nonce: str) -> bool:
    """Tell whether a nonce may be random: one that others could guess, like `aaa…`, would open their seal to them."""
    return len(set(nonce)) >= MIN_VARIETY


def digest(nonce: str) -> str:
    return hashlib.sha256(nonce.encode("ascii")).hexdigest()


def open_for(iam_id: str, nonce: str) -> tuple[Handover, str] | None:
    """Return the hand-over that this nonce began and the value, or None when it began none.

    Raises AlreadyReceived after the receipt and HandoverExpired after 300 seconds; for a key that was asked for
    elsewhere also BeingCreated and CreationUncertain.
    """
    row = Handover.objects.select_for_update().filter(iam_id=iam_id, nonce_digest=digest(nonce)).first()
    if row is None:
        return None
    if not row.key_id:
        if row.uncertain or row.created_at < timezone.now() - ANSWER_WITHIN:  # settled or not
            raise CreationUncertain(host=settings.IAM_HOST, name=row.key_name)
        raise BeingCreated
    if row.received_at is not None:
        raise AlreadyReceived(row.key_id)
    return row, _unseal(row, nonce)


def open_for_download(iam_id: str, nonce: str) -> tuple[Handover, str]:
    """Return the hand-over and the value, also after the receipt of a page that could not make the file itself.

    Raises ApiKeyNotFound, AlreadyReceived, HandoverExpired.
    """
    row = Handover.objects.select_for_update().filter(iam_id=iam_id, nonce_digest=digest(nonce)).first()
    if row is None:
        raise ApiKeyNotFound
    if row.sealed is None and row.received_at is not None:
        raise AlreadyReceived(row.key_id)
    return row, _unseal(row, nonce)


def begin(iam_id: str, nonce: str, issued: IssuedApiKey) -> None:
    """Keep the sealed value until its receipt. Raises IntegrityError when the nonce began a hand-over before."""
    Handover.objects.create(
        iam_id=iam_id, nonce_digest=digest(nonce), key_id=issued.key.id, sealed=_sealed(iam_id, nonce, issued)
    )


def claim(iam_id: str, nonce: str, key_name: str) -> bool:
    """Begin a hand-over before its key is asked for elsewhere; False where the nonce began one before."""
    _row, is_new = Handover.objects.get_or_create(
        iam_id=iam_id, nonce_digest=digest(nonce), defaults={"key_id": "", "key_name": key_name}
    )
    return is_new


def is_begun(iam_id: str, nonce: str) -> bool:
    """Tell whether a nonce began a hand-over, whatever came of it."""
    return Handover.objects.filter(iam_id=iam_id, nonce_digest=digest(nonce)).exists()


def is_pending(iam_id: str, nonce: str) -> bool:
    """Tell whether a claim still waits for the store's answer."""
    since = timezone.now() - ANSWER_WITHIN
    claims = Handover.objects.filter(iam_id=iam_id, nonce_digest=digest(nonce), key_id="", received_at=None)
    return claims.filter(uncertain=False, created_at__gte=since).exists()


def release(iam_id: str, nonce: str) -> None:
    """Take a claim back: the store refused, so the same form may ask again."""
    Handover.objects.filter(iam_id=iam_id, nonce_digest=digest(nonce), key_id="").delete()


def mark_uncertain(iam_id: str, nonce: str) -> None:
    """Note that the store's answer to a claim was lost."""
    Handover.objects.filter(iam_id=iam_id, nonce_digest=digest(nonce), key_id="").update(uncertain=True)


def keep(iam_id: str, nonce: str, issued: IssuedApiKey) -> None:
    """Keep the sealed value of a claim until its receipt; its 300 seconds begin now."""
    Handover.objects.filter(iam_id=iam_id, nonce_digest=digest(nonce)).update(
        key_id=issued.key.id,
        sealed=_sealed(iam_id, nonce, issued),
        created_at=timezone.now(),
        received_at=None,  # whoever settled the claim had not received this
    )


def uncertain(iam_id: str) -> list[Handover]:
    """Return the claims of a person whose answer was lost and that they have not settled, newest first."""
    claims = Handover.objects.filter(_is_lost(), iam_id=iam_id, key_id="", received_at=None)
    return list(claims.order_by("-created_at")[:5])


def known_keys(iam_id: str, key_ids: list[str]) -> set[str]:
    """Return those of the keys whose value was handed over, or is about to be."""
    return set(Handover.objects.filter(iam_id=iam_id, key_id__in=key_ids).values_list("key_id", flat=True))


def settle(iam_id: str, claim_id: int) -> None:
    """Note that a person has seen to a claim whose answer was lost; one that may still be answered stays."""
    Handover.objects.filter(_is_lost(), iam_id=iam_id, id=claim_id, key_id="").update(received_at=timezone.now())


def confirm(iam_id: str, nonce_digest: str, *, keep_for_download: bool = False) -> None:
    """Note the receipt and wipe the sealed value; `keep_for_download` leaves it for `open_for_download`."""
    rows = Handover.objects.filter(iam_id=iam_id, nonce_digest=nonce_digest)
    received_at = Coalesce("received_at", timezone.now())
    # One statement: no other request may see a row that is wiped and not yet received.
    if keep_for_download:
        rows.update(received_at=received_at)
    else:
        rows.update(received_at=received_at, sealed=None)


def wipe(key_id: str) -> None:
    """Wipe what is still sealed of a key that was deleted."""
    Handover.objects.filter(key_id=key_id, sealed__isnull=False).update(sealed=None)


def sweep() -> None:
    """Wipe what would be older than 300 seconds at the next sweep, and forget rows after 30 days."""
    now = timezone.now()
    due = Handover.objects.filter(
        sealed__isnull=False, created_at__lte=now - LIFETIME + timedelta(seconds=SWEEP_SECONDS)
    )
    if due.exists():  # most sweeps find nothing and must not take the write lock
        due.update(sealed=None)
    old = Handover.objects.filter(created_at__lt=now - FORGET_AFTER)
    if old.exists():
        old.delete()


def _is_lost() -> Q:
    return Q(uncertain=True) | Q(created_at__lt=timezone.now() - ANSWER_WITHIN)


def _sealed(iam_id: str, nonce: str, issued: IssuedApiKey) -> bytes:
    return seal(cipher(nonce, PURPOSE), issued.value.encode(), f"{iam_id} {issued.key.id}")


def _unseal(row: Handover, nonce: str) -> str:
    if row.sealed is None or row.created_at < timezone.now() - LIFETIME:
        raise HandoverExpired(row.key_id)
    try:
        value = unseal(cipher(nonce, PURPOSE), bytes(row.sealed), f"{row.iam_id} {row.key_id}")
    except (InvalidTag, ValueError):
        raise HandoverExpired(row.key_id) from None
    return value.decode()
