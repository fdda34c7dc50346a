"""Whether the files of an SQLite database belong together, looked at before SQLite opens them.

SQLite replays a write-ahead log (journal) into whatever database lies beside it. Where a backup was restored beside the
log of a later time, the result lacks keys or is corrupt.

What a crash left behind is checked, too, so a check takes no longer than CHECK_SECONDS, however large the file is.
"""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Timer
from typing import BinaryIO
from urllib.parse import quote

from console.exceptions import Unfit

MAGIC = b"SQLite format 3\0"
COUNTS = 1 << 32
HEADER, WAL_HEADER, FRAME_HEADER = 100, 32, 24
WAL_MAGICS = (0x377F0682, 0x377F0683)
SECONDS_APART = 1.0  # a copy of the whole folder writes all of its files within this time
SECONDS_TO_WRITE = 60.0  # a checkpoint, which writes the journal into its database, takes less
END_SECONDS = 5.0  # that a stop waits for other processes which read or write
CHECK_SECONDS = 1.0  # for the content of the database, page by page: 100 MB and more


def check_files(file: Path, *, used_before: bool) -> None:
    """Raise Unfit where the file is no complete database, or the journal beside it belongs to another one.

    `used_before` tells that the console has had a database here, so that an empty file is a loss.
    """
    if not file.parent.is_dir():
        raise Unfit(f"The folder of the database, {file.parent}, is missing.")
    if not file.exists():
        return
    if not file.is_file():
        raise Unfit(f"{file} is not a file.")
    size = file.stat().st_size
    if not size:
        if used_before:
            raise Unfit(f"{file} is empty. Restore it from your backup, or remove it to begin with a new database.")
        return
    with file.open("rb") as database:
        header = database.read(HEADER)
    if not header.startswith(MAGIC) or len(header) < HEADER:
        raise Unfit(f"{file} is not an SQLite database. Restore it from your backup.")
    wal = file.with_name(f"{file.name}-wal")
    frames = list(committed_frames(wal))
    if frames:
        _check_journal(file, wal, frames)
    elif size < page_size(header) * int.from_bytes(header[28:32], "big"):
        raise Unfit(f"{file} is cut short. Restore it from your backup.")


def end_journal(file: Path) -> None:
    """Write the journal into the database, for a stop; where another process or the disk prevents it, it stays."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=END_SECONDS)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def page_size(header: bytes) -> int:
    size = int.from_bytes(header[16:18], "big")
    return 65536 if size == 1 else size


def committed_frames(wal: Path) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of each page in the journal, oldest first, as far as transactions are complete."""
    try:
        journal = wal.open("rb")
    except FileNotFoundError:  # none, or another process has just written it into the database
        return
    with journal:
        header = journal.read(WAL_HEADER)
        if len(header) < WAL_HEADER or int.from_bytes(header[:4], "big") not in WAL_MAGICS:
            return
        size = int.from_bytes(header[8:12], "big")
        pending: list[tuple[int, bytes]] = []
        while len(frame := journal.read(FRAME_HEADER + size)) == FRAME_HEADER + size:
            number, commit = struct.unpack(">II", frame[:8])
            if frame[8:16] != header[16:24]:  # left over from before the journal was begun anew
                return
            pending.append((number, frame[FRAME_HEADER:]))
            if commit:
                yield from pending
                pending.clear()


def _check_journal(file: Path, wal: Path, frames: list[tuple[int, bytes]]) -> None:
    advice = f"If you restored {file.name}, remove {wal} and {file.with_name(f'{file.name}-shm')} and start again; "
    advice += "if you did not,"
    try:
        later = file.stat().st_ctime - wal.stat().st_ctime
    except FileNotFoundError:  # its last user has written it into the database meanwhile
        return
    if later > SECONDS_APART and not _is_being_written(file, frames, later):
        raise Unfit(f"{file} was put there after its journal, {wal.name}, was written. {advice} run: touch {wal}")
    fault = _fault_of_count(file, frames) or _fault_of_content(file)
    if fault:
        raise Unfit(
            f"{file} and its journal, {wal.name}, do not belong together, or are damaged ({fault}). "
            f"{advice} restore it from your backup."
        )


def _fault_of_count(file: Path, frames: list[tuple[int, bytes]]) -> str:
    """Say how the journal does not go on from the file, "" where it does or can't tell.

    The first page has a count, which grows by one at most where a transaction writes that page.
    """
    counts = [_count(page) for number, page in frames if number == 1]
    if not counts:
        return ""
    with file.open("rb") as database:
        found = _count(database.read(HEADER))
    before = counts[0] - 1
    is_of_journal = (found - before) % COUNTS <= (counts[-1] - before) % COUNTS  # a checkpoint may have begun
    return "" if is_of_journal else f"change {found} of the file is none of {before} to {counts[-1]}"


def _count(page: bytes) -> int:
    return int.from_bytes(page[24:28], "big")


def _fault_of_content(file: Path) -> str:
    """Return what SQLite finds wrong with the file under its journal within CHECK_SECONDS, "" for nothing."""
    with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, check_same_thread=False)) as database:
        end = Timer(CHECK_SECONDS, database.interrupt)
        end.start()
        try:
            (found,) = database.execute("PRAGMA integrity_check(1)").fetchone()
        except sqlite3.DatabaseError as exc:
            found = "ok" if exc.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT else str(exc)
        finally:
            end.cancel()
            end.join()  # or it would interrupt a connection that is closed
    return "" if found == "ok" else str(found).splitlines()[0]


def _is_being_written(file: Path, frames: list[tuple[int, bytes]], later: float) -> bool:
    """Tell whether a checkpoint of this journal changed this file; SQLite writes the pages in order of their numbers.

    Then the file holds all pages of the journal; or, where the machine stopped during the checkpoint, those up to some
    page, and none of a later page's versions.
    """
    latest, known = dict(frames), set(frames)
    with file.open("rb") as database:
        pages = [(number, _page(database, number, len(latest[number]))) for number in sorted(latest)]
    written = [page == latest[number] for number, page in pages]
    rest = pages[written.index(False) :] if not all(written) else []
    return not rest or (written[0] and later < SECONDS_TO_WRITE and not known.intersection(rest))


def _page(database: BinaryIO, number: int, size: int) -> bytes:
    database.seek((number - 1) * size)
    return database.read(size)
