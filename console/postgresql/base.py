"""The connection to PostgreSQL; Django finds it by the name of this module."""

import threading
import time
from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base
from psycopg import Connection, Error, OperationalError

from console.postgresql.waits import Waits

PAUSE = 0.2  # seconds between two attempts


class Absence:
    """How long no server has been there that takes changes, as far as this process knows; all its threads share it."""

    def __init__(self) -> None:
        self.was_there = False
        self.since: float | None = None
        self.looking = threading.Lock()  # held by the one thread that looks whether one is back

    def end(self) -> None:
        """Note that a server is there."""
        self.was_there, self.since = True, None

    def is_short(self) -> bool:
        """Note that none is there, and tell whether FAILOVER_SECONDS have not passed since the first that noted it."""
        now = time.monotonic()
        if self.since is None:
            self.since = now
        return self.was_there and now - self.since < settings.FAILOVER_SECONDS


absence = Absence()


class NoServer(OperationalError):
    """No server of DATABASE_URL takes changes; nothing was asked."""

    found_no_server = True  # for apikeys.storage.errors


class DatabaseWrapper(base.DatabaseWrapper):
    """Waits a moment for the next server when one has gone; tried before each request that asks the database."""

    waits_for_server = True  # False: an answer is wanted now, for who asks whether the server is there

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.waits = Waits()

    def get_new_connection(self, conn_params: dict[str, Any]) -> "Connection[Any]":
        """Return a connection to a server that takes changes.

        Raises NoServer when there is none, and has been none for FAILOVER_SECONDS; at once in a process that never
        had one.
        """
        while True:
            try:
                connection = self._connect_alone(conn_params) if absence.since else self._connect(conn_params)
            except OperationalError as exc:
                if not (absence.is_short() and self.waits_for_server):
                    raise NoServer(*exc.args) from exc
                time.sleep(PAUSE)
            else:
                absence.end()
                return connection

    def _connect(self, conn_params: dict[str, Any]) -> "Connection[Any]":
        connection: Connection[Any] = super().get_new_connection(conn_params)
        return connection

    def _connect_alone(self, conn_params: dict[str, Any]) -> "Connection[Any]":
        """Look whether a server is back, where no other thread does: one that is silent would hold them all."""
        if not absence.looking.acquire(blocking=False):
            raise NoServer("no server takes changes")
        try:
            return self._connect(conn_params)
        finally:
            absence.looking.release()

    def init_connection_state(self) -> None:
        """Have the server keep plans of statements that are written once, unless a pooler stands between.

        One may lead the same connection to another server process, which has other plans under the same names.
        PgBouncer can know them since 1.21: a `prepare_threshold` in DATABASE_URL says that it does.
        """
        super().init_connection_state()
        if self.connection is not None and "prepare_threshold" not in self.settings_dict["OPTIONS"]:
            self.connection.prepare_threshold = 0 if is_direct(self.connection) else None

    def _commit(self) -> None:
        if self.connection is not None:
            with self.wrap_database_errors, self.waits.limited(self.connection):
                super()._commit()  # type: ignore[misc]

    def is_usable(self) -> bool:
        """Tell whether the server answers and takes changes, in one question.

        One that was demoted or fenced answers, but knows nothing of keys that were deleted since. A connection to
        it is given up, and the next one goes to the server of DATABASE_URL that takes changes.
        """
        if self.connection is None:
            return False
        try:
            with self.connection.cursor() as cursor:
                cursor.execute("SHOW transaction_read_only")
                return bool(cursor.fetchone() == ("off",))
        except Error:
            return False


def is_direct(connection: "Connection[Any]") -> bool:
    """Tell whether the server process that answers is the one that a connection was made to; a pooler hides it."""
    with connection.cursor() as cursor:
        return bool(cursor.execute("SELECT pg_backend_pid()").fetchone() == (connection.info.backend_pid,))
