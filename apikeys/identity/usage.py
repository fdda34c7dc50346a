"""When and how often each key was used, and its move to the newest pepper, written beside requests and not in them.

A process counts in memory. Its sweeper writes the first use of a key at once and the later ones once a minute, so
that a key costs at most one write a minute in each process, and a crash loses at most the last minute's count. To
authenticate is to read: while the database takes no writes keys work, and what was counted waits in memory.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
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
BATCH = 100  # keys in one transaction, which takes the write lock and must be short

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Counter:
    """Uses of one key that this process has counted and not written yet."""

    written_at: float = NEVER  # monotonic seconds
    pending: int = 0
    last: datetime | None = None
    move: PepperMove | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be written of one key."""

    key_id: str
    count: int
    last: datetime
    move: PepperMove | None


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
                for use in batch:
                    _write(use)
        except Error:
            _put_back(due)
            raise
        for use in batch:
            if use.move is not None:
                move_to_newest_pepper(use.move)
        due = due[BATCH:]


def flush_at_end() -> None:
    """Write everything before this process ends; what can't be written is lost, and logged."""
    try:
        flush(everything=True)
    except Error as exc:
        lost = sum(counter.pending for counter in _counters.values())
        logger.error("%d uses of keys were not counted: %s", lost, exc)


def _take(everything: bool) -> list[Due]:
    """Return what is due and reset its counters; forget idle keys. Sorted, so that processes lock rows in one order."""
    clock = monotonic()
    due: list[Due] = []
    with _lock:
        for key_id, counter in list(_counters.items()):
            if not everything and clock - counter.written_at < INTERVAL_SECONDS:
                continue
            if counter.pending and counter.last:
                due.append(Due(key_id, counter.pending, counter.last, counter.move))
                _counters[key_id] = Counter(written_at=clock)
            else:
                del _counters[key_id]
    return sorted(due, key=lambda use: use.key_id)


def _put_back(due: list[Due]) -> None:
    with _lock:
        for use in due:
            counter = _counters.setdefault(use.key_id, Counter())
            counter.written_at = NEVER
            counter.pending += use.count
            counter.last = counter.last or use.last
            counter.move = counter.move or use.move


def _write(use: Due) -> None:
    ApiKeyRecord.objects.filter(id=use.key_id).update(
        use_count=F("use_count") + use.count,
        last_used_at=Greatest(Coalesce("last_used_at", use.last), use.last),
    )
