"""What an error of the database means to whoever asked: it is full, or it does not answer just now."""

from enum import Enum
from typing import Any

from django.db.utils import Error, InterfaceError, OperationalError

# Result codes of SQLite
SQLITE_FULL = 13
# busy, locked, out of memory, read-only, interrupted, I/O error, can't open, protocol
SQLITE_UNAVAILABLE = {5, 6, 7, 8, 9, 10, 14, 15}
# States of PostgreSQL; the others are classes: connection, resources, operator, system
POSTGRESQL_FULL = "53100"
POSTGRESQL_UNAVAILABLE = ("08", "53", "57", "58", "55P03", "40001", "40P01", "25006")
# The connection, a server that shuts down or starts, one that only reads
POSTGRESQL_GONE = ("08", "57P01", "57P02", "57P03", "25006")


class Fault(Enum):
    """FULL: nothing more can be stored. UNAVAILABLE: away, or another holds what is needed for too long."""

    FULL = "full"
    UNAVAILABLE = "unavailable"


def fault_of(error: BaseException | None) -> Fault | None:
    """Return what is wrong with the database, None where an error is not the database's fault."""
    if not isinstance(error, Error):
        return None
    cause = error.__cause__
    sqlite_code = getattr(cause, "sqlite_errorcode", None)
    if sqlite_code is not None:
        code = sqlite_code & 0xFF  # the rest says more about the same
        return Fault.FULL if code == SQLITE_FULL else Fault.UNAVAILABLE if code in SQLITE_UNAVAILABLE else None
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        if state == POSTGRESQL_FULL:
            return Fault.FULL
        return Fault.UNAVAILABLE if state.startswith(POSTGRESQL_UNAVAILABLE) else None
    return Fault.UNAVAILABLE if isinstance(error, OperationalError | InterfaceError) else None


def is_connection_lost(error: Error) -> bool:
    """Tell whether a connection to PostgreSQL ended with the error, or leads to a server that only reads now.

    What was asked may be done or not, a commit included. False where no server was found to begin with.
    """
    cause: Any = error.__cause__
    if not hasattr(cause, "sqlstate") or getattr(cause, "found_no_server", False):
        return False
    if cause.sqlstate is None:  # the server said nothing
        return isinstance(error, OperationalError)
    return bool(cause.sqlstate.startswith(POSTGRESQL_GONE))


def first_line(error: BaseException) -> str:
    """Return what a database says of an error, on one line; its advice and positions follow on others."""
    return str(error).strip().partition("\n")[0]
