"""Finds values of API keys in files, by prefix and checksum, offline: what has the checksum is no accident."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from apikeys import values

CHUNK_BYTES = 1 << 20
SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn"})


@dataclass(frozen=True, slots=True)
class Finding:
    """A value in a file: where, and what people recognise it by. Never the value."""

    path: str
    line: int
    column: int
    hint: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: API key {self.hint}"


def pattern(prefix: str) -> re.Pattern[bytes]:
    """Return what a value looks like among other text: not part of a longer word."""
    body = values.LENGTH - len(prefix)
    return re.compile(rb"(?<![A-Za-z0-9])" + re.escape(prefix.encode()) + rb"[A-Za-z0-9]{%d}(?![A-Za-z0-9])" % body)


def scan(paths: list[str], prefix: str) -> Iterator[Finding | OSError]:
    """Return every value in the files and folders, and an OSError for each that could not be read."""
    look = pattern(prefix)
    for path in paths:
        if not os.path.lexists(path):
            yield FileNotFoundError(2, "No such file or folder", path)
        for file in _files(Path(path)):
            try:
                yield from _in_file(file, look, prefix)
            except OSError as exc:
                yield exc


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        if path.is_file():
            yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        for name in sorted(names):
            file = Path(folder) / name
            if file.is_file() and not file.is_symlink():
                yield file


def _in_file(path: Path, look: re.Pattern[bytes], prefix: str) -> Iterator[Finding]:
    """Read in pieces that overlap by more than a value, so that size does not matter and none falls between."""
    overlap = values.LENGTH + 1
    line, line_start, offset, tail = 1, 0, 0, b""
    with path.open("rb") as file:
        while True:
            block = file.read(CHUNK_BYTES)
            data = tail + block
            # The last bytes are looked at with the next block, which shows how a word goes on.
            limit = len(data) if not block else max(len(data) - overlap, 0)
            counted = 0
            for found in look.finditer(data):
                if tail and found.start() == 0:  # seen with the block before
                    continue
                if found.start() >= limit:
                    break
                value = found[0].decode("ascii")
                if not values.is_genuine(value, prefix):
                    continue
                line += data.count(b"\n", counted, found.start())
                counted = found.start()
                newline = data.rfind(b"\n", 0, found.start())
                column = found.start() - newline if newline >= 0 else offset + found.start() - line_start + 1
                yield Finding(str(path), line, column, values.hint(value, prefix))
            if not block:
                return
            keep = max(limit - 1, 0)  # one byte before, for the look behind
            newline = data.rfind(b"\n", 0, keep)
            if newline >= 0:
                line_start = offset + newline + 1
            line += data.count(b"\n", counted, keep) if keep > counted else 0
            tail, offset = data[keep:], offset + keep
