"""Locks between processes: in a folder that they share, and in a database that they share."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOCK_FILE = "lock"
DATABASE_LOCK = 0x6170696B  # a number of PostgreSQL's advisory locks: "apik"
POLL_SECONDS = 0.2


def silently() -> None:
    pass


@contextmanager
def folder_locked(folder: Path, waiting: Callable[[], object] = silently) -> Iterator[None]:
    """Hold the lock of a folder; `waiting` is called once where another process has it.

    The system lets go of it when the process ends, however it ends. Raises OSError where there can be no lock.
    """
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def database_locked(connection: Any, waiting: Callable[[], object] = silently) -> Iterator[None]:
    """Hold a lock in the database where that is a PostgreSQL server; SQLite's file is in a folder that has one.

    A transaction of a connection of its own holds it: through PgBouncer a session would not.
    """
    if connection.vendor != "postgresql":
        yield
        return
    holder = connection.copy()
    try:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            while not _try_lock(cursor):
                waiting()
                waiting = silently
                time.sleep(POLL_SECONDS)
        yield
    finally:
        holder.close()


def _try_lock(cursor: Any) -> bool:
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [DATABASE_LOCK])
    return bool(cursor.fetchone()[0])
