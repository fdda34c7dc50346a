"""A thread of each server process: wipes values that nobody confirmed, writes uses that were counted in memory.

It also forgets what ran out: refresh tokens, log-ins upstream, and keys that expired 90 days ago; and it takes the
steps of the review's rules. With an upstream IAM another thread asks what that offers.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing.util import Finalize
from time import monotonic

from django.db import Error, close_old_connections

from apikeys.audit import chain, counted
from apikeys.backends import rotation, store_traits
from apikeys.identity import tokens
from apikeys.services import bulk, deletion, delivery, refusals, retention, review_rules
from apikeys.storage import reserve
from apikeys.upstream import discovery, sessions
from apikeys.usage import counting
from apikeys.usage.records import forget_old_refusals

logger = logging.getLogger(__name__)

Chore = Callable[[], object]


def start(chores: Iterable[Chore] = ()) -> None:
    """Start sweeping, beginning with what an earlier process left behind; `chores` are those of the project."""
    with suppress(OSError):  # the first sweep tries again, and tells
        reserve.fill()
    threading.Thread(target=Sweeper(chores).run, name="sweeper", daemon=True).start()
    if store_traits().is_upstream:
        threading.Thread(target=discovery.keep_discovering, name="discovery", daemon=True).start()
    # A forked worker leaves by os._exit, past atexit; this runs at the end of every kind of process.
    Finalize(None, refusals.write_uses_at_end, exitpriority=0)
    Finalize(None, write_refusals_at_end, exitpriority=1)


def write_refusals_at_end() -> None:
    """Write the audit events that this process still has in memory, if that can be done."""
    try:
        counted.write_at_end()
    except Error:
        logger.exception("Refusals that were counted are lost.")


class Sweeper:
    """Does every chore each five seconds, whether others fail or not, and writes the first uses of keys between.

    A fault that lasts is one line in the log, and its end another.
    """

    def __init__(self, chores: Iterable[Chore] = ()) -> None:
        if store_traits().is_upstream:
            of_store: list[Chore] = [sessions.forget_old]
        else:
            of_store = [retention.remove_expired, review_rules.Sweep().run]
        self.chores = [
            *chores,
            reserve.fill,
            delivery.Sweep().run,
            refusals.write_uses,
            counted.write,
            chain.seal_events,
            chain.remove_old,
            tokens.forget_expired,
            forget_old_refusals,
            rotation.forget_ended,
            deletion.purge,
            bulk.forget_old,
            *of_store,
        ]
        self.fault = ""

    def run(self) -> None:
        while True:
            next_sweep = monotonic() + delivery.SWEEP.total_seconds()
            works = self.sweep()
            while (seconds := next_sweep - monotonic()) > 0:
                # While nothing can be written, uses wait for the next sweep.
                if counting.wait_for_first_use(seconds) and works:
                    works = self.attempt([refusals.write_uses])

    def sweep(self) -> bool:
        """Do every chore; tell whether all of them succeeded."""
        return self.attempt(self.chores)

    def attempt(self, chores: list[Chore]) -> bool:
        """Do these chores, each whether others fail or not; tell whether all of them succeeded."""
        fault = ""
        for chore in chores:
            try:
                chore()
            except Exception as exc:
                if not isinstance(exc, (Error, OSError)):
                    logger.exception("A chore failed that no database and no disk prevents.")
                fault = fault or (exc.strerror if isinstance(exc, OSError) else "") or f"{type(exc).__name__}: {exc}"
        close_old_connections()
        if fault and not self.fault:
            logger.error("A sweep failed: %s. It is tried again each 5 seconds.", fault)
        elif self.fault and not fault:
            logger.warning("Sweeps succeed again.")
        self.fault = fault
        return not fault
