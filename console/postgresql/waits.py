"""A limit to what PostgreSQL itself does not limit: a commit waits for a synchronous standby while that is away.

The server is told to give up the wait. The change then stays on the primary, perhaps nowhere else, so whoever asked for
it is told that the database does not answer: what was promised is never lost, and what was not may still be there.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

from psycopg import Error
from psycopg.errors import QueryCanceled

COMMIT_SECONDS = 8.0  # as long as a statement may take
LOOK_SECONDS = 0.5
CANCEL_SECONDS = 3.0  # to reach the server


class Waits:
    """The commits of one connection: its thread waits for them, the watch ends those that take too long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Any = None
        self._began: float | None = None
        self._was_ended = False

    @contextmanager
    def limited(self, connection: Any) -> Iterator[None]:
        """Commit inside. Raises QueryCanceled where the commit took too long, whether it is whole or not."""
        self._connection, self._was_ended, self._began = connection, False, time.monotonic()
        try:
            yield
        finally:
            with self._lock:  # a cancellation that is under way ends first, and hits nothing else
                self._began = None
        if self._was_ended:
            raise QueryCanceled("no synchronous standby confirmed the commit in time")

    def end_long(self) -> None:
        """Have the server give up the commit where it takes too long."""
        with self._lock:
            if self._began is not None and time.monotonic() - self._began > COMMIT_SECONDS:
                self._was_ended = True
                with suppress(Error):  # the next look tries again
                    self._connection.cancel_safe(timeout=CANCEL_SECONDS)


_watched: WeakSet[Waits] = WeakSet()
_start = threading.Lock()
_threads: list[threading.Thread] = []


def watch(wrapper: Any) -> None:
    """End the long commits of a connection from now on; for processes that answer requests."""
    if _limited not in wrapper.execute_wrappers:
        wrapper.execute_wrappers.append(_limited)
    with _start:
        _watched.add(wrapper.waits)
        if not _threads:
            _threads.append(threading.Thread(target=_look, name="commits", daemon=True))
            _threads[0].start()


def _limited(execute: Any, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Execute a statement; outside of a transaction one that changes something is its own."""
    wrapper = context["connection"]
    if wrapper.in_atomic_block or str(sql).startswith("SELECT"):
        return execute(sql, params, many, context)
    with wrapper.wrap_database_errors, wrapper.waits.limited(wrapper.connection):
        return execute(sql, params, many, context)


def _look() -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        with _start:
            watched = list(_watched)
        for waits in watched:
            waits.end_long()
