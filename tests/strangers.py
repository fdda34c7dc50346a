"""Strangers at the bare port: connections that hold what they can get of a server, and what each kind of them does."""

import contextlib
import select
import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ADDRESS = "127.0.0.2"  # theirs, so that a server could tell them from others
GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR
TINY_WINDOW = 2048  # bytes that wait at a client which does not read
SEGMENT = 1400  # bytes, as beyond this machine; by its own larger ones the server's buffer grows to megabytes
TICK_SECONDS = 0.1
DRIP_SECONDS = 1.0

HOST = b"Host: 127.0.0.1\r\n"
ASK = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
ASK_MUCH = b"GET /static/console.css HTTP/1.1\r\n" + HOST + b"\r\n"
FORM = b"POST /identity/token HTTP/1.1\r\n" + HOST + b"Content-Type: application/x-www-form-urlencoded\r\n"
LONG_FORM = FORM + b"Content-Length: 100000\r\n\r\n"
CHUNKED_FORM = FORM + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"1\r\na\r\n"
HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
UPGRADE = b"GET /healthz HTTP/1.1\r\n" + HOST
UPGRADE += b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"


@dataclass(frozen=True)
class Behaviour:
    """What a stranger does: says `first`, then `more` each second, and `first` again after each answer if it `asks_on`.

    It reads its answers or not, cuts its connection each second, comes again when the server ends it, or does not.
    """

    first: bytes = b""
    more: bytes = b""
    reads: bool = True
    cuts: bool = False
    asks_on: bool = False
    returns: bool = False

    @property
    def goes(self) -> bool:
        """Tell whether they leave by themselves: no server ends the connection of one who asks and is answered."""
        return self.cuts or self.asks_on or self.returns or self.more.endswith(ASK)


BEHAVIOURS = {
    "slow body": Behaviour(LONG_FORM, b"a"),
    "slow chunked body": Behaviour(CHUNKED_FORM, CHUNK),
    "idle": Behaviour(),
    "kept alive": Behaviour(ASK),
    "half a head": Behaviour(b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: ", b"a"),
    "cut in the middle of a request": Behaviour(LONG_FORM + b"a", cuts=True),
    "cut in the middle of an answer": Behaviour(ASK_MUCH * 20, reads=False, cuts=True),
    "never reads its answers": Behaviour(ASK_MUCH * 30, reads=False),
    "HTTP/2 at once": Behaviour(HTTP_2),
    "upgrade to HTTP/2": Behaviour(UPGRADE),
    "giant head": Behaviour(b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n"),
    "5,000 headers": Behaviour(
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"".join(b"X-%d: a\r\n" % n for n in range(5000)) + b"\r\n"
    ),
    "pipelines requests": Behaviour(ASK * 1000, ASK * 1000),
    "asks again and again": Behaviour(ASK, asks_on=True),
    "comes again when cut off": Behaviour(ASK[:-2], returns=True),
}


class Crowd:
    """A number of strangers who behave alike, from `with` until its end; they act while `act` runs."""

    def __init__(self, port: int, count: int, behaviour: Behaviour) -> None:
        self.port, self.count, self.behaviour = port, count, behaviour
        self.connections: dict[int, socket.socket] = {}
        self.unsaid: dict[int, bytes] = {}
        self.statuses: Counter[int] = Counter()  # of the first answer that each of them read
        self.unanswered: set[int] = set()
        self.poll = select.poll()
        self.next_drip = time.monotonic() + DRIP_SECONDS

    def __enter__(self) -> "Crowd":
        for _ in range(self.count):
            self.connect()
        return self

    def __exit__(self, *_exc: object) -> None:
        for number in list(self.connections):
            self.leave(number)

    def connect(self) -> None:
        connection = socket.socket()
        connection.setblocking(False)
        if not self.behaviour.reads:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TINY_WINDOW)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        connection.bind((ADDRESS, 0))
        connection.connect_ex(("127.0.0.1", self.port))
        number = connection.fileno()
        self.connections[number], self.unsaid[number] = connection, self.behaviour.first
        self.unanswered.add(number)
        self.poll.register(number, select.POLLIN | select.POLLOUT | GONE)

    def leave(self, number: int, *, cut: bool = False) -> None:
        self.poll.unregister(number)
        connection = self.connections.pop(number)
        if cut:  # no last word, and what is under way is lost
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def act(self, seconds: float) -> None:
        """Let them do what they do, for so long or until the server has let go of them all."""
        end = time.monotonic() + seconds
        while self.connections and time.monotonic() < end:
            if time.monotonic() >= self.next_drip:
                self.next_drip += DRIP_SECONDS
                self.go_on()
            for number, event in self.poll.poll(0):
                self.answer(number, event)
            time.sleep(TICK_SECONDS)

    def go_on(self) -> None:
        for number in list(self.connections):
            if self.behaviour.cuts:
                self.leave(number, cut=True)
                self.connect()
            elif len(self.unsaid[number]) < len(self.behaviour.more):
                self.unsaid[number] += self.behaviour.more

    def answer(self, number: int, event: int) -> None:
        connection = self.connections[number]
        with contextlib.suppress(BlockingIOError, ConnectionError):
            if event & select.POLLIN and self.behaviour.reads:
                self.hear(number, connection.recv(1_000_000))
            if event & select.POLLOUT and self.unsaid[number]:
                self.unsaid[number] = self.unsaid[number][connection.send(self.unsaid[number]) :]
        if event & GONE:
            self.leave(number)
            if self.behaviour.returns:
                self.connect()

    def hear(self, number: int, answer: bytes) -> None:
        if number in self.unanswered and answer.startswith(b"HTTP/1."):
            self.unanswered.discard(number)
            self.statuses[int(answer.split()[1])] += 1
        if self.behaviour.asks_on and not self.unsaid[number]:
            self.unsaid[number] = self.behaviour.first

    def __len__(self) -> int:
        """Return how many the server has not closed."""
        return len(self.connections)


@dataclass(frozen=True)
class Footprint:
    """What processes hold together; memory in MB."""

    sockets: int
    files: int
    threads: int
    memory: float


def footprint(pids: list[int]) -> Footprint:
    files, statuses = [], []
    for pid in pids:
        files += [link_of(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
        statuses.append(dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()))
    return Footprint(
        sockets=sum(file.startswith("socket:") for file in files),
        files=sum(file != "" for file in files),
        threads=sum(int(status["Threads"]) for status in statuses),
        memory=sum(int(status["VmRSS"].split()[0]) for status in statuses) / 1024,
    )


def link_of(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:  # closed meanwhile
        return ""


def workers_of(server: int) -> list[int]:
    """Return the processes that a server started to answer in its place."""
    children = [int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()]
    return [pid for pid in children if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]
