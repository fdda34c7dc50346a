"""The connection to SQLite; Django finds it by the name of this module.

SQLite has one writer. Whoever finds another one there sleeps and tries again, for longer each time, so that with many
who write somebody waits for seconds while others come and go. Here the threads of a process write in the order in which
they asked, and the one whose turn it is tries often enough to come between the transactions of other processes.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError
from django.db.backends.sqlite3 import base

from console.sqlite.line import Line

RETRY_SECONDS = 0.001  # a transaction takes some ms
WRITES = ("INSERT", "UPDATE", "DELETE")

_lines: dict[str, Line] = {}  # of the threads of this process, by file


class Cursor(base.SQLiteCursorWrapper):
    """Waits in line for a statement that writes by itself."""

    line: Line
    seconds: float

    def execute(self, query: str, params: Any = None) -> Any:
        if not query.startswith(WRITES) or self.connection.in_transaction:
            return super().execute(query, params)
        enter(self.line, self.seconds)
        try:
            return super().execute(query, params)
        finally:
            self.line.leave()


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, whose transactions begin in line. As before, who waits for too long is told that it is locked."""

    has_turn = False
    seconds = 5.0  # to wait for other writers

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        self.seconds = float(params.get("timeout", self.seconds))
        self.line = _lines.setdefault(params["database"], Line())
        return params

    def create_cursor(self, name: str | None = None) -> Any:
        cursor = self.connection.cursor(factory=Cursor)
        cursor.line, cursor.seconds = self.line, self.seconds
        return cursor

    def _start_transaction_under_autocommit(self) -> None:
        end = time.monotonic() + self.seconds
        with self.wrap_database_errors:
            enter(self.line, self.seconds)
        self.has_turn = True
        try:
            with self._without_patience():
                while True:
                    try:
                        super()._start_transaction_under_autocommit()  # type: ignore[misc]
                        return
                    except OperationalError as exc:
                        if not is_busy(exc) or time.monotonic() >= end:
                            raise
                    time.sleep(RETRY_SECONDS)
        except BaseException:
            self._leave()
            raise

    @contextmanager
    def _without_patience(self) -> Iterator[None]:
        """Have SQLite say at once that another process writes, instead of sleeping."""
        self.connection.execute("PRAGMA busy_timeout = 0").close()
        try:
            yield
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {round(self.seconds * 1000)}").close()

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._leave()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._leave()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._leave()

    def _leave(self) -> None:
        if self.has_turn:
            self.has_turn = False
            self.line.leave()


def enter(line: Line, seconds: float) -> None:
    """Wait in line. Raises what SQLite's driver raises for who waits too long."""
    if not line.enter(seconds):
        raise sqlite3.OperationalError("database is locked")


def is_busy(error: OperationalError) -> bool:
    """Tell whether another connection writes."""
    code = getattr(error.__cause__, "sqlite_errorcode", 0)
    return bool((code & 0xFF) == sqlite3.SQLITE_BUSY)
