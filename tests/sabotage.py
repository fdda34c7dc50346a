"""Faults of the database at one chosen call: what its driver says then, and what becomes of the transaction."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any, NoReturn

from django.db import connection


class Fault(Enum):
    """What happens to one call, as SQLite's result code and PostgreSQL's state.

    BUSY and FULL refuse it. GONE loses the connection, or the disk, before it is done, and UNANSWERED after it was:
    a commit is then done and nobody is told.
    """

    BUSY = (sqlite3.SQLITE_BUSY, "55P03")
    FULL = (sqlite3.SQLITE_FULL, "53100")
    GONE = (sqlite3.SQLITE_IOERR, "")
    UNANSWERED = (sqlite3.SQLITE_IOERR_FSYNC, "")


class Saboteur:
    """Lets the database call of this number fail, counted from 1; a commit is a call, too."""

    def __init__(self, fault: Fault, number: int) -> None:
        self.fault, self.number = fault, number
        self.calls = 0

    @property
    def has_struck(self) -> bool:
        return self.calls >= self.number

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Watch the calls of Django's cursors, of statements that are written once, and of commits."""
        commit = connection._commit
        connection._commit = lambda: self(commit)  # type: ignore[method-assign]
        try:
            with connection.execute_wrapper(self):
                yield
        finally:
            connection._commit = commit  # type: ignore[method-assign]

    def __call__(self, call: Callable[..., Any], *arguments: Any) -> Any:
        self.calls += 1
        if self.calls != self.number:
            return call(*arguments)
        if self.fault is Fault.UNANSWERED:
            call(*arguments)
        return fail(self.fault)


def fail(fault: Fault) -> NoReturn:
    """Raise what Django makes of the fault, and leave the connection as the fault does."""
    with connection.wrap_database_errors:
        (_fail_in_file if connection.vendor == "sqlite" else _fail_on_server)(fault)
    raise AssertionError(f"{fault} was no error of the database.")


def _fail_in_file(fault: Fault) -> None:
    code, _state = fault.value
    if fault in (Fault.GONE, Fault.UNANSWERED):
        connection.connection.rollback()  # as SQLite does by itself
    error = sqlite3.OperationalError(f"{fault.name} is what a test made of this")
    error.sqlite_errorcode = code
    raise error


def _fail_on_server(fault: Fault) -> None:
    _code, state = fault.value
    if state:
        connection.connection.execute(f"DO $$ BEGIN RAISE SQLSTATE '{state}' USING MESSAGE = 'a test'; END $$")
    else:
        connection.connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
