"""Finds values of API keys in files, offline, by prefix and checksum; other text does not pass the checksum."""

import codecs
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from apikeys import values
from apikeys.cli.keyfile import UTF_16

CHUNK_BYTES = 1 << 20
CONTINUATION = bytes(range(0x80, 0xC0))  # in UTF-8: bytes that continue a character
SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn"})


@dataclass(frozen=True, slots=True)
class Finding:
    """A value in a file: where, as editors count lines and characters, and its hint. Never the value."""

    path: str
    line: int
    column: int
    hint: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: API key {self.hint}"


def pattern(prefix: str) -> re.Pattern[bytes]:
    """Return the pattern of a value that is not part of a longer word."""
    body = values.LENGTH - len(prefix)
    return re.compile(rb"(?<![A-Za-z0-9])" + re.escape(prefix.encode()) + rb"[A-Za-z0-9]{%d}(?![A-Za-z0-9])" % body)


def scan(paths: list[str], prefix: str) -> Iterator[Finding | OSError]:
    """Return every value in the files and folders, and an OSError for each that could not be read."""
    look = pattern(prefix)
    for path in paths:
        for file in _files(Path(path)):
            if isinstance(file, OSError):
                yield file
                continue
            try:
                yield from _in_file(file, look, prefix)
            except OSError as exc:
                exc.filename = str(file)
                yield exc


def _files(path: Path) -> Iterator[Path | OSError]:
    """Return a file, or those below a folder in order; symbolic links are followed only where they are named."""
    try:
        mode = path.stat().st_mode
    except OSError as exc:
        yield exc
        return
    if stat.S_ISREG(mode):
        yield path
    if not stat.S_ISDIR(mode):
        return
    unread: list[OSError] = []
    for folder, folders, names in os.walk(path, onerror=unread.append):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        for file in (Path(folder) / name for name in sorted(names)):
            try:
                if stat.S_ISREG(file.lstat().st_mode):
                    yield file
            except OSError as exc:
                yield exc
    yield from unread


def _in_file(path: Path, look: re.Pattern[bytes], prefix: str) -> Iterator[Finding]:
    """Read in blocks that overlap by more than a value, so that files may be large and no value is cut in two."""
    overlap = values.LENGTH + 1
    data, is_start = b"", True
    line, column = 1, 1  # of the first byte of `data`
    with path.open("rb") as file:
        beginning = file.read(3)
        is_utf_16 = beginning.startswith(UTF_16)
        file.seek(3 if beginning == codecs.BOM_UTF8 else 0)
        utf_16 = codecs.getincrementaldecoder("utf-16")("replace")
        while True:
            block = file.read(CHUNK_BYTES)
            data += utf_16.decode(block).encode("utf-8", "replace") if is_utf_16 else block
            # The last bytes are searched with the next block, which shows whether a word goes on.
            limit = max(len(data) - overlap, 0) if block else len(data)
            done = 0
            for found in look.finditer(data):
                if found.start() >= limit:
                    break
                value = found[0].decode("ascii")
                # The first byte of a later block is there for the look-behind only, and was searched before.
                if (found.start() or is_start) and values.is_genuine(value, prefix):
                    line, column = _move(line, column, data[done : found.start()])
                    done = found.start()
                    yield Finding(str(path), line, column, values.hint(value, prefix))
            if not block:
                return
            keep = max(limit - 1, done)
            line, column = _move(line, column, data[done:keep])
            data, is_start = data[keep:], is_start and limit == 0


def _move(line: int, column: int, text: bytes) -> tuple[int, int]:
    """Return the line and column after `text`, from those at its beginning."""
    rest = text[text.rfind(b"\n") + 1 :]
    characters = len(rest.translate(None, CONTINUATION))
    lines = text.count(b"\n")
    return (line + lines, 1 + characters) if lines else (line, column + characters)
