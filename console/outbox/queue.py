"""The queue: putting in, claiming with a lease, and what becomes of an attempt.

A delivery is claimed by one process of several, which commits and then sends outside of any transaction. Where that
process dies, the lease runs out and another one sends: a message may come twice, with one id, and none is lost.
"""

import random
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from apikeys.clocks import CLOCK_TOLERANCE
from console.outbox.models import Delivery, State
from console.outbox.waking import wake

# After the first attempt, as Standard Webhooks suggests: ten attempts in a little more than three days.
PAUSES = (
    *(timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30)),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
JITTER = 0.2  # of a pause, added at most: those that failed together do not come back together
LONGEST_PAUSE = timedelta(days=1)  # that a recipient may ask for
GIVEN_UP_AFTER = timedelta(days=4)  # whatever its attempts; where a recipient rests, many are never tried
LEASE = timedelta(minutes=5)
BATCH = 20  # deliveries of one claim, each of which takes DELIVERY_SECONDS at most: less than LEASE together
DELIVERY_SECONDS = 10.0
KEPT = timedelta(days=7)  # after their end
OLD = 500  # that are removed, or given up, in one transaction
TOO_OLD = "too_old"  # the result of what was given up without an attempt


def enqueue(deliveries: Iterable[Delivery]) -> None:
    """Put deliveries into the queue, in the transaction of the caller; they are sent once that is committed."""
    if Delivery.objects.bulk_create(list(deliveries)):
        transaction.on_commit(wake)


def claim(kinds: Collection[str], lanes: Collection[tuple[str, str]] = ()) -> list[Delivery]:
    """Lease some deliveries that are due, all of one kind and recipient, at most BATCH; [] where nothing is due.

    `lanes` are those left out: a kind and a recipient, whose text is "" for all of a kind.
    """
    now = timezone.now()
    rows = _waiting(kinds, lanes).filter(_free(now), next_attempt_at__lte=now).order_by("next_attempt_at")
    first = rows.first()
    if first is None:  # most looks find nothing and must not take the write lock
        return []
    with transaction.atomic():
        # Rows that another process has locked are skipped, and it has leased them when they are free again.
        found = rows.select_for_update(skip_locked=True).filter(kind=first.kind, recipient=first.recipient)
        leased = list(found[:BATCH])
        until = timezone.now() + LEASE
        Delivery.objects.filter(pk__in=[delivery.pk for delivery in leased]).update(leased_until=until)
    for delivery in leased:
        delivery.leased_until = until
    return leased


def succeed(delivery: Delivery, result: str) -> None:
    """Note that a delivery arrived, unless its lease ran out and another process has it."""
    _finish(delivery, State.DELIVERED, result)


def fail(delivery: Delivery, result: str, *, pause: timedelta | None = None, is_final: bool = False) -> bool:
    """Note an attempt that failed: it is tried again, at the earliest after `pause`, or given up.

    That is so after the last attempt, and where another one can't help. Nothing is noted where another process has it.
    Return whether it was given up.
    """
    if is_final or delivery.attempts >= len(PAUSES):
        _finish(delivery, State.GIVEN_UP, result)
        return True
    wait = pause_after(delivery.attempts)
    if pause is not None:
        wait = max(wait, min(pause, LONGEST_PAUSE))
    fields = {"attempts": delivery.attempts + 1, "next_attempt_at": timezone.now() + wait, "result": result}
    _leased(delivery).update(leased_until=None, **fields)
    return False


def release(deliveries: Sequence[Delivery]) -> None:
    """Give back deliveries that were claimed and not sent."""
    for delivery in deliveries:
        _leased(delivery).update(leased_until=None)


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after an attempt that failed, with some jitter; `attempts` were made before it."""
    return PAUSES[attempts] * (1 + JITTER * random.random())  # noqa: S311  (no secret)  # nosec B311  # no secret


def next_due(kinds: Collection[str], lanes: Collection[tuple[str, str]] = ()) -> datetime | None:
    """Return when the next delivery is due that nobody has leased, None for none; `lanes` as `claim` takes them."""
    rows = _waiting(kinds, lanes).filter(leased_until=None).order_by("next_attempt_at")
    return rows.values_list("next_attempt_at", flat=True).first()


def is_full(kind: str, recipient: str, most: int) -> bool:
    """Tell whether `most` deliveries or more wait for a recipient."""
    rows = Delivery.objects.filter(kind=kind, recipient=recipient, state=State.WAITING)
    return rows.order_by()[:most].count() >= most


def waiting() -> dict[str, int]:
    """Return how many deliveries of each kind wait."""
    rows = Delivery.objects.filter(state=State.WAITING).values_list("kind").annotate(number=Count("pk"))
    return dict(rows.order_by())


def give_up_old() -> int:
    """Give up what has waited for longer than GIVEN_UP_AFTER; a chore. Return how many, at most OLD."""
    now = timezone.now()
    rows = Delivery.objects.filter(state=State.WAITING, created_at__lt=now - GIVEN_UP_AFTER)
    old = list(rows.filter(_free(now)).values_list("pk", flat=True)[:OLD])
    if not old:
        return 0
    fields = {"state": State.GIVEN_UP, "finished_at": now, "leased_until": None}
    with transaction.atomic():
        found = Delivery.objects.filter(pk__in=old, state=State.WAITING)
        found.filter(result="").update(result=TOO_OLD)
        return found.update(**fields)


def forget_old() -> int:
    """Remove deliveries that ended longer than KEPT ago; a chore. Return how many, at most OLD."""
    rows = Delivery.objects.filter(finished_at__lt=timezone.now() - KEPT).order_by("finished_at")
    old = list(rows.values_list("pk", flat=True)[:OLD])
    return Delivery.objects.filter(pk__in=old).delete()[0] if old else 0


def forget(kind: str, recipient: str) -> None:
    """Remove what is there for a recipient who is gone, in the transaction of the caller."""
    Delivery.objects.filter(kind=kind, recipient=recipient).delete()


def _waiting(kinds: Collection[str], left_out: Collection[tuple[str, str]]) -> "QuerySet[Delivery]":
    rows = Delivery.objects.filter(state=State.WAITING, kind__in=kinds)
    for kind, recipient in left_out:
        rows = rows.exclude(kind=kind, recipient=recipient) if recipient else rows.exclude(kind=kind)
    return rows


def _free(now: datetime) -> Q:
    """Return what nobody has leased; a lease that ends too far ahead is from before the clock was set back."""
    ahead = now + LEASE + CLOCK_TOLERANCE
    return Q(leased_until=None) | Q(leased_until__lte=now) | Q(leased_until__gt=ahead)


def _leased(delivery: Delivery) -> "QuerySet[Delivery]":
    """Return the row of a delivery while the lease of its claim is the last one."""
    return Delivery.objects.filter(pk=delivery.pk, state=State.WAITING, leased_until=delivery.leased_until)


def _finish(delivery: Delivery, state: State, result: str) -> None:
    fields = {"attempts": delivery.attempts + 1, "result": result, "finished_at": timezone.now()}
    _leased(delivery).update(state=state, leased_until=None, **fields)
