"""Limits on the connections of a worker that its HTTP server lacks; docs/adr/0014-connections-of-strangers.md.

The server ends a connection whose head or body does not come, but not one whose answer is not read, and once all its
connections are taken it accepts no other before one of them ends. A thread looks at the worker's sockets from beside
it and shuts down those that hold too much.
"""

import contextlib
import fcntl
import itertools
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable, Collection, Container, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from pathlib import Path

from apikeys.networks import network_of

OPEN_FILES = Path("/proc/self/fd")
LOOK_SECONDS = 0.25
REST = 10  # times the processor time of a look
HIGH_WATER, LOW_WATER = 0.75, 0.5  # of the connections: where closing begins, and where it ends
JUST_ANSWERED_SECONDS = 0.5  # since something was sent, or since the connection began: it may be about to ask
FAMILIES = (socket.AF_INET, socket.AF_INET6)
NOTHING = bytes(4)  # bytes that wait, as the system writes an integer
NO_LINGER = struct.pack("ii", 1, 0)  # what waits is dropped when the socket is closed
LAST_DATA_SENT = struct.Struct("44xI")  # in Linux's tcp_info: milliseconds since then, or since the connection began


@dataclass(frozen=True, slots=True)
class Connection:
    """A client's connection as it was seen; `client` is its address and port as RSGI writes them."""

    fd: int
    network: str
    client: str
    has_unread: bool  # some of an answer waits for the client to take it
    quiet_seconds: float  # since it was sent anything


class Warden:
    """Watches the connections to a port that this process has accepted.

    One whose client has not taken all it was sent for `answer_seconds` is aborted. One that is `streaming` is sent part
    after part, and so never has all: it is aborted once it `is_stalled`. Where there are more than three quarters of
    `most`, half of `most` are kept. Those are closed that have no request in `serving`, which names clients, and that
    were sent nothing just now: of the network with most of them first (`network_of`), and of one network those that
    were sent nothing for longest. `seen` gets the clients that a look has found, and when it began.
    """

    def __init__(
        self,
        port: int,
        *,
        most: int,
        answer_seconds: float,
        serving: Container[str],
        streaming: Container[str] = (),
        is_stalled: Callable[[str], bool] = lambda _client: False,
        seen: Callable[[Container[str], float], None] = lambda _clients, _began: None,
    ) -> None:
        self.port, self.most, self.answer_seconds, self.serving = port, most, answer_seconds, serving
        self.streaming, self.is_stalled = streaming, is_stalled
        self.seen = seen
        self.unread_since: dict[str, float] = {}

    def start(self) -> None:
        """Watch in a thread, where the system shows a process its sockets."""
        if OPEN_FILES.is_dir():
            threading.Thread(target=self.run, name="connections", daemon=True).start()

    def run(self) -> None:
        seconds = 0.0
        while True:
            time.sleep(max(LOOK_SECONDS, seconds * REST))
            began = time.thread_time()
            with contextlib.suppress(OSError):  # no file is left to look with; the next time one may be
                self.look()
            seconds = time.thread_time() - began

    def look(self) -> None:
        began = time.monotonic()
        connections = connections_to(self.port)
        self.seen({connection.client for connection in connections}, began)
        self.abort_unread(connections)
        if len(connections) > self.most * HIGH_WATER:
            self.make_room(connections)

    def abort_unread(self, connections: Iterable[Connection]) -> None:
        now = time.monotonic()
        unread = [each for each in connections if each.has_unread and each.client not in self.streaming]
        self.unread_since = {each.client: self.unread_since.get(each.client, now) for each in unread}
        for connection in unread:
            is_stalled = self.is_stalled(connection.client)
            if is_stalled or now - self.unread_since[connection.client] >= self.answer_seconds:
                self.end(connection)

    def make_room(self, connections: Collection[Connection]) -> None:
        too_many = len(connections) - int(self.most * LOW_WATER)
        for connection in itertools.islice(self.dispensable(connections), too_many):
            self.end(connection)

    def end(self, seen: Connection) -> None:
        """Make the server see the end of a connection; what its client has not taken is dropped."""
        with lent(seen.fd) as connection, contextlib.suppress(OSError):  # it has ended by itself
            if connection is not None and client_of(connection, self.port) == seen.client:
                if seen.has_unread:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                connection.shutdown(socket.SHUT_RDWR)

    def dispensable(self, connections: Iterable[Connection]) -> Iterator[Connection]:
        """Yield those without a request that is served, in the order in which they may be closed."""
        crowds: dict[str, list[Connection]] = {}
        for connection in sorted(connections, key=attrgetter("quiet_seconds")):
            if connection.client not in self.serving and connection.quiet_seconds >= JUST_ANSWERED_SECONDS:
                crowds.setdefault(connection.network, []).append(connection)
        # The longest quiet of a crowd of n has rank n - 1, the next one n - 2, as if each time the largest lost one.
        ranked = itertools.chain.from_iterable(enumerate(crowd) for crowd in crowds.values())
        return (connection for _rank, connection in sorted(ranked, key=itemgetter(0), reverse=True))


def connections_to(port: int) -> list[Connection]:
    """Return the connections of this process that clients made to a port."""
    found = []
    for path in OPEN_FILES.iterdir():
        with lent(fd := int(path.name)) as connection, contextlib.suppress(OSError):  # it is closed meanwhile
            if connection is not None and (seen := look_at(connection, fd, port)):
                found.append(seen)
    return found


@contextlib.contextmanager
def lent(fd: int) -> Iterator[socket.socket | None]:
    """Lend a socket of this process; None where the file is another one, or closed.

    It is not duplicated: this could be a database by now, and to close a second file of one drops SQLite's locks.
    """
    try:
        connection = socket.socket(fileno=fd)
    except OSError:
        yield None
        return
    try:
        yield connection
    finally:
        connection.detach()  # it is the server's to close


def look_at(connection: socket.socket, fd: int, port: int) -> Connection | None:
    """Return what is seen of a socket, or None where it is no client's connection to this port."""
    client = client_of(connection, port)
    if client is None:
        return None
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_DATA_SENT.size)
    return Connection(
        fd,
        network_of(client.rpartition(":")[0].strip("[]")),
        client,
        has_unread=fcntl.ioctl(connection, termios.TIOCOUTQ, NOTHING) != NOTHING,
        quiet_seconds=LAST_DATA_SENT.unpack(info)[0] / 1000,
    )


def client_of(connection: socket.socket, port: int) -> str | None:
    """Return address and port of the client of a connection to `port`."""
    if connection.family not in FAMILIES or connection.getsockname()[1] != port:
        return None
    try:
        address, client_port, *scope = connection.getpeername()
    except OSError:  # it listens, or is not connected any more
        return None
    if "%" in address:  # RSGI has the number of the interface and not its name
        address = f"{address.partition('%')[0]}%{scope[-1]}"
    return f"{f'[{address}]' if ':' in address else address}:{client_port}"
