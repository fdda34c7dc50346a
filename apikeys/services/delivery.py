"""The sealed copy of a new value, and the one delivery it exists for; docs/adr/0003-handover.md.

The key of the seal is derived from a nonce that only the asking form knows, so that the row alone, in a
stolen database or a backup, opens nothing.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, reduce
from operator import or_
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from apikeys import exceptions
from apikeys.clocks import CLOCK_TOLERANCE
from apikeys.domain import IssuedApiKey
from apikeys.exceptions import gettext_noop as _
from apikeys.models import Handover, HandoverState
from apikeys.sealing import InvalidTag, cipher, seal, unseal
from apikeys.upstream.timeouts import ANSWER_WITHIN

LIFETIME = timedelta(seconds=300)
MOST_EXTENSIONS = 2  # of LIFETIME each
EXTENSIONS = range(MOST_EXTENSIONS + 1)
SWEEP = timedelta(seconds=5)
BATCH = 1000  # rows that one statement names; databases take tens of thousands
FORGET_AFTER = timedelta(days=30)  # no form is sent again after that
PURPOSE = "apikeys hand-over v1"

_NONCE = re.compile(r"[A-Za-z0-9_-]{22,128}")
MIN_VARIETY = 5  # of 22 random decimal digits, one text in three million has fewer different characters


@dataclass(frozen=True, slots=True)
class Wait:
    """Until when a sealed value surely waits, and how often that can still be extended."""

    until: datetime
    extensions_left: int


def has_variety(nonce: str) -> bool:
    """Tell whether a nonce may be random: one that others could guess, like `aaa…`, would open their seal to them."""
    return len(set(nonce)) >= MIN_VARIETY


class Delivery:
    """The hand-over that one person begins or continues with one nonce; made once for a request.

    `wait` tells how long the value waits that was sealed or opened by this object, None where none was, and
    `value_number` which of the key's values that is.
    """

    def __init__(self, iam_id: str, nonce: str) -> None:
        """Raises InvalidApiKey unless the nonce has 22 to 128 URL-safe characters, 128 bits or more if random."""
        if _NONCE.fullmatch(nonce) is None:
            raise exceptions.InvalidApiKey("nonce", _("This form is incomplete. Send it again."))
        self.iam_id = iam_id
        self.nonce = nonce
        self.nonce_digest = hashlib.sha256(nonce.encode("ascii")).hexdigest()
        self.wait: Wait | None = None
        self.value_number = 1
        self._rows = Handover.objects.filter(iam_id=iam_id, nonce_digest=self.nonce_digest)
        self._reservation = self._rows.filter(key_id="")

    def for_first_key(self) -> "Delivery":
        """Return the hand-over of the first key of a service ID that is made with this nonce.

        It has a nonce of its own: what an Idempotency-Key made at another address has nothing to do with it.
        """
        return Delivery(self.iam_id, hashlib.sha256(f"first key {self.nonce}".encode()).hexdigest())

    def is_begun(self) -> bool:
        """Tell whether the nonce began a hand-over, whatever came of it."""
        return self._rows.exists()

    def seal(self, issued: IssuedApiKey) -> None:
        """Keep the sealed value until its receipt. Raises IntegrityError when the nonce began a hand-over before."""
        Handover.objects.create(iam_id=self.iam_id, nonce_digest=self.nonce_digest, **self._sealed(issued))

    def reserve(self, key_name: str) -> bool:
        """Begin the hand-over of a key that is then asked for upstream; False where the nonce began one before."""
        _row, is_new = Handover.objects.get_or_create(
            iam_id=self.iam_id, nonce_digest=self.nonce_digest, defaults={"key_name": key_name, "sealed_at": None}
        )
        return is_new

    def is_reserved(self) -> bool:
        """Tell whether the response to a reservation may still come."""
        return self._reservation.filter(created_at__range=recent(ANSWER_WITHIN), unconfirmed=False).exists()

    def cancel_reservation(self) -> None:
        """Let the same form ask again: upstream refused."""
        self._reservation.delete()

    def mark_unconfirmed(self) -> None:
        """Note that the response to a reservation was lost."""
        self._reservation.update(unconfirmed=True)

    def seal_reserved(self, issued: IssuedApiKey) -> None:
        """Keep the sealed value of a reservation until its receipt, also where somebody dismissed it meanwhile."""
        self._rows.update(**self._sealed(issued))

    def open(self) -> tuple[str, str] | None:
        """Return the id and the value of the key, None when the nonce began no hand-over. Needs a transaction.

        Raises AlreadyReceived after the receipt and HandoverExpired after 300 seconds and their extensions; for a key
        that was asked for upstream also BeingCreated and CreationUnconfirmed.
        """
        row = self._rows.select_for_update().first()
        if row is None:
            return None
        match row.state:
            case HandoverState.RESERVED if _is_recent(row.created_at, ANSWER_WITHIN):
                raise exceptions.BeingCreated
            case HandoverState.RESERVED | HandoverState.UNCONFIRMED | HandoverState.DISMISSED:
                raise exceptions.CreationUnconfirmed(host=settings.IAM_HOST, name=row.key_name)
            case HandoverState.SHOWN | HandoverState.RECEIVED:
                raise exceptions.AlreadyReceived(row.key_id)
        return row.key_id, self._unsealed(row)

    def open_for_download(self) -> tuple[str, str]:
        """Return the id and the value of the key, also after a page without script. Needs a transaction.

        Raises ApiKeyNotFound, AlreadyReceived, HandoverExpired.
        """
        row = self._rows.select_for_update().first()
        if row is None:
            raise exceptions.ApiKeyNotFound
        if row.state is HandoverState.RECEIVED:
            raise exceptions.AlreadyReceived(row.key_id)
        return row.key_id, self._unsealed(row)

    def confirm_receipt(self) -> None:
        """Note the receipt and wipe the sealed value. Where the nonce began nothing, nothing happens."""
        receive(self.iam_id, self.nonce_digest, sealed=None)

    def extend(self) -> Wait | None:
        """Let a value that is still sealed wait 300 seconds more, and return how long it waits; None if nothing waits.

        After two extensions nothing changes.
        """
        in_time = [Q(extensions=number, sealed_at__range=recent(_lifetime(number))) for number in EXTENSIONS]
        waiting = self._rows.filter(reduce(or_, in_time), sealed__isnull=False)
        waiting.filter(extensions__lt=MOST_EXTENSIONS).update(extensions=F("extensions") + 1)
        row = waiting.first()
        return _wait(row.sealed_at, row.extensions) if row and row.sealed_at else None

    @cached_property
    def _cipher(self) -> AESGCM:
        return cipher(self.nonce, PURPOSE)

    def _sealed(self, issued: IssuedApiKey) -> dict[str, Any]:
        """Return the columns of a row whose 300 seconds begin now."""
        sealed_at = timezone.now()
        self.wait = _wait(sealed_at, extensions=0)
        sealed = seal(self._cipher, issued.value.encode(), f"{self.iam_id} {issued.key.id}")
        self.value_number = issued.key.value_number
        return {
            "key_id": issued.key.id,
            "value_number": self.value_number,
            "sealed": sealed,
            "sealed_at": sealed_at,
        }

    def _unsealed(self, row: Handover) -> str:
        if row.sealed is None or row.sealed_at is None or not _is_recent(row.sealed_at, _lifetime(row.extensions)):
            raise exceptions.HandoverExpired(row.key_id)
        try:
            value = unseal(self._cipher, bytes(row.sealed), f"{self.iam_id} {row.key_id}")
        except (InvalidTag, ValueError):
            raise exceptions.HandoverExpired(row.key_id) from None
        self.wait, self.value_number = _wait(row.sealed_at, row.extensions), row.value_number or 1
        return value.decode()


def receive(iam_id: str, nonce_digest: str, **wiped: None) -> None:
    """Note the first receipt; not of a reservation, of which nobody has received anything.

    Of a page without script nothing is wiped: the sealed value stays for `open_for_download`.
    """
    rows = Handover.objects.filter(iam_id=iam_id, nonce_digest=nonce_digest).exclude(key_id="")
    # One statement: no other request may see a row that is wiped and not yet received.
    rows.update(received_at=Coalesce("received_at", timezone.now()), **wiped)


def wipe(key_id: str) -> None:
    """Wipe what is still sealed of a key that was deleted."""
    Handover.objects.filter(key_id=key_id, sealed__isnull=False).update(sealed=None)


def recent(age: timedelta) -> tuple[datetime, datetime]:
    """Return between which moments lies what began at most that long ago.

    What began in the future, within the tolerance of clocks, did so before the clock was set back.
    """
    now = timezone.now()
    return now - age, now + CLOCK_TOLERANCE


class Sweep:
    """What a process does each SWEEP: wipe sealed values in time, and forget rows after 30 days.

    The time of day ends a value, and so does a clock that nobody can set, `monotonic`, in seconds: when the time of
    day is set back, a value that this process saw is still wiped, at most CLOCK_TOLERANCE late.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._first_seen: dict[int, float] = {}  # of each row that is sealed

    def run(self) -> None:
        sealed = Handover.objects.filter(sealed__isnull=False)
        now, ran = timezone.now(), self._monotonic()
        self._first_seen = {pk: self._first_seen.get(pk, ran) for pk in sealed.values_list("pk", flat=True)}
        for condition in self._due(now, ran) if self._first_seen else ():
            due = sealed.filter(condition)
            if due.exists():  # most sweeps find nothing and must not take the write lock
                due.update(sealed=None)
        old = Handover.objects.filter(created_at__lt=now - FORGET_AFTER)
        if old.exists():
            old.delete()

    def _due(self, now: datetime, ran: float) -> Iterator[Q]:
        """Match what would be too old at the next sweep, by either clock, and what comes from the future."""
        by_day = [Q(extensions=number, sealed_at__lte=now - _lifetime(number) + SWEEP) for number in EXTENSIONS]
        yield reduce(or_, by_day, Q(sealed_at__gt=now + CLOCK_TOLERANCE))
        for number in EXTENSIONS:
            # Counted from the sweep that saw a row first: until that one and from the last one on pass two pauses.
            latest = ran - (_lifetime(number) + CLOCK_TOLERANCE - 2 * SWEEP).total_seconds()
            overdue = [pk for pk, first_seen in self._first_seen.items() if first_seen <= latest]
            for start in range(0, len(overdue), BATCH):
                yield Q(extensions=number, pk__in=overdue[start : start + BATCH])


def _lifetime(extensions: int) -> timedelta:
    return LIFETIME * (1 + extensions)


def _is_recent(moment: datetime, age: timedelta) -> bool:
    first, last = recent(age)
    return first <= moment <= last


def _wait(sealed_at: datetime, extensions: int) -> Wait:
    return Wait(sealed_at + _lifetime(extensions) - SWEEP, MOST_EXTENSIONS - extensions)
