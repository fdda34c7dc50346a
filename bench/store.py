"""The databases of the measurements, made once for each number of keys and kept in a folder; each run gets a copy."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from bench import fill
from tests.postgres import PostgresServer

ROOT = Path(__file__).resolve().parent.parent
MADE_OF = ("bench/keys.py", "bench/fill.py")
SQLITE, POSTGRESQL = "sqlite", "postgresql"
DATABASES = (SQLITE, POSTGRESQL)
DONE = "done"  # a file in a folder that is whole
MAKING = "making"  # the name of a database on the server until it is whole
RUN = "run"  # the name of the copy that a run has


@dataclass(frozen=True)
class Store:
    """A database to measure with, and how many keys each person has in it. `url` is blank for a file in `data_dir`."""

    database: str
    data_dir: Path
    url: str
    held: dict[str, int]
    postgres: "KeptPostgres | None" = None


def fingerprint(*globs: str) -> str:
    """Return 12 hex digits of the content of files below the checkout."""
    digest = hashlib.sha256()
    for path in sorted(path for glob in globs for path in ROOT.glob(glob)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


class KeptPostgres(PostgresServer):
    """A server whose databases stay for the next run. It writes to the disk as one in production does."""

    settings: tuple[str, ...] = (
        "listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_buffers=512MB", "max_wal_size=4GB",
    )  # fmt: skip

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.kept = folder

    def __enter__(self) -> "KeptPostgres":
        if not (self.kept / DONE).exists():
            shutil.rmtree(self.kept, ignore_errors=True)
            self.kept.mkdir(parents=True)
            self.make_cluster(self.kept)
            (self.kept / DONE).touch()
        self.settle(self.kept)
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def copy(self, database: str, template: str) -> None:
        self.drop(database)
        with self.connect() as connection:
            names = {"new": sql.Identifier(database), "old": sql.Identifier(template)}
            connection.execute(sql.SQL("CREATE DATABASE {new} TEMPLATE {old} STRATEGY FILE_COPY").format(**names))

    def rename(self, database: str, name: str) -> None:
        self.drop(name)
        names = {"old": sql.Identifier(database), "new": sql.Identifier(name)}
        with self.connect() as connection:
            connection.execute(sql.SQL("ALTER DATABASE {old} RENAME TO {new}").format(**names))
            found = connection.execute("SELECT datname FROM pg_database").fetchall()
        for older in older_than(name, [each for (each,) in found]):
            self.drop(older)

    def drop(self, database: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))


class Shelf:
    """The folder where databases are kept, and those of them that a run needs: made where they are missing."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        self.filled = f"filled_{count}_{fingerprint(*MADE_OF)}"
        self.migrated = f"migrated_{count}_{fingerprint(*MADE_OF, '*/migrations/*.py')}"

    @contextmanager
    def opened(self, database: str) -> Iterator[Store]:
        """Give a copy of a database of that kind, which goes away again."""
        run = self.folder / f"run_{os.getpid()}"
        data = run / "data"
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, run, ignore_errors=True)
            if database == SQLITE:
                shutil.copytree(self.in_file(), data)
                yield store_in(data, database, "")
            else:
                server = stack.enter_context(KeptPostgres(self.folder / POSTGRESQL))
                shutil.copytree(self.on_server(server), data)
                server.copy(RUN, self.migrated)
                stack.callback(server.drop, RUN)
                yield store_in(data, database, f"{server.url}/{RUN}", server)

    def in_file(self) -> Path:
        """Return the folder of a console whose database is a file."""

        def migrated(folder: Path) -> None:
            shutil.copytree(self.made(SQLITE, self.filled, self.fill), folder, dirs_exist_ok=True)
            run_in(folder, "", "manage.py", "migrate")

        return self.made(SQLITE, self.migrated, migrated)

    def on_server(self, server: KeptPostgres) -> Path:
        """Return the folder of a console whose database is on the server, where it has the name `migrated`."""
        making = f"{server.url}/{MAKING}"

        def filled(folder: Path) -> None:
            server.copy(MAKING, "template1")
            self.fill(folder, making)
            server.rename(MAKING, self.filled)

        def migrated(folder: Path) -> None:
            shutil.copytree(self.made(POSTGRESQL, self.filled, filled), folder, dirs_exist_ok=True)
            server.copy(MAKING, self.filled)
            run_in(folder, making, "manage.py", "migrate")
            with server.connect(MAKING) as connection:  # what autovacuum does in time
                connection.execute("VACUUM (ANALYZE)")
            server.rename(MAKING, self.migrated)

        return self.made(POSTGRESQL, self.migrated, migrated)

    def fill(self, folder: Path, url: str = "") -> None:
        run_in(folder, url, "-m", "bench.fill", str(self.count))

    def made(self, database: str, name: str, make: Callable[[Path], None]) -> Path:
        """Return a folder of the shelf, made first where it is not whole."""
        folder = self.folder / f"{database}_{name}"
        if not (folder / DONE).exists():
            began = time.monotonic()
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            make(folder)
            (folder / DONE).touch()
            for older in older_than(folder.name, [path.name for path in self.folder.iterdir()]):
                shutil.rmtree(self.folder / older)
            say(f"{folder.name}: made in {time.monotonic() - began:.0f} s")
        return folder


def older_than(name: str, names: Iterable[str]) -> list[str]:
    """Return those of `names` that differ from this one only in what they were made of."""
    stem = name.rpartition("_")[0]
    return [each for each in names if each != name and each.rpartition("_")[0] == stem]


def store_in(folder: Path, database: str, url: str, postgres: KeptPostgres | None = None) -> Store:
    return Store(database, folder, url, json.loads((folder / fill.NOTE).read_text()), postgres)


def run_in(folder: Path, url: str, *arguments: str) -> None:
    """Run Python with the settings of the console whose data are in `folder`."""
    environment = os.environ | {
        "DATA_DIR": str(folder), "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "bench.settings",
    }  # fmt: skip
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)


def say(line: str) -> None:
    """Tell what is being done, beside the table."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
