"""Space kept on the disk of an SQLite database, so that access can be ended there when the disk is full.

A revocation that finds the disk full gives the disk one part of the reserve and is tried again. Nothing else draws on
the reserve, and it is filled up once there is room for more than that.
"""

import errno
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from django.db import Error, connection

from apikeys.storage.errors import Fault, fault_of

MIB = 1024 * 1024
SIZE = 8 * MIB  # SQLite's journal grows to 4 MiB before it is written over
PART = MIB
MARGIN = MIB  # what stays free when the reserve is filled up
NAME = "reserve"

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def revocation(change: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Let a change that ends somebody's access draw on the reserve where the disk is full.

    It is done again from its beginning, so that only changes that left nothing behind when they failed can be one;
    inside a transaction the outermost change is.
    """

    @wraps(change)
    def with_reserve(*arguments: Parameters.args, **keywords: Parameters.kwargs) -> Result:
        while True:
            try:
                return change(*arguments, **keywords)
            except Error as exc:
                if fault_of(exc) is not Fault.FULL or connection.in_atomic_block or not give_part():
                    raise

    return with_reserve


def path() -> Path | None:
    """Return the file of the reserve, beside the database; None where that is no file."""
    return Path(connection.settings_dict["NAME"]).with_name(NAME) if connection.vendor == "sqlite" else None


def fill() -> None:
    """Fill the reserve up. Raises OSError, with a sentence, while there is no room for it."""
    file = path()
    if file is None or (missing := SIZE - size(file)) <= 0:
        return
    if free(file) < missing + MARGIN:
        raise OSError(errno.ENOSPC, f"the disk of {file.parent} is full: {free(file) // 1024} KiB are free")
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        # Zeros take no space on some disks. Processes that fill it at once write to the same place.
        os.pwrite(descriptor, os.urandom(missing), SIZE - missing)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def give_part() -> bool:
    """Give the disk one part of the reserve; False where none is left."""
    file = path()
    if file is None or (left := size(file)) == 0:
        return False
    os.truncate(file, max(0, left - PART))
    return True


def is_disk_full() -> bool:
    """Tell whether the disk has no room for more than revocations."""
    file = path()
    if file is None:
        return False
    if not file.exists():  # nobody has filled it up yet
        return free(file) < SIZE + MARGIN
    return size(file) < SIZE or free(file) < MARGIN


def size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def free(file: Path) -> int:
    """Return how many bytes this process could still write to the disk of a file."""
    disk = os.statvfs(file.parent)
    return disk.f_frsize * (disk.f_bavail if os.geteuid() else disk.f_bfree)
