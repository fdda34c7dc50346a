"""Starts of the console: several at once, with a database that is away, and after a restore that went wrong."""

import secrets
import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from console.sqlite_files import SECONDS_APART
from tests.addresses import KEYS
from tests.cast import ADMIN
from tests.documents import blocks
from tests.http_person import HttpPerson
from tests.postgres import PostgresServer
from tests.server import ROOT, ConsoleServer, free_port

GENERATED = {"CONSOLE_ADMIN_PASSWORD": ""}


def start_at_once(consoles: list[ConsoleServer]) -> list[str]:
    """Start them together, stop them when all serve, and return what each printed."""
    with ExitStack() as stack, ThreadPoolExecutor(len(consoles)) as pool:
        for console in pool.map(ConsoleServer.__enter__, consoles):
            stack.push(console.__exit__)
    return [console.log for console in consoles]


def passwords(logs: list[str]) -> list[str]:
    return [line for log in logs for line in log.splitlines() if "Password:" in line]


def refused_start(data_dir: Path, **environment: str) -> str:
    """Start a server that must not come up, and return what it printed."""
    done = ConsoleServer(data_dir, **environment).attempt("serve")
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.once
def test_three_first_starts_on_one_folder_make_one_administrator(tmp_path):
    logs = start_at_once([ConsoleServer(tmp_path / "data", is_new=True, **GENERATED) for _ in range(3)])

    assert len(passwords(logs)) == 1
    assert not [log for log in logs if "Traceback" in log]
    assert sum("Another start is preparing the same console" in log for log in logs) >= 1


@pytest.mark.postgres
def test_three_first_starts_on_one_database_server_make_one_administrator(tmp_path, database_url):
    shared = {
        "DATABASE_URL": database_url,
        "SECRET_KEY": secrets.token_hex(32),
        "APIKEYS_PEPPERS": f"1:{secrets.token_hex(32)}",
    }
    logs = start_at_once([ConsoleServer(tmp_path / name, is_new=True, **shared, **GENERATED) for name in "abc"])

    assert len(passwords(logs)) == 1
    assert not [log for log in logs if "Traceback" in log]


@pytest.mark.postgres
def test_a_console_serves_with_the_rights_that_the_document_gives_it(tmp_path, database_url):
    [sql] = [code for language, code in blocks(ROOT / "docs" / "deployment.md") if language == "sql"]
    owner = ConsoleServer(tmp_path / "data", DATABASE_URL=database_url)
    assert owner.attempt("migrate").returncode == 0
    role = f"console_{secrets.token_hex(4)}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in sql.replace(" console", f" {role}").replace("…", "x").split(";"):
            connection.execute(statement)  # type: ignore[arg-type]
    parts = urlsplit(database_url)
    limited = parts._replace(netloc=f"{role}:x@{parts.hostname}:{parts.port}").geturl()

    with ConsoleServer(tmp_path / "data", DATABASE_URL=limited) as console, HttpPerson(console.url) as person:
        person.log_in(*ADMIN)
        status = person.get(KEYS).status_code

    assert status == 200
    assert "Traceback" not in console.log
    with psycopg.connect(limited) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE TABLE mine ()")


@pytest.mark.postgres
def test_a_start_waits_for_its_database_server(tmp_path):
    with PostgresServer() as postgres, ThreadPoolExecutor(1) as pool:
        console = ConsoleServer(tmp_path / "data", DATABASE_URL=postgres.new_database())
        postgres.stop()
        start = pool.submit(console.__enter__)
        while not (console.log_path.exists() and "The database does not answer, trying again: " in console.log):
            assert not start.done(), console.log
            time.sleep(0.1)
        postgres.start()
        start.result()
        console.__exit__()

    assert "Connection refused" in console.log
    assert "Traceback" not in console.log


@pytest.mark.postgres
def test_a_start_gives_up_on_a_database_server_with_a_sentence(tmp_path):
    away = f"postgresql://console:5ec2e7@127.0.0.1:{free_port()}/keys"

    said = refused_start(tmp_path / "data", DATABASE_URL=away, DATABASE_WAIT_SECONDS="3")

    lines = said.strip().splitlines()
    assert len(lines) <= 4
    assert lines[-1].startswith("CommandError: The database can't be used: connection failed")
    assert "5ec2e7" not in said


@pytest.mark.postgres
@pytest.mark.parametrize("command", ["migrate", "changepassword"])
def test_other_commands_say_in_a_line_that_the_database_is_away(tmp_path, command):
    console = ConsoleServer(tmp_path / "data", DATABASE_URL=f"postgresql://console@127.0.0.1:{free_port()}/keys")

    done = console.attempt(command)

    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("The database can't be used: connection failed")


@pytest.mark.sqlite
def test_a_start_beside_the_journal_of_another_time_is_refused(tmp_path):
    data_dir = tmp_path / "data"
    database, copy = data_dir / "console.sqlite3", tmp_path / "backup.sqlite3"
    with ConsoleServer(data_dir) as console:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as backup:
            source.backup(backup)
        with HttpPerson(console.url) as person:
            person.log_in(*ADMIN)
        journal = Path(f"{database}-wal").read_bytes()
        console.kill()
    Path(f"{database}-wal").write_bytes(journal)
    time.sleep(SECONDS_APART + 0.2)
    shutil.copy(copy, database)

    said = refused_start(data_dir)
    for end in ("-wal", "-shm"):
        Path(f"{database}{end}").unlink(missing_ok=True)
    with ConsoleServer(data_dir) as console, HttpPerson(console.url) as person:
        person.log_in(*ADMIN)

    assert f"{database} was put there after its journal, console.sqlite3-wal, was written." in said


@pytest.mark.sqlite
def test_a_stop_leaves_no_journal_and_a_start_after_a_crash_takes_the_one_that_is_there(tmp_path):
    journal = tmp_path / "data" / "console.sqlite3-wal"
    for end in (ConsoleServer.stop, ConsoleServer.kill):
        with ConsoleServer(tmp_path / "data") as console, HttpPerson(console.url) as person:
            person.log_in(*ADMIN)
            end(console)
        assert (journal.exists() and journal.stat().st_size > 0) == (end is ConsoleServer.kill)

    with ConsoleServer(tmp_path / "data") as console:
        assert console.sql("SELECT count(*) FROM django_session") == [(2,)]


@pytest.mark.sqlite
def test_an_empty_file_beside_peppers_is_no_new_console(tmp_path):
    with ConsoleServer(tmp_path / "data"):
        pass
    (tmp_path / "data" / "console.sqlite3").write_bytes(b"")

    assert "console.sqlite3 is empty. Restore it from your backup" in refused_start(tmp_path / "data")


@pytest.mark.once
def test_a_folder_where_nothing_can_be_written_is_told(tmp_path):
    said = refused_start(Path("/proc/data"))

    assert said.strip().splitlines()[-1] == (
        "The console does not start. DATA_DIR='/proc/data' can't be made: No such file or directory."
    )


@pytest.mark.once
def test_a_user_id_that_nobody_could_log_in_with_is_refused(tmp_path):
    said = refused_start(tmp_path / "data", CONSOLE_ADMIN_USER="two words")

    assert said.strip().splitlines()[-1].startswith("CommandError: CONSOLE_ADMIN_USER='two words': Enter a valid")
