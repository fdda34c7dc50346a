"""The two databases of a copy: nobody else changes the source while it runs, or starts or copies into the target."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections, transaction

from apikeys.storage.errors import first_line
from console import sqlite_files
from console.copy_store.copying import SOURCE, TARGET, name_of, tables
from console.database import SQLITE
from console.exceptions import Unfit
from console.locks import POLL_SECONDS, database_locked, folder_locked

WAIT_SECONDS = 5  # for others to be gone, as SQLite waits for them
# Before anything is read: then the first read takes the file, and waits for nobody who has it open.
LOCKING = "PRAGMA locking_mode=EXCLUSIVE;"
LIMITS = {"idle_in_transaction_session_timeout": "0", "statement_timeout": "0", "lock_timeout": f"'{WAIT_SECONDS}s'"}
OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
"""
# Where two names lead to the same server, both say that it was started at the same moment.
SERVER = "SELECT current_database(), pg_postmaster_start_time()"


@contextmanager
def source(setting: dict[str, Any]) -> Iterator[None]:
    """Connect to the source and keep everybody else from changing it. Raises Unfit where that can't be."""
    is_file = setting["ENGINE"] == SQLITE
    if is_file:
        check_file(setting)
        setting = setting | {"OPTIONS": with_lock(setting["OPTIONS"])}
    connections.settings[SOURCE] = connections.configure_settings({DEFAULT_DB_ALIAS: {}, SOURCE: setting})[SOURCE]
    try:
        if identity(SOURCE) == identity(TARGET):
            raise Unfit(
                "Source and target are the same database: set DATABASE_URL to the one to copy to, or COPY_FROM to the "
                "one to copy from."
            )
        with file_held() if is_file else server_held():
            yield
    finally:
        connections[SOURCE].close()


@contextmanager
def target(waiting: Callable[[], object]) -> Iterator[None]:
    """Hold what a start of the console holds while it prepares the target; `waiting` is called where another does."""
    connection = connections[TARGET]
    with folder_locked(settings.DATA_DIR, waiting), database_locked(connection, waiting):
        yield


def check_file(setting: dict[str, Any]) -> None:
    """Raise Unfit where the file of the source is not there, or is no whole database."""
    file = Path(setting["NAME"])
    if not file.exists():
        raise Unfit(f"There is no database to copy from: {file}")
    sqlite_files.check_files(file, used_before=True)


def with_lock(options: dict[str, Any]) -> dict[str, Any]:
    return options | {"init_command": f"{LOCKING} {options['init_command']}"}


@contextmanager
def file_held() -> Iterator[None]:
    """Hold the file, which lets nobody else in, a console that only reads included."""
    try:
        with connections[SOURCE].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM sqlite_schema")
    except OperationalError as exc:
        raise in_use(first_line(exc)) from exc
    yield


@contextmanager
def server_held() -> Iterator[None]:
    """Hold each table against changes, where nobody else is connected as the same user."""
    connection = connections[SOURCE]
    with transaction.atomic(using=SOURCE), connection.cursor() as cursor:
        there = set(connection.introspection.table_names(cursor))
        names = [connection.ops.quote_name(name) for table in tables() if (name := name_of(table)) in there]
        for name, limit in LIMITS.items():
            cursor.execute(f"SET LOCAL {name} = {limit}")
        wait_until_alone(cursor)
        if names:
            try:
                cursor.execute(f"LOCK TABLE {', '.join(names)} IN SHARE MODE")
            except OperationalError as exc:
                raise in_use(first_line(exc)) from exc
        yield


def wait_until_alone(cursor: Any) -> None:
    """Return once nobody else is connected as this user; a process that was killed may be, for a moment."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        cursor.execute(OTHERS)
        (others,) = cursor.fetchone()
        if not others:
            return
        if time.monotonic() >= end:
            raise in_use(f"{others} other connections of its user")
        time.sleep(POLL_SECONDS)


def in_use(why: str) -> Unfit:
    return Unfit(
        f"The source is in use ({why}), and what is written to it now would be lost: stop every console on it, then "
        "run this again."
    )


def identity(alias: str) -> tuple[object, ...]:
    """Return what is the same for two connections to one database, by whatever name."""
    connection = connections[alias]
    if connection.vendor == "sqlite":
        return (Path(connection.settings_dict["NAME"]).resolve(),)
    with connection.cursor() as cursor:
        cursor.execute(SERVER)
        return tuple(cursor.fetchone())


def place(alias: str) -> str:
    """Return where a database is, for people; without its password."""
    found = connections[alias].settings_dict
    return f"{found['NAME']} on {found['HOST']}" if found["HOST"] else str(found["NAME"])
