"""Events that anybody can cause as often as they like: the first of its kind is told by itself, the others as a number.

A request only notes in memory what came of it, mostly that it was refused: it takes no longer for that, and nobody
learns from its time whether what they asked for exists. The sweeper writes within seconds. Whoever comes again in the
same window of 15 minutes is counted, and the window ends with one more event that has the count. What is noted of one
network is limited, and so is what a process notes at all: beyond that, all of an action are counted together. A process
that is killed loses what it noted.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
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
MOST = 500  # kinds of events in a process, and so at most twice as many rows in a window
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
    """What happened in a window; `find` says to what, as soon as it is written, None for nothing to tell."""

    caller: Caller
    action: str
    reason: str
    find: Finder
    network: str
    told: dict[str, Any]
    first: datetime = field(default_factory=timezone.now)
    last: datetime = field(default_factory=timezone.now)
    more: int = 0  # after the first
    target: Target | None = None
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
        with self.lock:
            if key not in self.noted and self.of_network[network] >= MOST_OF_NETWORK:
                key, find, told = (action, network), Target, {}
            if key not in self.noted and len(self.noted) >= MOST:
                key, find, network, told = (action,), Target, "", {}
            found = self.noted.get(key)
            if found is None:
                self.noted[key] = Noted(caller, action, reason, find, network, told)
                self.of_network[network] += 1
            else:
                found.more += 1
                found.last = timezone.now()

    def write(self, *, at_end: bool = False) -> None:
        """Write what is new, and the counts of windows that are over, of all of them where the process ends."""
        now = monotonic()
        with self.lock:
            due = [key for key, noted in self.noted.items() if noted.target is None or at_end or noted.ends_at <= now]
        for start in range(0, len(due), BATCH):
            with transaction.atomic():
                ended = [key for key in due[start : start + BATCH] if self._write(self.noted[key], now, at_end)]
            self._forget(ended)

    def _write(self, noted: Noted, now: float, at_end: bool) -> bool:
        """Write one event, or two; tell whether that was all of it."""
        if noted.target is None:
            target = noted.find()
            if target is None:
                return True
            _record(noted, target, noted.first)
            noted.target = target
        if not at_end and noted.ends_at > now:
            return False
        if noted.more:
            _record(noted, noted.target, noted.last, times=noted.more)
        return True

    def _forget(self, keys: list[Key]) -> None:
        with self.lock:
            for key in keys:
                network = self.noted.pop(key).network
                self.of_network[network] -= 1
                if self.of_network[network] <= 0:
                    del self.of_network[network]


def note(caller: Caller, action: str, *, reason: str, subject: str = "", find: Finder = Target, **told: Any) -> None:
    """Note an event that somebody can cause without end; `find` is asked by the sweeper what it was about.

    One for which that returns None is none. It succeeded where `reason` is "". What is `told` tells kinds apart.
    """
    _notes().note(caller, action, reason, subject, find, told)


def write() -> None:
    """Write what was noted; a chore."""
    _notes().write()


def write_at_end() -> None:
    """Write all that was noted, as the last a process does."""
    _notes().write(at_end=True)


def _record(noted: Noted, target: Target, when: datetime, **data: Any) -> None:
    about: dict[str, Any] = {"target_id": target.id, "target_name": target.name, "concerns": target.concerns}
    record(noted.caller, noted.action, reason=noted.reason, when=when, **about, **noted.told, **data)


@cache
def _notes() -> Notes:
    return Notes()
