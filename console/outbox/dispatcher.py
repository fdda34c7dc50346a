"""The thread of each process that delivers: it sleeps while nothing is due, and is woken by what is put in here.

Each recipient has a lane of its own, a thread while there is something to send: one that is dead or slow holds up
nobody else. After failures in a row its lane rests, for longer each time, so that what piles up for it costs little.
"""

import logging
import threading
from collections import Counter, deque
from collections.abc import Sequence
from time import monotonic

from django.db import Error, close_old_connections, connections
from django.utils import timezone

from console.outbox import queue
from console.outbox.models import Delivery
from console.outbox.senders import SENDERS, NotDelivered
from console.outbox.waking import wake, woken

LANES = 4  # at once in one process
POLL_SECONDS = 30.0  # between two looks for what other processes put in and have not sent
SHORTEST_SLEEP = 0.1
REST_SECONDS, LONGEST_REST = 5.0, 300.0
TURN_SECONDS, PAUSE_SECONDS = 5.0, 1.0  # of a lane that works, before and after another one has its turn

DELIVERED, FAILED, GIVEN_UP = "delivered", "failed", "given_up"

logger = logging.getLogger(__name__)

Lane = tuple[str, str]
waiting: dict[str, int] = {}  # by kind, as this process saw it last
ended: "deque[tuple[str, str]]" = deque(maxlen=10_000)  # kind and outcome of attempts, until the figures take them


def start() -> None:
    """Start delivering in this process."""
    threading.Thread(target=Dispatcher().run, name="outbox", daemon=True).start()


class Dispatcher:
    """Gives what is due to lanes, LANES at most at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.busy: set[Lane] = set()
        self.failures: Counter[Lane] = Counter()  # in a row
        self.resting: dict[Lane, float] = {}  # until when, of monotonic()
        self.fault = ""

    def run(self) -> None:
        while True:
            woken.clear()
            seconds = POLL_SECONDS
            try:
                while self.begin_lane():
                    pass
                seconds = self.seconds_to_next()
                self.count_waiting()
                self._tell("")
            except Error as exc:
                self._tell(f"{type(exc).__name__}: {exc}")
            except Exception:
                logger.exception("The outbox can't be looked through.")
            close_old_connections()
            woken.wait(seconds)

    def begin_lane(self) -> bool:
        """Start a lane for what is due; tell whether there is one. Raises errors of the database."""
        deliveries = self.claim()
        if deliveries:
            lane = lane_of(deliveries[0])
            try:
                threading.Thread(target=self.run_lane, args=(lane, deliveries), name="delivery", daemon=True).start()
            except RuntimeError:  # the system has no thread left; what was claimed waits for the end of its lease
                with self.lock:
                    self.busy.discard(lane)
                raise
        return bool(deliveries)

    def claim(self) -> list[Delivery]:
        """Return what a free lane is to send, which is busy from now on; [] where nothing is due, or no lane free."""
        with self.lock:
            if len(self.busy) >= LANES:
                return []
            left_out = self._left_out()
        deliveries = queue.claim([*SENDERS], left_out)
        if deliveries:
            with self.lock:
                self.busy.add(lane_of(deliveries[0]))
        return deliveries

    def run_lane(self, lane: Lane, deliveries: Sequence[Delivery]) -> None:
        """Send what one lane has, and be free again, whatever happens."""
        try:
            self.send(lane, deliveries)
        except Error as exc:
            self._tell(f"{type(exc).__name__}: {exc}")
        except Exception:
            logger.exception("A lane of the outbox failed.")
        finally:
            with self.lock:
                self.busy.discard(lane)
            connections.close_all()
            wake()

    def send(self, lane: Lane, deliveries: Sequence[Delivery]) -> None:
        """Send deliveries one after another, and give back those behind one that failed. Raises database errors."""
        ends = monotonic() + TURN_SECONDS
        for number, delivery in enumerate(deliveries):
            if monotonic() > ends:  # of several that are slow each has a turn, and so has who is quick
                with self.lock:
                    self.resting[lane] = monotonic() + PAUSE_SECONDS
                queue.release(deliveries[number:])
                return
            if not self.attempt(delivery):
                self._rest(lane)
                queue.release(deliveries[number + 1 :])
                return
            with self.lock:
                self.failures.pop(lane, None)

    def attempt(self, delivery: Delivery) -> bool:
        """Send one delivery and note what became of it; tell whether its lane works. Raises errors of the database.

        Where a lane is shared, one recipient who is refused for good says nothing about the others.
        """
        try:
            result = SENDERS[delivery.kind].send(delivery)
        except NotDelivered as exc:
            failure = exc
        except Error:
            raise
        except Exception:
            logger.exception("A delivery failed in a way that its sender does not know.")
            failure = NotDelivered("error")
        else:
            queue.succeed(delivery, result)
            ended.append((delivery.kind, DELIVERED))
            return True
        is_last = queue.fail(delivery, failure.result, pause=failure.pause, is_final=failure.is_final)
        ended.append((delivery.kind, GIVEN_UP if is_last else FAILED))
        return failure.is_final and SENDERS[delivery.kind].shares_lane

    def seconds_to_next(self) -> float:
        """Return for how long there is nothing to do, unless somebody wakes this process. Raises database errors."""
        with self.lock:
            if len(self.busy) >= LANES:
                return POLL_SECONDS  # the lane that is free first wakes
            left_out = self._left_out()
            rest = min(self.resting.values(), default=monotonic() + POLL_SECONDS) - monotonic()
        due = queue.next_due([*SENDERS], left_out)
        seconds = POLL_SECONDS if due is None else (due - timezone.now()).total_seconds()
        return max(SHORTEST_SLEEP, min(seconds, rest, POLL_SECONDS))

    def count_waiting(self) -> None:
        """See how many deliveries wait, for the figures. Raises errors of the database."""
        global waiting
        waiting = dict.fromkeys(SENDERS, 0) | queue.waiting()

    def _left_out(self) -> set[Lane]:
        """Return the lanes that nothing is to be claimed for; needs the lock."""
        now = monotonic()
        self.resting = {lane: end for lane, end in self.resting.items() if end > now}
        return self.busy | self.resting.keys()

    def _rest(self, lane: Lane) -> None:
        with self.lock:
            self.failures[lane] += 1
            self.resting[lane] = monotonic() + min(REST_SECONDS * 2 ** (self.failures[lane] - 1), LONGEST_REST)

    def _tell(self, fault: str) -> None:
        """Log a fault of the database that lasts once, and its end."""
        if fault and not self.fault:
            logger.error("The outbox can't be read or written: %s. It is tried again each 30 seconds.", fault)
        elif self.fault and not fault:
            logger.warning("The outbox works again.")
        self.fault = fault


def lane_of(delivery: Delivery) -> Lane:
    """Return what is sent one after another: what goes to one recipient, or all of a kind."""
    return delivery.kind, "" if SENDERS[delivery.kind].shares_lane else delivery.recipient
