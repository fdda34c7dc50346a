"""Loads a server from a process of its own: one job in each line of its input, its figures in a line of its output.

Connections are kept, and each asks again as soon as it is answered. Nothing is imported that is slow: what one request
costs here must be little beside what it costs the server, and `busy` tells whether it was.
"""

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

ANSWER_SECONDS = 60  # a server that says nothing for so long has failed
READ_BYTES = 1 << 17


@dataclass(frozen=True)
class Job:
    """What to ask, and for how long: until `seconds` are over or `count` requests are answered, whichever is first."""

    port: int
    requests: list[str]  # whole requests as latin-1; each connection takes the next one
    connections: int = 1
    seconds: float = 60.0
    count: int = 1_000_000
    status: int = 200  # of every answer, 0 for any; another one ends the load


@dataclass(frozen=True)
class Figures:
    """`seconds` as they passed, `busy` those in which this process had a processor; latencies in milliseconds."""

    count: int
    seconds: float
    busy: float
    p50: float
    p99: float
    longest: float


class Failed(Exception):
    """An answer was not what the job says."""


class Connection:
    """A connection that is kept; `ask` sends a request, and `take` reads what is there of its answer."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.job.port), timeout=ANSWER_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> None:
        self.answer = b""
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def take(self) -> bool:
        """Read, and tell whether the answer is whole. Raises Failed when it is another than the job expects."""
        part = self.socket.recv(READ_BYTES)
        self.answer = self.answer + part if self.answer else part
        head, blank, body = self.answer.partition(b"\r\n\r\n")
        if not part:
            raise Failed(f"the server closed the connection after {len(self.answer)} bytes")
        if not blank:
            return False
        status = int(head[9:12])
        if self.job.status not in (0, status):
            raise Failed(f"status {status} in place of {self.job.status}: {body[:200].decode(errors='replace')}")
        head = head.lower()
        _before, found, length = head.partition(b"\r\ncontent-length:")
        if found:
            return len(body) >= int(length.partition(b"\r\n")[0])
        return body.endswith(b"0\r\n\r\n") if b"\r\ntransfer-encoding: chunked" in head else status in (204, 304)


def run(job: Job) -> Figures:
    """Do a job. Raises Failed."""
    requests: Iterator[bytes] = cycle([request.encode("latin-1") for request in job.requests])
    latencies: list[float] = []
    with selectors.DefaultSelector() as selector:
        connections = [Connection(job) for _connection in range(job.connections)]
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        began, busy = time.perf_counter(), time.process_time()
        end = began + job.seconds
        asked = 0
        for connection in connections[: job.count]:
            connection.ask(next(requests))
            asked += 1
        open_answers = asked
        while open_answers:
            ready = selector.select(ANSWER_SECONDS)
            if not ready:
                raise Failed(f"no answer in {ANSWER_SECONDS} seconds")
            for key, _events in ready:
                connection = key.data
                if not connection.take():
                    continue
                now = time.perf_counter()
                latencies.append(now - connection.began)
                if now < end and asked < job.count:
                    connection.ask(next(requests))
                    asked += 1
                else:
                    open_answers -= 1
        seconds, busy = time.perf_counter() - began, time.process_time() - busy
        for connection in connections:
            connection.socket.close()
    latencies.sort()
    return Figures(
        count=len(latencies),
        seconds=seconds,
        busy=busy,
        p50=percentile(latencies, 0.50) * 1000,
        p99=percentile(latencies, 0.99) * 1000,
        longest=latencies[-1] * 1000,
    )


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class LoadGenerator:
    """The process that loads; started by `with`."""

    def __enter__(self) -> "LoadGenerator":
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"],
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.communicate()  # the end of its input ends it

    def run(self, job: Job) -> Figures:
        """Do a job there and return its figures. Raises Failed."""
        to_it, from_it = self.process.stdin, self.process.stdout
        if to_it is None or from_it is None:
            raise Failed("the load generator has no pipes")
        to_it.write(json.dumps(vars(job)) + "\n")
        to_it.flush()
        told = json.loads(from_it.readline())
        if "failed" in told:
            raise Failed(told["failed"])
        return Figures(**told)


def main() -> None:
    for line in sys.stdin:
        try:
            told = vars(run(Job(**json.loads(line))))
        except (Failed, OSError) as exc:
            told = {"failed": str(exc)}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
