"""Servers that are measured: where they listen, and what processor time and memory their processes take."""

import fcntl
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.store import Store
from tests.server import ConsoleServer

CORES = sorted(os.sched_getaffinity(0))
# Of several processors the last is the load's, the first the servers'. Databases have the others; of two, the load's.
OF_LOAD = {CORES[-1]}
OF_SERVERS = {CORES[0]}
OF_DATABASES = set(CORES[1:-1]) or OF_LOAD
CUTIME = 13  # the place in /proc/…/stat after the name of the command
PROCESS_CLOCK = 2  # CPUCLOCK_SCHED of a whole process, threads that ended included
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "bench.settings",
    "WORKERS": "1",
    "LOG_LEVEL": "WARNING",
    "ALLOWED_HOSTS": "127.0.0.1",
    "APIKEYS_PER_IDENTITY": "10000000",
}


def family(pid: int) -> list[int]:
    """Return a process and all that came of it."""
    found = [pid]
    for parent in found:
        children = Path(f"/proc/{parent}/task/{parent}/children")
        found += map(int, children.read_text().split()) if children.exists() else []
    return found


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process and all that came of it have had, in user and system mode.

    Of processes that have ended it is known in hundredths of a second.
    """
    return sum(time.clock_gettime((~each << 3) | PROCESS_CLOCK) + of_ended_children(each) for each in family(pid))


def of_ended_children(pid: int) -> float:
    """Return the processor time in seconds of those children of a process that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[CUTIME]) + int(fields[CUTIME + 1])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Return the memory of the largest of these processes: the worker."""
    pages = (int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in family(pid))
    return max(pages) * os.sysconf("SC_PAGE_SIZE")


def peak_bytes(pid: int) -> int:
    """Return the most memory that the largest of these processes has ever had."""
    peaks = (re.search(r"^VmHWM:\s*(\d+) kB$", Path(f"/proc/{each}/status").read_text(), re.M) for each in family(pid))
    return max(int(peak[1]) for peak in peaks if peak) * 1024


def pin(pid: int, cores: set[int]) -> None:
    """Keep a process, all that came of it, and what will, on these processors, before others where that is allowed."""
    for each in family(pid):
        for task in Path(f"/proc/{each}/task").glob("*"):
            with suppress(PermissionError, ProcessLookupError):
                os.sched_setaffinity(int(task.name), cores)
                os.sched_setscheduler(int(task.name), os.SCHED_RR, os.sched_param(1))


@contextmanager
def measuring_alone() -> Iterator[None]:
    """Wait until no other measurement of this machine runs: two that come before all other programs stop each other."""
    with (Path(tempfile.gettempdir()) / f"apikeys-bench-{os.getuid()}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Console(ConsoleServer):
    """The console with one worker, on a processor of its own, with the addresses of bench/urls.py."""

    name = "console"

    def __init__(self, store: Store, **environment: str) -> None:
        super().__init__(store.data_dir, **SETTINGS | {"DATABASE_URL": store.url} | environment)

    def __enter__(self) -> "Console":
        super().__enter__()
        pin(self.process.pid, OF_SERVERS)
        return self
