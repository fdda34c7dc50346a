"""The file of a backup: a line that says how to read it, then compressed parts, sealed where there is a passphrase.

Each part is bound to what the first line says, to its number and to whether it is the last: a file whose parts were cut
off, moved or changed is refused, whether it is sealed or not.
"""

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from console.exceptions import Unfit

FORMAT = "apikeys-console backup 1"
PART_BYTES = 1 << 20  # of compressed data
HEAD = struct.Struct(">BI")  # of a part: whether it is the last, and its length
LONGEST_LINE = 1000
SALT_BYTES = 16
SCRYPT = {"n": 1 << 16, "r": 8, "p": 1}  # 64 MB of memory and some tenths of a second for each try
MOST_N, MOST_R_P, MOST_MEMORY = 1 << 20, 64, 1 << 30  # that a file can ask for
LONGEST_ROW = 64 << 20  # bytes in memory at once, however little they are when compressed
DAMAGED = "The backup is damaged or cut off: use another copy of it."


class Guard(Protocol):
    """What makes parts and tells whether one is as it was made."""

    def close(self, part: bytes, number: int, *, is_last: bool) -> bytes: ...

    def open(self, part: bytes, number: int, *, is_last: bool) -> bytes:
        """Return the part as it was before. Raises Unfit where it is another."""
        ...


class Seal:
    """AES-256-GCM under a key of this file alone, which scrypt makes of a passphrase and a salt."""

    def __init__(self, passphrase: str, said: bytes) -> None:
        told = json.loads(said)
        kdf = Scrypt(salt=bytes.fromhex(told["salt"]), length=32, **{name: told[name] for name in SCRYPT})
        self.key, self.said = AESGCM(kdf.derive(passphrase.encode())), said

    def close(self, part: bytes, number: int, *, is_last: bool) -> bytes:
        return self.key.encrypt(number.to_bytes(12, "big"), part, self.said + bytes([is_last]))

    def open(self, part: bytes, number: int, *, is_last: bool) -> bytes:
        try:
            return self.key.decrypt(number.to_bytes(12, "big"), part, self.said + bytes([is_last]))
        except InvalidTag:
            raise Unfit("The passphrase is another one." if number == 0 else DAMAGED) from None


class Digests:
    """SHA-256 in front of each part: against a disk, not against people, who can write another backup."""

    SIZE = 32

    def __init__(self, said: bytes) -> None:
        self.said = said

    def _digest(self, part: bytes, number: int, is_last: bool) -> bytes:
        return hashlib.sha256(self.said + number.to_bytes(12, "big") + bytes([is_last]) + part).digest()

    def close(self, part: bytes, number: int, *, is_last: bool) -> bytes:
        return self._digest(part, number, is_last) + part

    def open(self, part: bytes, number: int, *, is_last: bool) -> bytes:
        digest, part = part[: self.SIZE], part[self.SIZE :]
        if digest != self._digest(part, number, is_last):
            raise Unfit(DAMAGED)
        return part


def write(file: BinaryIO, lines: Iterable[str], passphrase: str = "") -> None:
    """Write lines of text, sealed where there is a passphrase. Raises OSError, and what `lines` raises."""
    told: dict[str, object] = {"format": FORMAT, "sealed": bool(passphrase)}
    if passphrase:
        told |= {"salt": os.urandom(SALT_BYTES).hex(), **SCRYPT}
    said = json.dumps(told).encode() + b"\n"
    guard: Guard = Seal(passphrase, said) if passphrase else Digests(said)
    file.write(said)
    number, waiting = 0, bytearray()
    for packed in _packed(lines):
        waiting += packed
        while len(waiting) > PART_BYTES:  # something is left for the last part
            _write_part(file, guard, bytes(waiting[:PART_BYTES]), number, is_last=False)
            del waiting[:PART_BYTES]
            number += 1
    _write_part(file, guard, bytes(waiting), number, is_last=True)


def _packed(lines: Iterable[str]) -> Iterator[bytes]:
    packer = zlib.compressobj()
    for line in lines:
        yield packer.compress(line.encode() + b"\n")
    yield packer.flush()


def _write_part(file: BinaryIO, guard: Guard, part: bytes, number: int, *, is_last: bool) -> None:
    closed = guard.close(part, number, is_last=is_last)
    file.write(HEAD.pack(is_last, len(closed)) + closed)


def is_sealed(file: BinaryIO) -> bool:
    """Tell whether a backup needs a passphrase; the file is at its beginning afterwards. Raises Unfit for no backup."""
    told = _told(file.readline(LONGEST_LINE))
    file.seek(0)
    return told["sealed"] is True


def read(file: BinaryIO, passphrase: str = "") -> Iterator[str]:
    """Yield the lines. Raises Unfit for another passphrase, and for a file that is no backup or not a whole one."""
    said = file.readline(LONGEST_LINE)
    guard: Guard = Seal(passphrase, said) if _told(said)["sealed"] else Digests(said)
    unpacker, rest = zlib.decompressobj(), b""
    for part in _parts(file, guard):
        for unpacked in _unpacked(unpacker, part):
            *lines, rest = (rest + unpacked).split(b"\n")
            if len(rest) > LONGEST_ROW:
                raise Unfit(DAMAGED)
            yield from (line.decode() for line in lines)
    if rest or not unpacker.eof:
        raise Unfit(DAMAGED)


def _unpacked(unpacker: Any, part: bytes) -> Iterator[bytes]:
    """Yield what a part was before it was compressed, a few megabytes at a time. Raises Unfit."""
    while part:
        try:
            yield unpacker.decompress(part, 4 * PART_BYTES)
        except zlib.error:
            raise Unfit(DAMAGED) from None
        part = unpacker.unconsumed_tail


def _parts(file: BinaryIO, guard: Guard) -> Iterator[bytes]:
    number, is_last = 0, False
    while not is_last:
        head = file.read(HEAD.size)
        if len(head) < HEAD.size:
            raise Unfit(DAMAGED)
        is_last, length = HEAD.unpack(head)
        part = file.read(min(length, 2 * PART_BYTES))
        if len(part) < length:
            raise Unfit(DAMAGED)
        yield guard.open(part, number, is_last=is_last)
        number += 1
    if file.read(1):
        raise Unfit(DAMAGED)


def _told(said: bytes) -> dict[str, object]:
    try:
        told = json.loads(said)
        is_known = told["format"] == FORMAT
        if is_known and told["sealed"]:
            bytes.fromhex(told["salt"])
            is_known = all(isinstance(told[name], int) and 0 < told[name] <= MOST_N for name in SCRYPT)
            is_known = is_known and told["n"].bit_count() == 1 and told["n"] > 1 and told["r"] * told["p"] <= MOST_R_P
            is_known = is_known and 128 * told["n"] * told["r"] <= MOST_MEMORY
    except (ValueError, TypeError, KeyError):
        is_known = False
    if not is_known:
        raise Unfit("This file is no backup of a console of this release.")
    return dict(told)
