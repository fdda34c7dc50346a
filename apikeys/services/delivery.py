"""The sealed copy of a new value, and the one delivery it exists for; docs/adr/0003-handover.md.

The key of the seal is derived from a nonce that only the asking form knows, so that the row alone, in a
stolen database or a backup, opens nothing.
"""

import hashlib
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from apikeys.clocks import CLOCK_TOLERANCE
from apikeys.domain import IssuedApiKey
from apikeys.exceptions import AlreadyReceived, ApiKeyNotFound, BeingCreated, CreationUncertain, HandoverExpired
from apikeys.models import Handover
from apikeys.sealing import InvalidTag, cipher, seal, unseal
from apikeys.upstream.timeouts import ANSWER_WITHIN

LIFETIME = timedelta(seconds=300)
MOST_EXTENSIONS = 2  # of LIFETIME each
SWEEP = timedelta(seconds=5)
FORGET_AFTER = timedelta(days=30)  # no form is sent again after that
PURPOSE = "apikeys hand-over v1"

_NONCE = re.compile(r"[A-Za-z0-9_-]{22,128}")
MIN_VARIETY = 5  # of 22 random decimal digits, one text in three million has fewer different characters


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a sealed value surely waits, and how often that can still be extended."""

    until: datetime
    extensions_left: int


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

    Raises AlreadyReceived after the receipt and HandoverExpired after 300 seconds and their extensions; for a key
    that was asked for elsewhere also BeingCreated and CreationUncertain.
    """
    row = Handover.objects.select_for_update().filter(iam_id=iam_id, nonce_digest=digest(nonce)).first()
    if row is None:
        return None
    if not row.key_id:
        if row.uncertain or not _is_recent(row.created_at, ANSWER_WITHIN):  # settled or not
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
    claims = Handover.objects.filter(iam_id=iam_id, nonce_digest=digest(nonce), key_id="", received_at=None)
    return claims.filter(_recent(ANSWER_WITHIN), uncertain=False).exists()


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


def extend(iam_id: str, nonce: str) -> Wait | None:
    """Let a value that is still sealed wait 300 seconds more, and return how long it waits; None if nothing waits.

    After two extensions nothing changes.
    """
    waiting = _waiting(iam_id, nonce)
    waiting.filter(extensions__lt=MOST_EXTENSIONS).update(extensions=F("extensions") + 1)
    return wait(iam_id, nonce)


def wait(iam_id: str, nonce: str) -> Wait | None:
    """Return how long a value waits that nobody received in full, None if nothing waits."""
    row = _waiting(iam_id, nonce).first()
    if row is None:
        return None
    return Wait(row.created_at + _lifetime(row.extensions) - SWEEP, MOST_EXTENSIONS - row.extensions)


def wipe(key_id: str) -> None:
    """Wipe what is still sealed of a key that was deleted."""
    Handover.objects.filter(key_id=key_id, sealed__isnull=False).update(sealed=None)


class Sweep:
    """What a process does again and again: wipe sealed values in time, and forget rows after 30 days.

    The time of day ends a value, and so does a clock that nobody can set, `monotonic`, in seconds: when the time of
    day is set back, a value that this process saw still goes, at most CLOCK_TOLERANCE late.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: deque[tuple[float, int]] = deque()  # when, and the newest row then; oldest first

    def run(self) -> None:
        self._look()
        now = timezone.now()
        due = Handover.objects.filter(self._due(now), sealed__isnull=False)
        if due.exists():  # most sweeps find nothing and must not take the write lock
            due.update(sealed=None)
        old = Handover.objects.filter(created_at__lt=now - FORGET_AFTER)
        if old.exists():
            old.delete()

    def _look(self) -> None:
        newest = Handover.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        self._seen.append((self._monotonic(), newest))
        while len(self._seen) > 1 and self._is_older(self._seen[1][0], _monotonic_lifetime(MOST_EXTENSIONS)):
            self._seen.popleft()

    def _due(self, now: datetime) -> Q:
        """Match what would be too old at the next sweep, by either clock, and what comes from the future."""
        too_old = [
            Q(extensions=extensions)
            & (
                Q(created_at__lte=now - _lifetime(extensions) + SWEEP)
                | Q(pk__lte=self._seen_before(_monotonic_lifetime(extensions)))
            )
            for extensions in range(MOST_EXTENSIONS + 1)
        ]
        return reduce(or_, too_old, Q(created_at__gt=now + CLOCK_TOLERANCE))

    def _seen_before(self, age: timedelta) -> int:
        """Return the newest row that was there that long ago, 0 if none is known to have been."""
        return max((newest for moment, newest in self._seen if self._is_older(moment, age)), default=0)

    def _is_older(self, moment: float, age: timedelta) -> bool:
        return self._monotonic() - moment >= age.total_seconds()


def _lifetime(extensions: int) -> timedelta:
    return LIFETIME * (1 + extensions)


def _monotonic_lifetime(extensions: int) -> timedelta:
    """Return after which time by the monotonic clock a row is too old, counted from the sweep that saw it first.

    Until that sweep and from the last one on pass two pauses. A claim is seen before its value is sealed, never
    by as much as what is left of the tolerance.
    """
    return _lifetime(extensions) + CLOCK_TOLERANCE - 2 * SWEEP


def _recent(age: timedelta) -> Q:
    """Match what began at most that long ago; what began in the future did so before the clock was set back."""
    now = timezone.now()
    return Q(created_at__range=(now - age, now + CLOCK_TOLERANCE))


def _is_recent(moment: datetime, age: timedelta) -> bool:
    """Tell of one moment what `_recent` matches."""
    return timezone.now() - age <= moment <= timezone.now() + CLOCK_TOLERANCE


def _is_lost() -> Q:
    return Q(uncertain=True) | ~_recent(ANSWER_WITHIN)


def _waiting(iam_id: str, nonce: str) -> QuerySet[Handover]:
    in_time = [Q(extensions=number) & _recent(_lifetime(number)) for number in range(MOST_EXTENSIONS + 1)]
    rows = Handover.objects.filter(iam_id=iam_id, nonce_digest=digest(nonce), sealed__isnull=False)
    return rows.filter(reduce(or_, in_time))


def _sealed(iam_id: str, nonce: str, issued: IssuedApiKey) -> bytes:
    return seal(cipher(nonce, PURPOSE), issued.value.encode(), f"{iam_id} {issued.key.id}")


def _unseal(row: Handover, nonce: str) -> str:
    if row.sealed is None or not _is_recent(row.created_at, _lifetime(row.extensions)):
        raise HandoverExpired(row.key_id)
    try:
        value = unseal(cipher(nonce, PURPOSE), bytes(row.sealed), f"{row.iam_id} {row.key_id}")
    except (InvalidTag, ValueError):
        raise HandoverExpired(row.key_id) from None
    return value.decode()
