"""Strangers at the bare port: others are answered meanwhile, their connections end, and nothing is left over."""

import asyncio
import fcntl
import http.client
import json
import select
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Container, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from types import SimpleNamespace

import pytest
import requests

from console.addresses import client_address
from console.server.connections import JUST_ANSWERED_SECONDS, Warden, client_of
from console.server.rsgi import Adapter, Application
from console.server.turns import Room, Turns
from tests import strangers
from tests.cast import ADMIN
from tests.http_person import HttpPerson
from tests.programs import Program, Site
from tests.server import ConsoleServer
from tests.strangers import BEHAVIOURS, Behaviour, Crowd
from tests.waiting import until

pytestmark = pytest.mark.once

SECONDS = 10
CONNECTIONS = 64
MANY_CONNECTIONS = 512  # enough for all that one stranger's bodies may take
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
        CONNECTIONS=str(MANY_CONNECTIONS),
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


# An answer in parts

MANY_KEYS = """
from apikeys.models import ApiKeyRecord
from console.models import User
admin = User.objects.get()
ApiKeyRecord.objects.bulk_create(
    ApiKeyRecord(
        id=f"ApiKey-{number:08x}-0000-4000-8000-000000000000", iam_id=admin.iam_id, account_id=admin.account_id,
        created_by=admin.iam_id, name=f"key {number}", name_folded=f"key {number}", description="d" * 900,
        description_folded="d" * 900, pepper=1, digest=f"{number:064x}", hint="apk_",
    )
    for number in range(6_000)
)
"""
EXPORT = "/manage/security/apikeys/export/?format=csv"


def test_an_export_comes_in_parts_and_who_takes_none_of_it_does_not_keep_it_from_others(console):
    console.run_python(MANY_KEYS)
    admin = HttpPerson(console.url).log_in(*ADMIN)
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in admin.cookies)
    head = f"GET {EXPORT} HTTP/1.1\r\nHost: 127.0.0.1:{console.port}\r\nCookie: {cookies}\r\n\r\n"
    takes_nothing = Behaviour(head.encode(), reads=False)

    with Crowd(console.port, 1, takes_nothing) as crowd:
        crowd.act(1)
        answered_meanwhile = is_well(console)
        crowd.act(3 * SECONDS)
        held = len(crowd)
    begun = console.sql("SELECT count(*) FROM apikeys_auditevent WHERE action = ?", "iam-identity.user-apikey.export")
    answer = admin.get(EXPORT)

    assert answered_meanwhile
    assert held == 0
    assert begun == [(1,)]
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert len(answer.text.splitlines()) == 6_001


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


def test_an_answer_in_parts_is_cut_off_once_a_part_is_not_taken(listener):
    (under_way, to_under_way), (stalled, to_stalled) = listener.connect(), listener.connect()
    for accepted in (to_under_way, to_stalled):
        accepted.settimeout(0.5)
        with pytest.raises(TimeoutError):
            accepted.sendall(bytes(50_000_000))
    both = {name_of(under_way), name_of(stalled)}

    Warden(listener.port, most=8, answer_seconds=0, serving=(), streaming=both).look()
    before = [is_ended(to_under_way), is_ended(to_stalled)]
    Warden(listener.port, most=8, answer_seconds=60, serving=(), is_stalled=name_of(stalled).__eq__).look()

    assert before == [False, False]
    assert [is_ended(to_under_way), is_ended(to_stalled)] == [False, True]


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


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (("127.0.0.1", 9), "127.0.0.1:9"),
        (("2001:db8::7", 9, 0, 0), "[2001:db8::7]:9"),
        (("fe80::7%eth0", 9, 0, 2), "[fe80::7%2]:9"),
    ],
)
def test_a_client_has_the_name_that_the_server_gives_it(address, name):
    seen = SimpleNamespace(family=socket.AF_INET6, getsockname=lambda: ("::1", 8000), getpeername=lambda: address)

    assert client_of(seen, 8000) == name


def test_a_look_tells_who_is_there(listener):
    told: list[Container[str]] = []
    here, _accepted = listener.connect()
    gone, accepted = listener.connect()
    name = name_of(gone)
    gone.close()
    accepted.close()

    def seen(clients: Container[str], _began: float) -> None:
        told.append(clients)

    Warden(listener.port, most=8, answer_seconds=60, serving=(), seen=seen).look()

    [clients] = told
    assert name_of(here) in clients
    assert name not in clients


# Requests that wait for a thread


def test_nobody_takes_more_room_than_is_left_for_others():
    room = Room(most=8, most_weight=1000)

    strangers = [room.enter("stranger", 10) for _ in range(8)]
    alice = room.enter("alice", 10), room.enter("alice", 490)
    bob = room.enter("bob", 491), room.enter("bob", 450)
    for _ in range(4):
        room.leave("stranger", 10)
    room.leave("alice", 10)
    carol = room.enter("carol", 10)

    assert strangers == [True] * 4 + [False] * 4
    assert (alice, bob, carol) == ((True, True), (False, True), True)
    assert (room.free, room.free_weight) == (5, 50)


def test_an_empty_room_lets_in_the_heaviest():
    room = Room(most=8, most_weight=1000)

    alice, bob = room.enter("alice", 2000), room.enter("bob", 1)
    room.leave("alice", 2000)

    assert (alice, bob, room.enter("bob", 1)) == (True, False, True)


def test_what_is_taken_out_of_the_turns_is_given_to_no_thread():
    turns: Turns[str] = Turns()
    for item in ("stranger 1", "alice 1", "stranger 2", "alice 2"):
        turns.put(item.split()[0], item)

    taken = turns.take_out(lambda item: item != "alice 2")
    turns.put("bob", "bob 1")

    assert sorted(taken) == ["alice 1", "stranger 1", "stranger 2"]
    assert [turns.get(), turns.get()] == ["alice 2", "bob 1"]


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


class Client:
    """A client as Granian shows it, who sent no body; `answers` gets its address, and it keeps what it was answered."""

    status = 0

    def __init__(self, port: int, address: str, path: str = "/", answers: list[str] | None = None) -> None:
        self.address, self.answers = address, [] if answers is None else answers
        self.scope = SimpleNamespace(
            server="127.0.0.1:8000", client=f"{address}:{port}", method="GET", path=path, query_string="",
            scheme="http", http_version="1.1", headers={},
        )  # fmt: skip

    def response_bytes(self, status: int, headers: list[tuple[str, str]], _body: bytes) -> None:
        self.answers.append(self.address)
        self.status, self.headers = status, dict(headers)


class Held:
    """An application that answers once it `may_go_on`; `paths` are those it was asked for."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.paths: list[str] = []

    def __call__(self, environ: dict[str, str], start_response: Callable[..., None]) -> list[bytes]:
        self.paths.append(environ["PATH_INFO"])
        if environ["PATH_INFO"] != "/well":
            self.may_go_on.wait(SECONDS)
        start_response("200 OK", [])
        return []


def adapter_of(application: Application, *, most: int = 16) -> Adapter:
    return Adapter(
        application, threads=1, asker=client_address, largest_body=100, body_seconds=1, most=most, apart={"/well"}
    )


async def begin(adapter: Adapter, clients: Iterable[Client]) -> list["asyncio.Task[None]"]:
    """Let clients ask, one after another."""
    asking = []
    for client in clients:
        asking.append(asyncio.create_task(adapter.__rsgi__(client.scope, client)))
        await asyncio.sleep(0)
    return asking


def test_requests_of_many_connections_wait_in_turns_with_those_of_others():
    answers: list[str] = []
    application = Held()
    adapter = adapter_of(application)
    addresses = ["127.0.0.2"] * 4 + ["127.0.0.1"]

    async def ask() -> None:
        asking = await begin(adapter, (Client(port, each, answers=answers) for port, each in enumerate(addresses)))
        application.may_go_on.set()
        await asyncio.gather(*asking)

    asyncio.run(ask())

    assert sorted(answers) == ["127.0.0.1"] + ["127.0.0.2"] * 4
    assert answers.index("127.0.0.1") <= 2  # behind the one that had its thread, and one whose turn it was
    assert adapter.serving == set()


def test_who_asks_for_too_much_at_once_is_refused_and_others_are_not():
    application = Held()
    adapter = adapter_of(application, most=8)
    strangers, alice = [Client(port, "127.0.0.2") for port in range(100)], Client(100, "127.0.0.1")

    async def ask() -> list[int]:
        asking = await begin(adapter, [*strangers, alice])
        at_once = [client.status for client in (*strangers, alice)]
        application.may_go_on.set()
        await asyncio.gather(*asking)
        return at_once

    at_once = asyncio.run(ask())

    assert at_once == [0] * 4 + [503] * 96 + [0]
    assert [client.status for client in (*strangers[:4], alice)] == [200] * 5
    assert strangers[4].headers.items() >= {("retry-after", "1"), ("connection", "close")}
    assert (adapter.serving, adapter.room.free) == (set(), 8)


def test_a_request_whose_client_has_left_takes_no_thread():
    application = Held()
    adapter = adapter_of(application)
    served, left, alice, late = (Client(port, "127.0.0.1", f"/{port}") for port in range(4))

    async def ask() -> None:
        asking = await begin(adapter, [served, left, alice])
        await asyncio.to_thread(until, lambda: application.paths)
        began = time.monotonic()
        asking += await begin(adapter, [late])
        adapter.drop_left({alice.scope.client}, began)
        application.may_go_on.set()
        await asyncio.gather(*asking)

    asyncio.run(ask())

    assert application.paths == ["/0", "/2", "/3"]
    assert (adapter.serving, adapter.room.free) == (set(), 16)


def test_a_path_that_is_apart_is_answered_while_every_thread_waits():
    application = Held()
    adapter = adapter_of(application, most=8)
    strangers, prober = [Client(port, "127.0.0.1") for port in range(8)], Client(8, "127.0.0.1", "/well")

    async def ask() -> int:
        asking = await begin(adapter, strangers)
        await adapter.__rsgi__(prober.scope, prober)
        first = strangers[0].status
        application.may_go_on.set()
        await asyncio.gather(*asking)
        return first

    first = asyncio.run(ask())

    assert prober.status == 200
    assert first == 0


def test_a_request_that_nothing_answers_is_not_served_for_ever():
    adapter = adapter_of(lambda _environ, _start_response: [])
    alice = Client(0, "127.0.0.1")

    asyncio.run(adapter.__rsgi__(alice.scope, alice))

    assert alice.status == 500
    assert adapter.serving == set()


# A console whose only thread waits for its database


@pytest.fixture
def waiting(tmp_path):
    """A console whose thread waits for a database that is locked, and the request which does that."""
    with (
        ConsoleServer(tmp_path / "data", THREADS="1") as server,
        closing(sqlite3.connect(server.database, isolation_level=None)) as database,
        ThreadPoolExecutor(1) as pool,
    ):
        database.execute("BEGIN IMMEDIATE")
        form = {"grant_type": "password", "username": "alice", "password": "wrong"}
        request = pool.submit(requests.post, f"{server.url}/identity/token", form, auth=("bx", "bx"), timeout=60)
        time.sleep(1)
        assert not request.done()
        yield server, request


@pytest.mark.sqlite
def test_a_console_tells_that_it_is_well_while_its_threads_wait(waiting):
    server, request = waiting
    asked = [{}, {"Cookie": f"session={'a' * 32}"}, {"Host": "elsewhere.example"}]

    answers = [requests.get(f"{server.url}/healthz", headers=headers, timeout=SECONDS) for headers in asked]
    time.sleep(0.5)  # for what a thread that has just become free answered before

    assert not request.done()
    assert [answer.status_code for answer in answers] == [200, 200, 400]
    assert all("Content-Security-Policy" in answer.headers for answer in answers)


@pytest.mark.sqlite
def test_a_console_serves_nobody_who_has_left(waiting):
    server, request = waiting

    for number in range(20):
        with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as connection:
            connection.sendall(b"GET /v1/left-%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % number)
            time.sleep(0.02)
    time.sleep(1.5)
    has_waited = not request.done()
    answer = requests.get(f"{server.url}/v1/here", timeout=SECONDS * 3)

    assert has_waited
    assert answer.status_code == 404
    assert "/v1/here" in server.log
    assert "/v1/left" not in server.log
