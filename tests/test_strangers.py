"""Strangers at the bare port: others are answered meanwhile, their connections end, and nothing is left over."""

import asyncio
import fcntl
import http.client
import json
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Container
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from types import SimpleNamespace

import pytest
import requests

from console.connections import JUST_ANSWERED_SECONDS, Warden
from console.middleware import client_address
from console.rsgi import Adapter
from console.turns import Turns
from tests import strangers
from tests.programs import Program, Site
from tests.server import ConsoleServer
from tests.strangers import BEHAVIOURS, Crowd
from tests.waiting import until

SECONDS = 10
CONNECTIONS = 64
COUNT = 40  # fewer than make the console close connections that do no harm
FLOOD = 200
IS_LOCKED = 3
TAKE_LOCK = f"""
import fcntl, sys
try:
    fcntl.lockf(open(sys.argv[1], "wb"), fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit({IS_LOCKED})
"""


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    """A console whose patience is short."""
    with ConsoleServer(
        tmp_path_factory.mktemp("strangers") / "data",
        CONNECTIONS=str(CONNECTIONS),
        IDLE_SECONDS="1",
        DJANGO_SETTINGS_MODULE="tests.hurried",
    ) as server:
        assert is_well(server)
        yield server


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """A console that leaves idle connections alone while it has others."""
    with ConsoleServer(tmp_path_factory.mktemp("patient") / "data", CONNECTIONS=str(CONNECTIONS)) as server:
        yield server


def is_well(console: ConsoleServer) -> bool:
    """Ask as somebody else than the strangers."""
    return requests.get(f"{console.url}/healthz", timeout=SECONDS).status_code == 200


def sockets_of(console: ConsoleServer) -> int:
    return strangers.footprint(strangers.workers_of(console.process.pid)).sockets


ENDED = {  # what each stranger is answered before the console ends its connection
    "slow body": 408,
    "slow chunked body": 408,
    "idle": None,
    "kept alive": 200,
    "half a head": None,
    "never reads its answers": None,
    "HTTP/2 at once": None,
    "upgrade to HTTP/2": 200,
    "giant head": 431,
    "5,000 headers": 431,
}


@pytest.mark.parametrize("kind", ENDED)
def test_the_connections_of_strangers_end_and_others_are_answered_meanwhile(console, kind):
    before = sockets_of(console)

    with Crowd(console.port, COUNT, BEHAVIOURS[kind]) as crowd:
        crowd.act(1)
        answered_meanwhile = is_well(console)
        crowd.act(SECONDS)
        held = len(crowd)

    assert answered_meanwhile
    assert held == 0
    assert crowd.statuses == ({ENDED[kind]: COUNT} if ENDED[kind] else {})
    until(lambda: sockets_of(console) <= before)


@pytest.mark.parametrize("kind", [kind for kind, behaviour in BEHAVIOURS.items() if behaviour.goes])
def test_nothing_is_left_of_strangers_who_go(console, kind):
    before = sockets_of(console)

    with Crowd(console.port, COUNT, BEHAVIOURS[kind]) as crowd:
        crowd.act(2.5)
        answered_meanwhile = is_well(console)

    assert answered_meanwhile
    until(lambda: sockets_of(console) <= before)


def test_a_flood_of_strangers_does_not_take_the_connections_of_others(patient):
    alice = http.client.HTTPConnection("127.0.0.1", patient.port, timeout=SECONDS)
    alice.request("GET", "/healthz")
    assert alice.getresponse().read() == b"ok\n"
    hers = alice.sock

    with Crowd(patient.port, FLOOD, BEHAVIOURS["half a head"]) as crowd:
        crowd.act(3)
        held, answered_meanwhile = len(crowd), is_well(patient)
        alice.request("GET", "/healthz")
        answer = alice.getresponse().read()

    assert held < CONNECTIONS
    assert answered_meanwhile
    assert (answer, alice.sock) == (b"ok\n", hers)
    alice.close()


def test_a_chunked_body_that_breaks_off_is_not_served(site: Site, alices: Program):
    body = json.dumps({"name": "half", "iam_id": alices.iam_id}).encode()
    head = f"POST /v1/apikeys HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {alices.token}\r\n"
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

    with socket.create_connection(("127.0.0.1", site.server.port), timeout=SECONDS) as connection:
        connection.sendall(head.encode() + b"%x\r\n%s\r\n" % (len(body), body))
        connection.shutdown(socket.SHUT_WR)  # the last chunk never comes
        answer = connection.makefile("rb").readline()

    assert answer in (b"", b"HTTP/1.1 400 Bad Request\r\n")
    assert alices.listed() == []


# The limits, at a server that has none


class Listener:
    """A server that accepts connections of this test, and does nothing with them."""

    def __init__(self, sockets: ExitStack) -> None:
        self.sockets = sockets
        self.socket = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port: int = self.socket.getsockname()[1]

    def connect(self, address: str = "127.0.0.1") -> tuple[socket.socket, socket.socket]:
        """Return both ends of a new connection, the client's first, which is younger than the others."""
        time.sleep(0.02)
        client = socket.create_connection(("127.0.0.1", self.port), SECONDS, source_address=(address, 0))
        accepted, _client = self.socket.accept()
        return self.sockets.enter_context(client), self.sockets.enter_context(accepted)

    def grow_old(self) -> None:
        time.sleep(2 * JUST_ANSWERED_SECONDS)


@pytest.fixture
def listener():
    with ExitStack() as sockets:
        yield Listener(sockets)


def warden_of(listener: Listener, *, most: int = 8, answer_seconds: float = 60, serving: Container[str] = ()) -> Warden:
    return Warden(listener.port, most=most, answer_seconds=answer_seconds, serving=serving)


def is_open(client: socket.socket) -> bool:
    """Tell whether nobody has ended a connection on which nothing was sent."""
    return not select.select([client], [], [], 0)[0]


def name_of(client: socket.socket) -> str:
    address, port = client.getsockname()
    return f"{address}:{port}"


def test_connections_are_closed_only_where_they_run_short(listener):
    clients = [listener.connect()[0] for _ in range(6)]
    listener.grow_old()

    warden_of(listener, most=8).look()
    enough = [is_open(client) for client in clients]
    clients.append(listener.connect()[0])
    warden_of(listener, most=8).look()

    assert enough == [True] * 6
    assert [is_open(client) for client in clients] == [False] * 3 + [True] * 4  # half of them, the oldest go


def test_who_has_most_connections_loses_them_first(listener):
    alice, _accepted = listener.connect()
    strangers = [listener.connect("127.0.0.2")[0] for _ in range(6)]
    bob, _accepted = listener.connect("127.0.0.3")
    listener.grow_old()

    warden_of(listener, most=8).look()

    assert (is_open(alice), is_open(bob)) == (True, True)
    assert [is_open(client) for client in strangers] == [False] * 4 + [True] * 2


def test_a_request_that_is_served_and_a_client_that_has_just_come_are_not_cut_off(listener):
    served = [listener.connect()[0] for _ in range(4)]
    listener.grow_old()
    young = [listener.connect()[0] for _ in range(4)]

    warden_of(listener, serving={name_of(client) for client in served}).look()

    assert all(is_open(client) for client in served + young)


def test_a_client_that_takes_nothing_of_its_answer_is_cut_off_once_its_time_is_over(listener):
    (_silent, to_silent), (reading, to_reading) = listener.connect(), listener.connect()
    for accepted in (to_silent, to_reading):
        accepted.settimeout(0.5)
        with pytest.raises(TimeoutError):
            accepted.sendall(bytes(50_000_000))
    warden = warden_of(listener, answer_seconds=1)

    warden.look()
    take_all(reading)
    time.sleep(1)
    warden.look()

    assert is_ended(to_silent)
    assert not is_ended(to_reading)


def test_to_look_at_connections_releases_no_lock_of_a_file(listener, tmp_path):
    with (tmp_path / "database").open("wb") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)  # SQLite's kind: gone once any file of that name is closed

        warden_of(listener).look()
        other = subprocess.run([sys.executable, "-c", TAKE_LOCK, file.name])

    assert other.returncode == IS_LOCKED


def take_all(client: socket.socket) -> None:
    client.settimeout(0.5)
    with suppress(TimeoutError):
        while client.recv(1_000_000):
            pass


def is_ended(accepted: socket.socket) -> bool:
    poll = select.poll()
    poll.register(accepted, 0)
    return bool(poll.poll(0))


# Requests that wait for a thread


def test_who_asks_a_lot_waits_for_others_as_they_do():
    turns: Turns[str] = Turns()
    for item in ("stranger 1", "stranger 2", "stranger 3", "alice 1", "alice 2", "bob 1"):
        turns.put(item.split()[0], item)

    served = [turns.get() for _ in range(6)]

    assert served == ["stranger 1", "alice 1", "bob 1", "stranger 2", "alice 2", "stranger 3"]


def test_a_thread_that_comes_early_waits_for_its_item():
    turns: Turns[str] = Turns()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(turns.get)
        turns.put("alice", "hers")

        assert waiting.result(SECONDS) == "hers"


class Silent:
    """A client as Granian shows it, who sent no body; `answers` gets its address."""

    def __init__(self, address: str, answers: list[str]) -> None:
        self.address, self.answers = address, answers

    def response_bytes(self, _status: int, _headers: list[tuple[str, str]], _body: bytes) -> None:
        self.answers.append(self.address)


def test_requests_of_many_connections_wait_in_turns_with_those_of_others():
    answers: list[str] = []
    may_go_on = threading.Event()

    def application(_environ: dict[str, object], start_response: Callable[..., None]) -> list[bytes]:
        may_go_on.wait(SECONDS)
        start_response("200 OK", [])
        return []

    adapter = Adapter(application, threads=1, asker=client_address, largest_body=100, body_seconds=1)

    async def ask() -> None:
        asking = []
        for port, address in enumerate(["127.0.0.2"] * 4 + ["127.0.0.1"]):
            scope = SimpleNamespace(
                server="127.0.0.1:8000", client=f"{address}:{port}", method="GET", path="/", query_string="",
                scheme="http", http_version="1.1", headers={},
            )  # fmt: skip
            asking.append(asyncio.create_task(adapter.__rsgi__(scope, Silent(address, answers))))
            await asyncio.sleep(0)
        may_go_on.set()
        await asyncio.gather(*asking)

    asyncio.run(ask())

    assert sorted(answers) == ["127.0.0.1"] + ["127.0.0.2"] * 4
    assert answers.index("127.0.0.1") <= 2  # behind the one that had its thread, and one whose turn it was
    assert adapter.serving == set()
