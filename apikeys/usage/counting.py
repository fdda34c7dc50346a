"""When, how often and from where each key was used or refused, and its move to the newest pepper.

All of it is written beside requests and not in them. A process counts in memory. Its sweeper writes the first use of a
key at once, and so the first by another client or with another value; the later ones it writes once a minute, so that
a key costs little more than one write a minute in each process, and a crash loses at most the last minute's count.

To authenticate is to read: while the database takes no writes keys work, and what was counted waits in memory.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from threading import Event, Lock
from time import monotonic

from django.db import Error, transaction
from django.utils import timezone

from apikeys.backends.records import PepperMove, move_to_newest_pepper
from apikeys.domain import Origin, Reason, Refusal, UsedKey
from apikeys.usage import records
from apikeys.usage.places import Spot, Tallies, Tally, client_of, printable
from apikeys.values import mask_agent

INTERVAL_SECONDS = 60.0
NEWS_SECONDS = 1.0  # for what a person may wait to see: a decoy was used, a client has moved to a new value
NEVER = float("-inf")
BATCH = 100  # keys in one transaction, which takes the write lock and must be short
MOST_SPOTS = 200  # of a key in memory; what is used beyond them is counted without its place
MAX_AGENT, MAX_ADDRESS = 255, 45

logger = logging.getLogger(__name__)

Alarm = Callable[[Sequence[Refusal]], object]


@dataclass(slots=True)
class Counter:
    """What this process has counted of one key and not written yet; `value_number` is that of its present value.

    `seen` has the spots that were counted lately, without their days.
    """

    iam_id: str
    value_number: int
    written_at: float = NEVER  # monotonic seconds
    interval: float = INTERVAL_SECONDS
    tallies: Tallies = field(default_factory=dict)
    seen: set[tuple[object, ...]] = field(default_factory=set)
    refusals: list[Refusal] = field(default_factory=list)
    move: PepperMove | None = None

    def is_due(self, clock: float) -> bool:
        return clock - self.written_at >= self.interval

    def add(self, spot: Spot, added: Tally) -> None:
        """Count uses at a spot, without its address and client where too many others are counted."""
        tally = self.tallies.get(spot)
        if tally is None and len(self.tallies) >= MOST_SPOTS:
            spot = spot._replace(address="", client="")
            tally = self.tallies.get(spot)
        if tally is not None:
            tally.merge(added)
            return
        self.tallies[spot] = added
        if spot[1:] not in self.seen:
            if len(self.seen) >= MOST_SPOTS:
                self.seen.clear()
            self.seen.add(spot[1:])
            self.interval = NEWS_SECONDS

    def uses(self, number: int | None = None) -> Tally | None:
        """Return the uses of value `number`, or of all, that were not refused; None for none."""
        found = [tally for spot, tally in self.tallies.items() if spot.reason is None and number in (None, spot.number)]
        if not found:
            return None
        total = Tally(0, found[0].first, found[0].last)
        for tally in found:
            total.merge(tally)
        return total


_counters: dict[str, Counter] = {}
_lock = Lock()
_first_use = Event()


def note(key: UsedKey, number: int, origin: Origin, move: PepperMove | None = None) -> None:
    """Count one use of a key by its value `number`, now, in memory; `move` is written together with it."""
    now = timezone.now()
    spot = Spot(now.date(), origin.address[:MAX_ADDRESS], client_of(origin.agent), number)
    with _lock:
        counter = _counter_of(key)
        counter.add(spot, Tally(1, now, now))
        counter.move = move or counter.move
        _tell_if_due(counter)


def note_refusal(key: UsedKey, number: int, origin: Origin, reason: Reason) -> None:
    """Count one use of a known value that was refused, now, in memory; the latest of a key are kept one by one."""
    now = timezone.now()
    spot = Spot(now.date(), origin.address[:MAX_ADDRESS], client_of(origin.agent), number, reason)
    agent = printable(mask_agent(origin.agent))[:MAX_AGENT]
    refusal = Refusal(key.id, origin.request_id, now, reason, number, spot.address, agent)
    with _lock:
        counter = _counter_of(key)
        counter.add(spot, Tally(1, now, now))
        if reason is Reason.DECOY:
            counter.interval = NEWS_SECONDS
        _keep(counter, [refusal])
        _tell_if_due(counter)


def _counter_of(key: UsedKey) -> Counter:
    counter = _counters.get(key.id)
    if counter is None:
        counter = _counters[key.id] = Counter(key.iam_id, key.value_number)
    counter.value_number = key.value_number
    return counter


def _tell_if_due(counter: Counter) -> None:
    if counter.is_due(monotonic()):
        _first_use.set()


def _keep(counter: Counter, refusals: Sequence[Refusal]) -> None:
    counter.refusals = [*counter.refusals, *refusals][-records.MOST_REFUSALS :]


def wait_for_first_use(seconds: float) -> bool:
    """Wait this long at most for the first use of a key in a minute; tell whether there was one."""
    noted = _first_use.wait(seconds)
    _first_use.clear()
    return noted


def flush(alarm: Alarm = lambda _refusals: None, *, everything: bool = False) -> None:
    """Write what is due, or `everything` at the end of a process. Raises Error; what was not written is tried again.

    `alarm` is called with the refusals of decoys, in the transaction that writes them.
    """
    due = _take(everything)
    while due:
        batch = due[:BATCH]
        try:
            with transaction.atomic():
                _write(batch, alarm)
        except BaseException:
            _put_back(due)
            raise
        for _key_id, counter in batch:
            if counter.move is not None:
                move_to_newest_pepper(counter.move)
        due = due[BATCH:]


def flush_at_end(alarm: Alarm = lambda _refusals: None) -> None:
    """Write everything before this process ends; what can't be written is lost, and logged."""
    try:
        flush(alarm, everything=True)
    except Error as exc:
        lost = sum(uses.count for counter in _counters.values() if (uses := counter.uses()))
        logger.error("%d uses of keys were not counted: %s", lost, exc)


def _write(batch: Sequence[tuple[str, Counter]], alarm: Alarm) -> None:
    records.add_to_keys({key_id: uses for key_id, counter in batch if (uses := counter.uses())})
    for key_id, counter in batch:
        for number in sorted({spot.number for spot in counter.tallies} - {counter.value_number}):
            if uses := counter.uses(number):
                records.add_to_previous_value(key_id, number, uses)
    known = records.known([key_id for key_id, _counter in batch])  # nothing is kept of a key that is gone for good
    counted = [(key_id, counter) for key_id, counter in batch if key_id in known]
    records.add(
        {key_id: counter.tallies for key_id, counter in counted},
        {key_id: counter.iam_id for key_id, counter in counted},
    )
    refusals = [refusal for _key_id, counter in counted for refusal in counter.refusals]
    if refusals:
        records.add_refusals(refusals)
    if decoys := [refusal for refusal in refusals if refusal.reason is Reason.DECOY]:
        alarm(decoys)


def _take(everything: bool) -> list[tuple[str, Counter]]:
    """Return what is due and reset its counters; forget idle keys. Sorted, so that processes lock rows in one order."""
    clock = monotonic()
    due: list[tuple[str, Counter]] = []
    with _lock:
        for key_id, counter in list(_counters.items()):
            if not everything and not counter.is_due(clock):
                continue
            if counter.tallies:
                due.append((key_id, counter))
                _counters[key_id] = Counter(counter.iam_id, counter.value_number, written_at=clock, seen=counter.seen)
            else:
                del _counters[key_id]
    return sorted(due, key=itemgetter(0))


def _put_back(due: list[tuple[str, Counter]]) -> None:
    with _lock:
        for key_id, unwritten in due:
            counter = _counters.setdefault(key_id, Counter(unwritten.iam_id, unwritten.value_number))
            counter.written_at = NEVER
            for spot, tally in unwritten.tallies.items():
                counter.add(spot, tally)
            since, counter.refusals = counter.refusals, unwritten.refusals
            _keep(counter, since)
            counter.move = counter.move or unwritten.move
