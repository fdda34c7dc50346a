"""When and how often each key was used, without a write for each request.

A process writes a key's uses at once when it has not done so for a minute, and otherwise counts them in
memory until `flush`, which the sweeper calls. So a key costs at most one write a minute in each process,
and a crash loses at most the last minute's count.
"""

from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from time import monotonic

from django.db.models import F
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from apikeys.models import ApiKeyRecord

INTERVAL_SECONDS = 60.0


@dataclass(slots=True)
class Counter:
    written_at: float  # monotonic seconds
    pending: int = 0
    last: datetime | None = None


_counters: dict[str, Counter] = {}
_lock = Lock()


def note(key_id: str) -> None:
    """Note one successful use of a key, now."""
    now, clock = timezone.now(), monotonic()
    with _lock:
        counter = _counters.get(key_id)
        if counter is not None and clock - counter.written_at < INTERVAL_SECONDS:
            counter.pending += 1
            counter.last = now
            return
        count = 1 + (counter.pending if counter else 0)
        _counters[key_id] = Counter(written_at=clock)
    _write(key_id, count, now)


def flush(*, everything: bool = False) -> None:
    """Write what has waited for a minute, or `everything` at the end of a process."""
    clock = monotonic()
    due: list[tuple[str, int, datetime]] = []
    with _lock:
        for key_id, counter in list(_counters.items()):
            if not everything and clock - counter.written_at < INTERVAL_SECONDS:
                continue
            if counter.pending and counter.last:
                due.append((key_id, counter.pending, counter.last))
                _counters[key_id] = Counter(written_at=clock)
            else:
                del _counters[key_id]
    for key_id, count, last in due:
        _write(key_id, count, last)


def _write(key_id: str, count: int, last: datetime) -> None:
    ApiKeyRecord.objects.filter(id=key_id).update(
        use_count=F("use_count") + count,
        last_used_at=Greatest(Coalesce("last_used_at", last), last),
    )
