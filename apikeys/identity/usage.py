"""When and how often each key was used, and its move to the newest pepper, written beside requests and not in them.

A process counts in memory. Its sweeper writes the first use of a key at once and the later ones once a minute, so
that a key costs at most one write a minute in each process, and a crash loses at most the last minute's count. To
authenticate is to read: while the database takes no writes keys work, and what was counted waits in memory.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from threading import Event, Lock
from time import monotonic

from django.db import Error, transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from apikeys.backends.records import PepperMove, move_to_newest_pepper
from apikeys.models import ApiKeyRecord

INTERVAL_SECONDS = 60.0
NEVER = float("-inf")
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
BATCH = 100  # keys in one transaction, which takes the write lock and must be short

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Counter:
    """Uses of one key that this process has counted and not written yet."""

    written_at: float = NEVER  # monotonic seconds
    pending: int = 0
    last: datetime = LONG_AGO
    move: PepperMove | None = None


_counters: dict[str, Counter] = {}
_lock = Lock()
_first_use = Event()


def note(key_id: str, move: PepperMove | None = None) -> None:
    """Count one use of a key, now, in memory; `move` is written together with it."""
    now, clock = timezone.now(), monotonic()
    with _lock:
        counter = _counters.setdefault(key_id, Counter())
        counter.pending += 1
        counter.last = now
        counter.move = move or counter.move
        if clock - counter.written_at >= INTERVAL_SECONDS:
            _first_use.set()


def wait_for_first_use(seconds: float) -> bool:
    """Wait this long at most for the first use of a key in a minute; tell whether there was one."""
    noted = _first_use.wait(seconds)
    _first_use.clear()
    return noted


def flush(*, everything: bool = False) -> None:
    """Write what is due, or `everything` at the end of a process. Raises Error; what was not written is tried again."""
    due = _take(everything)
    while due:
        batch = due[:BATCH]
        try:
            with transaction.atomic():
                for key_id, uses in batch:
                    ApiKeyRecord.objects.filter(id=key_id).update(
                        use_count=F("use_count") + uses.pending,
                        last_used_at=Greatest(Coalesce("last_used_at", uses.last), uses.last),
                    )
        except Error:
            _put_back(due)
            raise
        for _key_id, uses in batch:
            if uses.move is not None:
                move_to_newest_pepper(uses.move)
        due = due[BATCH:]


def flush_at_end() -> None:
    """Write everything before this process ends; what can't be written is lost, and logged."""
    try:
        flush(everything=True)
    except Error as exc:
        lost = sum(counter.pending for counter in _counters.values())
        logger.error("%d uses of keys were not counted: %s", lost, exc)


def _take(everything: bool) -> list[tuple[str, Counter]]:
    """Return what is due and reset its counters; forget idle keys. Sorted, so that processes lock rows in one order."""
    clock = monotonic()
    due: list[tuple[str, Counter]] = []
    with _lock:
        for key_id, counter in list(_counters.items()):
            if not everything and clock - counter.written_at < INTERVAL_SECONDS:
                continue
            if counter.pending:
                due.append((key_id, counter))
                _counters[key_id] = Counter(written_at=clock)
            else:
                del _counters[key_id]
    return sorted(due, key=itemgetter(0))


def _put_back(due: list[tuple[str, Counter]]) -> None:
    with _lock:
        for key_id, uses in due:
            counter = _counters.setdefault(key_id, Counter())
            counter.written_at = NEVER
            counter.pending += uses.pending
            counter.last = max(counter.last, uses.last)
            counter.move = counter.move or uses.move
