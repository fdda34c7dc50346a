"""A PostgreSQL server of the tests' own on this machine.

Run as a module, it installs PostgreSQL where there is none; then it runs the command of its arguments, if any, beside
a server on which the whole suite keeps its databases.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import caddy, nginx, packages
from tests.databases import SERVER_VARIABLE, make_database
from tests.server import free_port
from tests.waiting import until

USER, PASSWORD = "console", "a p@ss/word#1?"
PASSWORD_IN_A_URL = "a%20p%40ss%2Fword%231%3F"
START_SECONDS = 60
MEMORY, ROOM = Path("/dev/shm"), 4 * 2**30  # a file system in memory, and how many bytes must be free there
# It need not outlive a power cut, and each console of a test keeps a connection for each of its threads. What the
# planner knows of a table is what a test tells it, and not what an earlier test left there.
SETTINGS = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_connections=400",
)


def find() -> Path | None:
    """Return the folder of PostgreSQL's server programs: POSTGRES_BIN, the newest of Debian's, or that of the PATH."""
    given = os.environ.get("POSTGRES_BIN")
    folders = [Path(given)] if given else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folders += [Path(path).resolve().parent for path in [shutil.which("initdb")] if path]
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


class PostgresServer:
    """A throw-away cluster on a port of its own, started by `with`; `stop` and `start` take it away and bring it back.

    The server refuses to run as root: started by root, it runs as the user postgres, or nobody.
    """

    settings: tuple[str, ...] = SETTINGS

    def __init__(self) -> None:
        programs = find()
        assert programs, "These tests need PostgreSQL's server: run python -m tests.postgres, or set POSTGRES_BIN."
        self.programs = programs
        self.port = free_port()
        self.url = f"postgresql://{USER}:{PASSWORD_IN_A_URL}@127.0.0.1:{self.port}"
        self.databases = 0

    def __enter__(self) -> "PostgresServer":
        self.make_cluster(Path(tempfile.mkdtemp(prefix="apikeys-postgres-", dir=self.place())))
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.process.poll() is None:
            self.crash()  # what it would still write is thrown away
        shutil.rmtree(self.folder, ignore_errors=True)

    def place(self) -> Path | None:
        """Return where its folder is made, None for the usual place: each console has a copy of a database there."""
        return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM else None

    def make_cluster(self, folder: Path) -> None:
        """Make an empty cluster in an empty folder."""
        self.settle(folder)
        password = folder / "password"
        password.write_text(f"{PASSWORD}\n")
        for path in (folder, password):
            os.chown(path, self.identity.get("user", -1), self.identity.get("group", -1))
        self.fill(password)

    def settle(self, folder: Path) -> None:
        """Say where the cluster is, and who runs it."""
        self.folder, self.data, self.identity = folder, folder / "data", unprivileged_identity()

    def fill(self, password: Path) -> None:
        """Make the folder of its data; the file has the password of its administrator."""
        self.run(
            "initdb", "--pgdata", self.data, "--username", USER, "--pwfile", password, "--auth", "scram-sha-256",
            "--encoding", "UTF8", "--locale", "C", "--no-sync",
        )  # fmt: skip

    def run(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            [self.programs / program, *map(str, arguments)],
            **self.identity, cwd=self.folder, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def start(self, *settings: str) -> None:
        """Start the server, with these settings beside its usual ones, and return when it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    self.programs / "postgres", "-D", self.data, "-p", str(self.port),
                    *[part for setting in (*self.settings, *settings) for part in ("-c", setting)],
                ],
                **self.identity, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return self.connect().close()
            except psycopg.OperationalError:
                assert self.process.poll() is None, self.log
                assert time.monotonic() < deadline, self.log
                time.sleep(0.05)

    def stop(self) -> None:
        """End the server and each of its connections at once; what was committed stays."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            self.process.wait(START_SECONDS)

    def crash(self) -> None:
        """End the server as a machine that fails does: nothing is written any more, and no standby is told."""
        self.process.send_signal(signal.SIGQUIT)  # PostgreSQL's immediate shutdown
        self.process.wait(START_SECONDS)

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """Return a connection of its administrator, each statement of which is a transaction."""
        return psycopg.connect(f"{self.url}/{database}", autocommit=True)

    def new_database(self, like: str = "template1") -> str:
        """Make a database like another one, or else an empty one, and return the DATABASE_URL for it."""
        self.databases += 1
        return make_database(self.url, f"console_{self.databases}", like)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


class Standby(PostgresServer):
    """A copy of a primary that follows it: the primary acknowledges a change once it is visible here, too.

    It only reads until it is promoted.
    """

    def __init__(self, primary: PostgresServer) -> None:
        super().__init__()
        self.primary = primary

    def fill(self, password: Path) -> None:
        self.run(
            "pg_basebackup", "--dbname", f"{self.primary.url}/postgres", "--pgdata", self.data,
            "--write-recovery-conf", "--wal-method", "stream", "--checkpoint", "fast", "--no-sync",
        )  # fmt: skip

    def __enter__(self) -> "Standby":
        super().__enter__()
        try:
            self.be_waited_for()
        except BaseException:
            self.__exit__()
            raise
        return self

    def be_waited_for(self) -> None:
        """Have the primary wait for this standby with each change."""
        with self.primary.connect() as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("ALTER SYSTEM SET synchronous_commit = 'remote_apply'")
            connection.execute("SELECT pg_reload_conf()")
            until(lambda: connection.execute("SELECT sync_state FROM pg_stat_replication").fetchall() == [("sync",)])

    def promote(self) -> None:
        """Make it the primary and return when it takes changes; the old one must be gone, or read-only."""
        self.run("pg_ctl", "promote", "--pgdata", self.data, "--wait")


def unprivileged_identity() -> dict[str, Any]:
    """Return user and group to run as, for subprocess: nothing where this process is not root."""
    if os.geteuid() != 0:
        return {}
    people = {entry.pw_name: entry for entry in pwd.getpwall()}
    person = people.get("postgres") or people["nobody"]
    return {"user": person.pw_uid, "group": person.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for all tests that leave it running."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def database_url(postgres) -> str:
    """The DATABASE_URL of an empty database of this test's own."""
    return postgres.new_database()


def install() -> None:
    """Install PostgreSQL's server where there is none, or end with a sentence; also what stands before consoles."""
    packages.install("postgresql", find)
    programs = find()
    if not programs:
        sys.exit(
            "The tests need PostgreSQL's server and it could not be installed. Install it, or set POSTGRES_BIN to the "
            "folder of its programs."
        )
    print(f"Tests of PostgreSQL use {programs}", flush=True)
    nginx.install()
    caddy.install()


def main(*command: str) -> None:
    install()
    if command:
        with PostgresServer() as server:
            done = subprocess.run(command, env=os.environ | {SERVER_VARIABLE: server.url})
        sys.exit(done.returncode)


if __name__ == "__main__":
    main(*sys.argv[1:])
