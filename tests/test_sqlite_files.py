"""An SQLite file and its journal: those that belong together are opened, others are refused before they are mixed."""

import random
import shutil
import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from console import sqlite_files
from console.exceptions import Unfit
from console.sqlite_files import SECONDS_APART, check_files, committed_frames, end_journal

pytestmark = pytest.mark.sqlite


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "console.sqlite3"


def fill(connection, count: int) -> None:
    for _ in range(count):
        with connection:
            connection.execute("INSERT INTO key (hash) VALUES (hex(randomblob(400)))")


def connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS key (id INTEGER PRIMARY KEY, hash TEXT UNIQUE)")
    return connection


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM key").fetchone()[0])


@pytest.fixture
def crash(tmp_path, file):
    """A database with 40 keys whose server was killed, 14 of them only in its journal; a backup of the first 20."""
    live = tmp_path / "live.sqlite3"
    with closing(connect(live)) as connection:
        fill(connection, 20)
        with closing(sqlite3.connect(tmp_path / "backup.sqlite3")) as backup:
            connection.backup(backup)
        fill(connection, 6)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        fill(connection, 14)
        for end in ("", "-wal", "-shm"):
            shutil.copy(f"{live}{end}", f"{file}{end}")


def refusal_of(file: Path, *, used_before: bool = True) -> str:
    before = {
        path: path.read_bytes() for path in file.parent.glob("console.sqlite3*") if not path.name.endswith("-shm")
    }
    with pytest.raises(Unfit) as caught:
        check_files(file, used_before=used_before)
    assert before == {path: path.read_bytes() for path in before}, "a refusal changes nothing"
    return str(caught.value)


def test_no_file_is_the_beginning_of_a_new_database(file):
    check_files(file, used_before=True)


def test_after_a_crash_the_journal_is_taken(file, crash):
    check_files(file, used_before=True)

    assert count(file) == 40


def test_a_crash_is_forgiven_when_somebody_then_changed_the_owner_of_every_file(file, crash):
    time.sleep(SECONDS_APART + 0.1)
    for end in ("", "-wal", "-shm"):
        Path(f"{file}{end}").chmod(0o600)

    check_files(file, used_before=True)


def test_a_crash_while_the_journal_was_written_into_the_database_is_forgiven(tmp_path, file):
    with closing(connect(tmp_path / "live.sqlite3")) as connection:
        fill(connection, 20)
        shutil.copy(tmp_path / "live.sqlite3-wal", f"{file}-wal")
        time.sleep(SECONDS_APART + 0.1)
        connection.execute("PRAGMA wal_checkpoint(FULL)")
        shutil.copy(tmp_path / "live.sqlite3", file)

    check_files(file, used_before=True)

    assert count(file) == 20


def test_a_power_cut_while_the_journal_was_written_into_the_database_is_forgiven(file, crash):
    pages = dict(committed_frames(Path(f"{file}-wal")))
    time.sleep(SECONDS_APART + 0.1)
    with file.open("r+b") as database:
        for number in sorted(pages)[: len(pages) // 2]:
            database.seek((number - 1) * len(pages[number]))
            database.write(pages[number])

    check_files(file, used_before=True)

    assert count(file) == 40


def test_a_backup_of_the_same_hour_as_the_journal_is_refused_too(tmp_path, file):
    with closing(connect(tmp_path / "live.sqlite3")) as connection:
        fill(connection, 20)
        with closing(sqlite3.connect(tmp_path / "backup.sqlite3")) as backup:
            connection.backup(backup)
        fill(connection, 20)
        shutil.copy(tmp_path / "live.sqlite3-wal", f"{file}-wal")
    time.sleep(SECONDS_APART + 0.1)
    shutil.copy(tmp_path / "backup.sqlite3", file)

    assert "was put there after its journal" in refusal_of(file)


@pytest.mark.parametrize("put", [shutil.copy, shutil.copy2, shutil.move])
def test_a_backup_beside_an_old_journal_is_refused_and_started_without_it(tmp_path, file, crash, put):
    time.sleep(SECONDS_APART + 0.1)
    put(tmp_path / "backup.sqlite3", file)

    sentence = refusal_of(file)
    for end in ("-wal", "-shm"):
        Path(f"{file}{end}").unlink()
    check_files(file, used_before=True)

    assert sentence == (
        f"{file} was put there after its journal, console.sqlite3-wal, was written. If you restored console.sqlite3, "
        f"remove {file}-wal and {file}-shm and start again; if you did not, run: touch {file}-wal"
    )
    assert count(file) == 20


def test_a_backup_is_refused_by_its_content_where_the_times_tell_nothing(tmp_path, file, crash):
    shutil.copy(tmp_path / "backup.sqlite3", file)
    Path(f"{file}-wal").touch()

    assert f"{file} and its journal, console.sqlite3-wal, do not belong together, or are damaged" in refusal_of(file)


@pytest.mark.parametrize("made_by", ["backup", "copy"])
def test_a_backup_that_is_too_large_to_be_read_at_a_start_is_refused_by_its_count(
    tmp_path, file, crash, monkeypatch, made_by
):
    monkeypatch.setattr(sqlite_files, "_fault_of_content", lambda file: "")
    live = tmp_path / "live.sqlite3"
    with closing(connect(live)) as one, closing(connect(live)) as another:
        shutil.copy(live, tmp_path / "copy.sqlite3")
        for writer in (one, another, one):
            one.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            fill(writer, 6)
        shutil.copy(f"{live}-wal", f"{file}-wal")
    shutil.copy(tmp_path / f"{made_by}.sqlite3", file)
    Path(f"{file}-wal").touch()

    assert "do not belong together, or are damaged (change " in refusal_of(file)


def test_a_database_that_is_too_large_to_be_read_at_a_start_is_taken_after_a_crash(file, crash, monkeypatch):
    monkeypatch.setattr(sqlite_files, "CHECK_SECONDS", 0.0)

    check_files(file, used_before=True)

    assert count(file) == 40


@pytest.mark.parametrize("seed", range(5))
def test_whoever_writes_and_whenever_the_journal_is_written_back_its_count_goes_on_from_the_file(file, seed):
    chosen = random.Random(seed)
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(connect(file))) for _ in range(3)]
        for _ in range(100):
            connection = chosen.choice(connections)
            fill(connection, chosen.randrange(3))
            if chosen.random() < 0.2:
                with connection:
                    connection.execute("DELETE FROM key WHERE id % 3 = 0")
            if chosen.random() < 0.1:
                connection.execute(f"PRAGMA wal_checkpoint({chosen.choice(['PASSIVE', 'FULL', 'TRUNCATE'])})")
            check_files(file, used_before=True)


def test_a_stop_leaves_nothing_in_the_journal(file):
    with closing(connect(file)) as left_open:
        fill(left_open, 20)

        end_journal(file)

        assert Path(f"{file}-wal").stat().st_size == 0
    assert count(file) == 20


def test_a_stop_leaves_the_journal_to_whoever_reads_it(file, monkeypatch):
    monkeypatch.setattr(sqlite_files, "END_SECONDS", 0.1)
    with closing(connect(file)) as writer, closing(connect(file)) as reader:
        fill(writer, 20)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM key").fetchone()
        fill(writer, 1)

        end_journal(file)

        assert reader.execute("SELECT count(*) FROM key").fetchone() == (20,)
    assert count(file) == 21


def test_the_advice_for_who_did_not_restore_works(file, crash):
    time.sleep(SECONDS_APART + 0.1)
    file.chmod(0o600)
    sentence = refusal_of(file)

    assert sentence.endswith(f"if you did not, run: touch {file}-wal")
    Path(f"{file}-wal").touch()
    check_files(file, used_before=True)
    assert count(file) == 40


def test_an_empty_file_is_a_loss_where_a_console_was_before(file):
    file.touch()

    assert refusal_of(file) == (
        f"{file} is empty. Restore it from your backup, or remove it to begin with a new database."
    )
    check_files(file, used_before=False)


def test_a_file_of_something_else_is_refused(file):
    file.write_text("-- a dump of statements\n" * 50)

    assert refusal_of(file) == f"{file} is not an SQLite database. Restore it from your backup."


def test_a_copy_that_ended_early_is_refused(tmp_path, file, crash):
    Path(f"{file}-wal").unlink()
    file.write_bytes((tmp_path / "backup.sqlite3").read_bytes()[:8192])

    assert refusal_of(file) == f"{file} is cut short. Restore it from your backup."


def test_a_missing_folder_is_named(tmp_path):
    assert refusal_of(tmp_path / "no" / "keys.sqlite3") == f"The folder of the database, {tmp_path / 'no'}, is missing."
