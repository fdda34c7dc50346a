"""Events that anybody can cause as often as they like: the first of its kind is told by itself, the others as a number.

A request only notes in memory what came of it, mostly that it was refused: it takes no longer for that, and nobody
learns from its time whether what they asked for exists. The sweeper writes within seconds. Whoever comes again in the
same window of 15 minutes is counted, and the window ends with one more event that has the count. What is noted of one
network is limited, and so is what a process notes at all: beyond that, all of an action are counted together. Limits
that were reached at a person have that room once more, for themselves: no noise hides whose account is attacked. Those
of user IDs that nobody has are counted together as soon as that is known. A process that is killed loses what it noted.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from apikeys.audit.recording import record
from apikeys.domain import Caller
from apikeys.networks import network_of

WINDOW_SECONDS = 900.0
MOST = 500  # kinds of events in a process, as many limits, and so at most four times as many rows in a window
MOST_OF_NETWORK = 20
BATCH = 50  # rows of one transaction, which must be short


class Target(NamedTuple):
    """What an event was about."""

    id: str = ""
    name: str = ""
    concerns: str = ""  # an IAM ID, where the id is none


Finder = Callable[[], Target | None]
Key = tuple[object, ...]


@dataclass(slots=True)
class Noted:
    """What happened in a window; `find` says to what, before it is written, None for nothing to tell."""

    caller: Caller
    action: str
    reason: str
    find: Finder
    network: str
    told: dict[str, Any]
    first: datetime = field(default_factory=timezone.now)
    last: datetime = field(default_factory=timezone.now)
    more: int = 0  # after the first
    target: Target | None = None  # what was found
    is_written: bool = False
    ends_at: float = field(default_factory=lambda: monotonic() + WINDOW_SECONDS)


class Notes:
    """What this process has noted and not written yet."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.noted: dict[Key, Noted] = {}
        self.of_network: Counter[str] = Counter()

    def note(self, caller: Caller, action: str, reason: str, subject: str, find: Finder, told: dict[str, Any]) -> None:
        """Note an event; `subject` tells those about one thing from others, and is kept as a hash."""
        network = network_of(caller.address)
        key: Key = (action, reason, network, caller.identity.iam_id, hash(subject), *told.items())
        noted = Noted(caller, action, reason, find, network, told)
        with self.lock:
            if key not in self.noted and self.of_network[network] >= MOST_OF_NETWORK:
                key, noted = _together(noted)
            if key not in self.noted and len(self.noted) >= MOST:
                key, noted = (action,), replace(noted, find=Target, network="", told={})
            self._add(key, noted)

    def write(self, *, at_end: bool = False) -> None:
        """Write what is new, and the counts of windows that are over, of all of them where the process ends."""
        self._find_targets()
        now = monotonic()
        with self.lock:
            found = [(key, noted) for key, noted in self.noted.items() if noted.target is not None]
        due = [(key, noted) for key, noted in found if not noted.is_written or at_end or noted.ends_at <= now]
        for start in range(0, len(due), BATCH):
            batch = due[start : start + BATCH]
            with transaction.atomic():
                ended = [key for key, noted in batch if noted.target and _write(noted, noted.target, now, at_end)]
            for _key, noted in batch:  # once it is committed: what is rolled back is written the next time
                noted.is_written = True
            self._forget(ended)

    def _find_targets(self) -> None:
        """Find out what new events were about, and forget those of which nothing is to be told."""
        with self.lock:
            new = [(key, noted) for key, noted in self.noted.items() if noted.target is None]
        for key, noted in new:
            noted.target = noted.find()
            if noted.target is None:
                self._forget([key])

    def _add(self, key: Key, noted: Noted) -> None:
        """Add what was noted to what is there of its kind, within the lock."""
        found = self.noted.setdefault(key, noted)
        if found is noted:
            self.of_network[noted.network] += 1
        else:
            found.more += 1 + noted.more
            found.last = max(found.last, noted.last)

    def _forget(self, keys: list[Key]) -> None:
        with self.lock:
            for key in keys:
                self._remove(key)

    def _remove(self, key: Key) -> None:
        """Remove what was noted, within the lock."""
        network = self.noted.pop(key).network
        self.of_network[network] -= 1
        if self.of_network[network] <= 0:
            del self.of_network[network]


class Limits(Notes):
    """Limits that were reached at what may be people, of whom those who are nobody take no room."""

    def _find_targets(self) -> None:
        super()._find_targets()
        with self.lock:
            for key, noted in list(self.noted.items()):
                if noted.target == Target() and noted.find is not Target:
                    self._remove(key)
                    self._add(*_together(noted))


def note(caller: Caller, action: str, *, reason: str, subject: str = "", find: Finder = Target, **told: Any) -> None:
    """Note an event that somebody can cause without end; `find` is asked by the sweeper what it was about.

    One for which that returns None is none. It succeeded where `reason` is "". What is `told` tells kinds apart.
    """
    _notes(Notes).note(caller, action, reason, subject, find, told)


def note_limit(caller: Caller, action: str, *, reason: str, subject: str, find: Finder) -> None:
    """Note that a limit was reached at whom `find` finds, a Target without anything for nobody."""
    _notes(Limits).note(caller, action, reason, subject, find, {})


def write() -> None:
    """Write what was noted; a chore."""
    for kind in (Limits, Notes):
        _notes(kind).write()


def write_at_end() -> None:
    """Write all that was noted, as the last a process does."""
    for kind in (Limits, Notes):
        _notes(kind).write(at_end=True)


def _together(noted: Noted) -> tuple[Key, Noted]:
    """Return what was noted as one of all of its action and network, and the key of those."""
    return (noted.action, noted.network), replace(noted, find=Target, told={})


def _write(noted: Noted, target: Target, now: float, at_end: bool) -> bool:
    """Write one event, or two; tell whether that was all of it."""
    if not noted.is_written:
        _record(noted, target, noted.first)
    if not at_end and noted.ends_at > now:
        return False
    if noted.more:
        _record(noted, target, noted.last, times=noted.more)
    return True


def _record(noted: Noted, target: Target, when: datetime, **data: Any) -> None:
    about: dict[str, Any] = {"target_id": target.id, "target_name": target.name, "concerns": target.concerns}
    record(noted.caller, noted.action, reason=noted.reason, when=when, **about, **noted.told, **data)


@cache
def _notes(kind: type[Notes]) -> Notes:
    return kind()
