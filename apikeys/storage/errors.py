"""What an error of the database means to whoever asked: it is full, or it does not answer just now."""

from enum import Enum

from django.db.utils import Error, InterfaceError, OperationalError

# Result codes of SQLite
SQLITE_FULL = 13
# busy, locked, out of memory, read-only, interrupted, I/O error, can't open, protocol
SQLITE_UNAVAILABLE = {5, 6, 7, 8, 9, 10, 14, 15}
# States of PostgreSQL; the others are classes: connection, resources, operator, system
POSTGRESQL_FULL = "53100"
POSTGRESQL_UNAVAILABLE = ("08", "53", "57", "58", "55P03", "40001", "40P01", "25006")


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
