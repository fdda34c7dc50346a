"""An end to statements that take too long: nobody waits for them any more, and others want the thread and the disk.

PostgreSQL ends a statement by itself. In SQLite the statement asks, every STEPS steps of its program, whether its time
is over.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from django.db import OperationalError, connection, transaction

STEPS = 1_000  # of SQLite's virtual machine; one that looks for a long text in a long text takes a millisecond
INTERRUPTED = 9  # SQLITE_INTERRUPT
CANCELLED = "57014"  # query_canceled


class TimeIsOver(Exception):
    """A statement took longer than it may."""


class StatementLimit:
    """Ends each statement of an SQLite connection after so many seconds, and all of them at `ends_by`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.ends_at = self.ends_by = float("inf")

    def __call__(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self.ends_at = min(monotonic() + self.seconds, self.ends_by)
        return execute(*arguments)

    def is_over(self) -> bool:
        return monotonic() > self.ends_at


def limit_statements(sqlite: Any, seconds: float) -> StatementLimit:
    """Limit every statement of a connection to SQLite from now on, also where it is opened anew."""
    limit = next((found for found in sqlite.execute_wrappers if isinstance(found, StatementLimit)), None)
    if limit is None:
        limit = StatementLimit(seconds)
        sqlite.execute_wrappers.append(limit)
    limit.seconds = min(limit.seconds, seconds)
    sqlite.connection.set_progress_handler(limit.is_over, STEPS)
    return limit


@contextmanager
def time_limit(seconds: float, *, by_index: bool = False) -> Iterator[None]:
    """Let what is read inside take so long: on SQLite all of it, on PostgreSQL each statement. Raises TimeIsOver.

    `by_index` keeps PostgreSQL from reading a table from its beginning in the hope of finding enough there.
    """
    with _postgresql(seconds, by_index) if connection.vendor == "postgresql" else _sqlite(seconds):
        try:
            yield
        except OperationalError as exc:
            code = getattr(exc.__cause__, "sqlite_errorcode", None) or getattr(exc.__cause__, "sqlstate", None)
            if code not in (INTERRUPTED, CANCELLED):
                raise
            raise TimeIsOver from exc


@contextmanager
def _postgresql(seconds: float, by_index: bool) -> Iterator[None]:
    within_another = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        before = _settings(cursor) if within_another else None
        _set(cursor, f"{round(seconds * 1000)}ms", "off" if by_index else "on")
        yield
        # The settings last until the outermost transaction ends; an error takes them back with the savepoint.
        if before is not None:
            _set(cursor, *before)


def _settings(cursor: Any) -> tuple[str, str]:
    cursor.execute("SELECT current_setting('statement_timeout'), current_setting('enable_seqscan')")
    found: tuple[str, str] = cursor.fetchone()
    return found


def _set(cursor: Any, timeout: str, seqscan: str) -> None:
    cursor.execute(
        "SELECT set_config('statement_timeout', %s, true), set_config('enable_seqscan', %s, true)", [timeout, seqscan]
    )


@contextmanager
def _sqlite(seconds: float) -> Iterator[None]:
    connection.ensure_connection()
    limit = limit_statements(connection, float("inf"))
    limit.ends_by = monotonic() + seconds
    try:
        yield
    finally:
        limit.ends_at = limit.ends_by = float("inf")
