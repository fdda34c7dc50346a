"""Who listens on a port of this machine, as far as Linux tells this process."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from apikeys.values import mask
from console.logs import one_line

PROC = Path("/proc")
LISTENING = "0A"  # a state in /proc/net/tcp
COMMAND_LENGTH = 100
SERVE = re.compile(r"\bmanage\.py serve\b")
USER = re.compile(r"^Uid:\s+(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Listener:
    """A process; `command` is how it was started, masked and cut."""

    pid: int
    command: str


def listeners(port: int) -> list[Listener]:
    """Return the processes that listen on a TCP port; of forked ones, the process that forked them.

    Empty where there is no /proc, where they belong to another user or another container, and where they are consoles,
    which hide what they have open from everybody but root.
    """
    sockets = {f"socket:[{inode}]" for inode in _listening_sockets(port)}
    if not sockets:
        return []
    pids = [int(folder.name) for folder in PROC.iterdir() if folder.name.isdecimal() and _holds(folder, sockets)]
    return [Listener(pid, _command(pid)) for pid in sorted({_origin(pid) for pid in pids})]


def consoles() -> list[Listener]:
    """Return this user's other processes that serve a console at whatever port, of forked ones the first."""
    pids = [int(folder.name) for folder in PROC.iterdir() if folder.name.isdecimal()] if PROC.exists() else []
    serving = {_origin(pid) for pid in pids if SERVE.search(_command(pid)) and _user(pid) == os.getuid()}
    return [Listener(pid, _command(pid)) for pid in sorted(serving - {os.getpid()})]


def _listening_sockets(port: int) -> set[str]:
    """Return the inodes of sockets that listen on a port, whatever their address."""
    found = set()
    for table in (PROC / "net" / "tcp", PROC / "net" / "tcp6"):
        for line in _text(table).splitlines()[1:]:
            columns = line.split()
            if columns[3] == LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                found.add(columns[9])
    return found


def _holds(process: Path, sockets: set[str]) -> bool:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:  # another user's, or it has just ended
        return False
    return any(_target(descriptor) in sockets for descriptor in descriptors)


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:  # closed meanwhile
        return ""


def _origin(pid: int) -> int:
    """Return the first of the processes that were forked, one from another, up to this one."""
    while (parent := _parent(pid)) and _command(parent) == _command(pid):
        pid = parent
    return pid


def _parent(pid: int) -> int:
    # The name of the program, in brackets, may have blanks and brackets of its own.
    fields = _text(PROC / str(pid) / "stat").rpartition(")")[2].split()
    return int(fields[1]) if fields else 0


def _user(pid: int) -> int | None:
    """Return whose process it is; its folder is root's where it hides what it has open."""
    found = USER.search(_text(PROC / str(pid) / "status"))
    return int(found[1]) if found else None


def _command(pid: int) -> str:
    return one_line(mask(_text(PROC / str(pid) / "cmdline").replace("\0", " ").strip()))[:COMMAND_LENGTH]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
