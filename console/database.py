"""Where the database is: the setting for Django, from a path or from DATABASE_URL."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from apikeys.storage.deadline import limit_statements

SQLITE, POSTGRESQL = "console.sqlite", "console.postgresql"
DJANGOS_POSTGRESQL = "django.db.backends.postgresql"
# Seconds to wait: for the server, for what another transaction holds, for one statement. No request hangs for long.
CONNECT_SECONDS, LOCK_SECONDS, STATEMENT_SECONDS = 3, 3, 8
# A server that is gone without a word is noticed in that time, too. What DATABASE_URL says instead is taken, save
# that no server will do which only reads: it may not know yet that a key was deleted.
READ_WRITE = "read-write"
SERVER_OPTIONS: dict[str, Any] = {
    "target_session_attrs": READ_WRITE,
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": STATEMENT_SECONDS * 1000,  # milliseconds
}
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 5,  # seconds to wait for another writer
    # FULL: a revocation outlives a power cut. secure_delete: what is wiped is overwritten. cache_size, of each thread's
    # connection, in KiB: with a million keys neither look-ups nor pages are quicker with 16 MiB, which workers keep.
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA cache_size=-4000;"
    ),
}
# A connection lasts as long as its thread, and is tried before each request.
LASTING = {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
USE_POSTGRESQL = "DATABASE_URL: use postgresql://user:password@host/name, or leave it out."
USE_HOSTS = "DATABASE_URL: for several servers use postgresql://user:password@host1:5432,host2:5432/name."
USE_READ_WRITE = (
    "DATABASE_URL: leave target_session_attrs out, or use read-write. A server that only reads may not know yet that a "
    "key was deleted."
)
USE_THRESHOLD = "DATABASE_URL: prepare_threshold is a number of executions."
USE_FILE = "DATABASE_URL: use sqlite:///file, sqlite:////folder/file, or leave it out."


SEVERAL_HOSTS = re.compile(r"(?P<before>[A-Za-z]+://(?:[^/?#]*@)?)(?P<hosts>[^/?#@]*,[^/?#@]*)(?P<after>.*)", re.DOTALL)
HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\s:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")
DEFAULT_PORT, LAST_PORT = 5432, 65535


def database(url: str, file: Path) -> dict[str, Any]:
    """Return Django's setting for the database at `url`, or in the SQLite `file` where the URL is blank.

    Raises ImproperlyConfigured, in a sentence without the URL, when it names no database.
    """
    if not url:
        return _in_file(file)
    scheme = url.partition(":")[0].lower()
    return _in_file(_file_of(url)) if scheme in ("sqlite", "sqlite3") else _on_server(url)


def _in_file(file: Path) -> dict[str, Any]:
    return {"ENGINE": SQLITE, "NAME": str(file), "OPTIONS": SQLITE_OPTIONS, **LASTING}


def _file_of(url: str) -> Path:
    parts = urlsplit(url)
    path = unquote(parts.path[1:])
    is_options = "=" in parts.query and "/" not in parts.query  # of other programs; they mean nothing here
    if "#" in url or ("?" in url and not is_options):
        raise ImproperlyConfigured(
            f"DATABASE_URL: '#' and '?' end the path of a URL, so it names the file {path}. Write %23 and %3F instead, "
            "or leave it out."
        )
    if parts.netloc or not path or path == ":memory:":
        raise ImproperlyConfigured(USE_FILE)
    return Path(path).absolute()


def _on_server(url: str) -> dict[str, Any]:
    several = SEVERAL_HOSTS.fullmatch(url)
    hosts = _hosts_of(several["hosts"]) if several else {}
    try:
        found: dict[str, Any] = dict(
            dj_database_url.parse(f"{several['before']}host{several['after']}" if several else url)
        )
    except ValueError as exc:
        raise ImproperlyConfigured(USE_POSTGRESQL) from exc
    if found.get("ENGINE") != DJANGOS_POSTGRESQL or not found.get("NAME"):
        raise ImproperlyConfigured(USE_POSTGRESQL)
    options = SERVER_OPTIONS | found.get("OPTIONS", {})
    if options["target_session_attrs"] != READ_WRITE:
        raise ImproperlyConfigured(USE_READ_WRITE)
    if not isinstance(options.get("prepare_threshold", 0), int):
        raise ImproperlyConfigured(USE_THRESHOLD)
    return found | hosts | LASTING | {"ENGINE": POSTGRESQL, "OPTIONS": options}


def _hosts_of(text: str) -> dict[str, str]:
    """Return the settings for several servers, in libpq's form: `a:1,b:2` are the hosts `a,b` and the ports `1,2`."""
    found = [HOST.fullmatch(part) for part in text.split(",")]
    hosts = [unquote(host["ipv6"] or host["name"]) for host in found if host]
    ports = [int(host["port"] or DEFAULT_PORT) for host in found if host]
    if len(hosts) < len(found) or not all(0 < port <= LAST_PORT for port in ports):
        raise ImproperlyConfigured(USE_HOSTS)
    return {"HOST": ",".join(hosts), "PORT": ",".join(map(str, ports))}


def limit_waiting(connection: Any, **_kwargs: Any) -> None:
    """Limit how long statements of a new connection wait; for processes that answer requests, not for migrations.

    Set by a statement: PgBouncer refuses these as options of the connection.
    """
    if connection.vendor == "postgresql":
        from console.postgresql import waits

        limits = {
            "lock_timeout": LOCK_SECONDS,
            "statement_timeout": STATEMENT_SECONDS,
            "idle_in_transaction_session_timeout": STATEMENT_SECONDS,
        }
        columns = ", ".join("set_config(%s, %s, false)" for _limit in limits)
        words = [word for name, seconds in limits.items() for word in (name, f"{seconds}s")]
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {columns}", words)
        waits.watch(connection)
    else:
        limit_statements(connection, STATEMENT_SECONDS)


@contextmanager
def without_waiting(connection: Any) -> Iterator[None]:
    """Let `connection` fail at once where its server is gone, for who asks whether it is there."""
    connection.waits_for_server = False
    try:
        yield
    finally:
        connection.waits_for_server = True


def refuse_misplaced(file: Path) -> None:
    """Raise ImproperlyConfigured when the database of this folder is where its path, read as a URL, leads.

    Earlier versions put it there for a path with '#', '?' or '%'. The folder must have served before: another
    console's database is nobody's concern.
    """
    elsewhere = Path(unquote(urlsplit(f"sqlite:///{file}").path[1:]))
    if elsewhere == file or not elsewhere.is_file() or (file.exists() and file.stat().st_size):
        return
    if (file.parent / "secret_key").exists() or (file.parent / "static").exists():
        raise ImproperlyConfigured(
            f"The database is in {elsewhere}, where an earlier version put it, and belongs in {file}. "
            f"Stop the console, move it there together with {elsewhere}-wal and {elsewhere}-shm where they exist, "
            "and start again."
        )
