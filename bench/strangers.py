"""What other people notice while strangers hold connections to the bare port: `python -m bench.strangers`.

A row for each attack: how long /healthz took for others meanwhile, how long the server held the strangers' connections,
and what it had more of afterwards than before. All on the loopback, ten minutes for each server.
"""

import argparse
import http.client
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from subprocess import DEVNULL
from types import MappingProxyType

from bench.servers import CORES, pin
from tests.server import ROOT, ConsoleServer, free_port
from tests.strangers import BEHAVIOURS, Behaviour, Crowd, Footprint, footprint, workers_of

ATTACKS = (
    (0, "nobody"),
    (12, "slow body"),
    (200, "slow body"),
    (200, "slow chunked body"),
    (200, "idle"),
    (1000, "idle"),
    (200, "kept alive"),
    (200, "half a head"),
    (50, "cut in the middle of a request"),
    (50, "cut in the middle of an answer"),
    (200, "never reads its answers"),
    (200, "HTTP/2 at once"),
    (200, "upgrade to HTTP/2"),
    (50, "giant head"),
    (50, "5,000 headers"),
    (20, "pipelines requests"),
    (1000, "asks again and again"),
    (3000, "idle"),
    (3000, "half a head"),
    (3000, "comes again when cut off"),
)
SURVIVED_SECONDS = 0.5  # p99 of the others' requests
HEAD_START_SECONDS = 0.5  # of the strangers
PROBES = 4  # at once
PROBE_PAUSE_SECONDS = 0.02
PROBE_TIMEOUT_SECONDS = 5.0
LEFT_OVER_SECONDS = 10.0
START_SECONDS = 30.0
HEAD = "| strangers | what they do | p50 ms | p99 ms | held s | left: sockets, files, threads | MB: first, most, last |"

NOTHING = Behaviour()
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})

GRANIAN = "granian --interface wsgi --port {port} --workers {workers} --blocking-threads 4 console.wsgi:application"
SERVERS = {
    "granian-wsgi": GRANIAN,
    "granian-wsgi-http1": f"{GRANIAN} --http 1 --backpressure 1024",
    "waitress": (
        "waitress --listen=127.0.0.1:{port} --threads=4 --connection-limit=1024 --asyncore-use-poll "
        "console.wsgi:application"
    ),
}


@dataclass(frozen=True)
class Server:
    """One that is attacked, and the processes that answer for it."""

    port: int
    pids: list[int]


@contextmanager
def console(folder: Path, workers: int, settings: Mapping[str, str] = NO_SETTINGS) -> Iterator[Server]:
    environment = {**settings, "WORKERS": str(workers), "LOG_LEVEL": "ERROR", "DATABASE_URL": ""}
    with ConsoleServer(folder / "data", **environment) as server:
        yield Server(server.port, workers_of(server.process.pid))


@contextmanager
def peer(folder: Path, workers: int, command: str, settings: Mapping[str, str] = NO_SETTINGS) -> Iterator[Server]:
    """Serve the console's WSGI application by another server."""
    with ConsoleServer(folder / "data", **{**settings, "LOG_LEVEL": "ERROR", "DATABASE_URL": ""}) as prepared:
        environment = prepared.environment
    port = free_port()
    words = command.format(port=port, workers=workers).split()
    with subprocess.Popen([sys.executable, "-m", *words], cwd=ROOT, env=environment, stderr=DEVNULL) as process:
        try:
            end = time.monotonic() + START_SECONDS
            while not is_well(port):
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"{words[0]} did not start; it must be installed.")
                time.sleep(0.1)
            yield Server(port, workers_of(process.pid) or [process.pid])
        finally:
            children = workers_of(process.pid)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:  # its threads are held by strangers who have gone
                for pid in [*children, process.pid]:
                    os.kill(pid, signal.SIGKILL)


def is_well(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def probe(port: int, seconds: float) -> list[float]:
    """Ask /healthz again and again, each time as somebody new; return how long each answer took, in seconds."""
    end = time.monotonic() + seconds
    times: list[float] = []

    def ask() -> None:
        while time.monotonic() < end:
            began = time.monotonic()
            times.append(time.monotonic() - began if is_well(port) else PROBE_TIMEOUT_SECONDS)
            time.sleep(PROBE_PAUSE_SECONDS)

    threads = [threading.Thread(target=ask) for _ in range(PROBES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


@dataclass(frozen=True)
class Outcome:
    """Of one attack; `times` are seconds of the others' requests, `seconds` how long `held` connections were held."""

    times: list[float]
    seconds: float
    held: int
    before: Footprint
    after: Footprint
    most_memory: float

    def percentile(self, percent: int) -> float:
        return statistics.quantiles(self.times, n=100, method="inclusive")[percent - 1]

    @property
    def is_survived(self) -> bool:
        return self.percentile(99) <= SURVIVED_SECONDS and self.after.sockets <= self.before.sockets

    @property
    def cells(self) -> list[str]:
        before, after = self.before, self.after
        return [
            f"{self.percentile(50) * 1000:.0f}",
            f"{self.percentile(99) * 1000:.0f}",
            f"{self.held} of them for more than {self.seconds:.0f}" if self.held else f"{self.seconds:.0f}",
            f"{after.sockets - before.sockets}, {after.files - before.files}, {after.threads - before.threads}",
            f"{before.memory:.0f}, {self.most_memory:.0f}, {after.memory:.0f}",
        ]


def attack(
    server: Server, count: int, kind: str, pool: ProcessPoolExecutor, *, seconds: float, patience: float
) -> Outcome:
    """Let strangers loose on a server while others ask it for some seconds; they go once it has let go of them all.

    They go after `patience` seconds, too, and those who go by themselves when nobody asks any more.
    """
    before = footprint(server.pids)
    most = before.memory
    with Crowd(server.port, count, BEHAVIOURS.get(kind, NOTHING)) as strangers:
        began = time.monotonic()
        strangers.act(HEAD_START_SECONDS)
        probing = pool.submit(probe, server.port, seconds)
        while not probing.done():
            strangers.act(0.5)
            time.sleep(0.01)
            most = max(most, footprint(server.pids).memory)
        if not strangers.behaviour.goes:
            strangers.act(began + patience - time.monotonic())
        lasted, held = time.monotonic() - began, 0 if strangers.behaviour.goes else len(strangers)
    end = time.monotonic() + LEFT_OVER_SECONDS
    while footprint(server.pids).sockets > before.sockets and time.monotonic() < end:
        time.sleep(0.2)
    return Outcome(probing.result(), lasted, held, before, footprint(server.pids), most)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.strangers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--server", choices=["console", *SERVERS], default="console", help="must be installed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=6, help="for which others ask during an attack")
    parser.add_argument("--patience", type=float, default=75, help="for which strangers hold what the server lets them")
    parser.add_argument("--only", default="", help="attacks whose name has this text")
    arguments = parser.parse_args()
    attacks = [(count, kind) for count, kind in ATTACKS if arguments.only in kind]
    pin(os.getpid(), set(CORES))  # for what is started from here, too
    with ProcessPoolExecutor(1, get_context("spawn")) as pool, tempfile.TemporaryDirectory() as folder:
        path, workers = Path(folder), arguments.workers
        serving = (
            peer(path, workers, SERVERS[arguments.server]) if arguments.server in SERVERS else console(path, workers)
        )
        with serving as server:
            tell(f"{arguments.server}, {len(server.pids)} processes\n\n{HEAD}\n{'|---' * HEAD.count(' | ')}|---|")
            survived = 0
            for count, kind in attacks:
                outcome = attack(server, count, kind, pool, seconds=arguments.seconds, patience=arguments.patience)
                survived += outcome.is_survived
                tell(f"| {count:,} | {' | '.join([kind, *outcome.cells])} |")
            tell(f"\n{survived} of {len(attacks)} survived: p99 of the others at most 500 ms, no socket left over")


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
