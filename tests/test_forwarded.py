"""Whose request it is, behind proxies: what they say of a client counts, and nothing that the client says of itself."""

import asyncio
import base64
import socket
from collections.abc import Callable
from types import SimpleNamespace
from urllib.parse import urlencode, urlsplit

import pytest

from console.addresses import client_address, ip_address
from console.policies import DATA_POLICY
from console.server.rsgi import MOST_CHUNKS, Adapter
from tests import raw_http
from tests.programs import API_KEY_GRANT
from tests.server import ConsoleServer
from tests.test_headers import SAME_EVERYWHERE

pytestmark = pytest.mark.once

MAKE_LIMITED_KEY = """
from apikeys.domain import ApiKeyDraft, Caller
from apikeys.identity.users import identity_of
from apikeys.services import creation
from console.models import User
person, _ = User.objects.get_or_create(username="olga")
draft = ApiKeyDraft(name="office", networks="192.0.2.128/25 !192.0.2.200")
print(creation.create_api_key(Caller(identity_of(person)), draft).value)
"""
INSIDE, OUTSIDE = "192.0.2.130", "203.0.113.7"
ATTEMPTS = 3  # of one address, before the next is refused
UNJUDGED, JUDGED = 429, {400, 401}


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    """A console behind one proxy."""
    with ConsoleServer(
        tmp_path_factory.mktemp("proxied") / "data",
        TRUSTED_PROXIES="1",
        LOGIN_ATTEMPTS_PER_ADDRESS=str(ATTEMPTS),
    ) as server:
        yield server


def send(console, method: str, path: str, *lines: str, body: bytes = b"", leaves: bool = False) -> int:
    """Send exactly these header lines; return the status, 0 for no answer. Who `leaves` sends nothing more."""
    server = urlsplit(console.url)
    head = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", *lines, "Connection: close", "", ""]
    with socket.create_connection((server.hostname, server.port), timeout=30) as connection:
        connection.sendall("\r\n".join(head).encode() + body)
        if leaves:
            connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").readline().split()
    return int(answer[1]) if answer else 0


def guess(console, *lines: str) -> int:
    """Try a password, and return the status."""
    body = urlencode({"grant_type": "password", "username": "admin", "password": "wrong"}).encode()
    form = ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
    client = "Authorization: Basic Yng6Yng="  # bx:bx, as the command line
    return send(console, "POST", "/identity/token", *lines, *form, client, body=body)


def are_one_client(statuses: list[int]) -> bool:
    return set(statuses[:ATTEMPTS]) <= JUDGED and set(statuses[ATTEMPTS:]) == {UNJUDGED}


POSES = ["X_Forwarded_For", "X_Forwarded-For", "X-Forwarded_For", "x_forwarded_for"]  # as the proxy's header
CHANGING = "203.0.113.{}"  # a client that the client makes up, another each time


@pytest.mark.parametrize(
    "lines",
    [
        *((f"{name}: {CHANGING}", f"X-Forwarded-For: 192.0.2.11{n}") for n, name in enumerate(POSES)),
        *((f"X-Forwarded-For: 192.0.2.12{n}", f"{name}: {CHANGING}") for n, name in enumerate(POSES)),
        (f"X_Forwarded_For: {CHANGING}",),
        (f"X-Forwarded-For: {CHANGING}", "X-Forwarded-For: 192.0.2.30"),  # the last line is the proxy's
    ],
)
def test_a_header_that_poses_as_the_proxys_is_not_heard(console, lines):
    statuses = [guess(console, *(line.format(index) for line in lines)) for index in range(ATTEMPTS + 2)]

    assert are_one_client(statuses)


def test_a_key_is_used_from_where_the_proxy_says(console):
    value = console.run_python(MAKE_LIMITED_KEY).split()[-1]
    body = urlencode({"grant_type": API_KEY_GRANT, "apikey": value}).encode()
    form = ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]

    def exchange(*lines: str) -> int:
        return send(console, "POST", "/identity/token", *lines, *form, body=body)

    for told in ("192.0.2.130", "203.0.113.7, 192.0.2.130", '"192.0.2.130:4711"', "::ffff:192.0.2.130"):
        assert exchange(f"X-Forwarded-For: {told}") == 200, told
    for told in ("203.0.113.7", "192.0.2.130, 203.0.113.7", "192.0.2.200", "2001:db8::7", "unknown"):
        assert exchange(f"X-Forwarded-For: {told}") == 400, told


def doors(console, value: str) -> dict[str, tuple[int, Callable[..., int]]]:
    """Return where a key or a token of it is shown: the status of a refusal, and how to show it with header lines."""
    encoded = {"Content-Type": "application/x-www-form-urlencoded"}
    grant = urlencode({"grant_type": API_KEY_GRANT, "apikey": value}).encode()
    bx, itself = (f"Basic {base64.b64encode(name.encode()).decode()}" for name in ("bx:bx", f"apikey:{value}"))
    from_inside = encoded | {"Authorization": bx, "X-Forwarded-For": INSIDE}
    tokens = raw_http.send(console.url, "POST", "/identity/token", from_inside, grant).json
    bearer = f"Authorization: Bearer {tokens['access_token']}"

    def get(path: str, *more: str) -> Callable[..., int]:
        return lambda *lines: send(console, "GET", path, *lines, bearer, *more)

    def post(path: str, client: str, **form: str) -> Callable[..., int]:
        body = urlencode(form).encode()
        head = ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        return lambda *lines: send(console, "POST", path, *lines, *head, f"Authorization: {client}", body=body)

    renewal = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    return {
        "exchange": (400, post("/identity/token", bx, grant_type=API_KEY_GRANT, apikey=value)),
        "renewal": (400, post("/identity/token", bx, **renewal)),
        "its token": (401, get("/v1/apikeys")),
        "its token asks about a value": (401, get("/v1/apikeys/details", f"IAM-ApiKey: {value}")),
        "it asks about a token": (401, post("/identity/introspect", itself, token="unknown")),
        "its token asks about a token": (401, post("/identity/introspect", bearer.partition(" ")[2], token="unknown")),
    }


def test_a_header_that_a_client_makes_up_opens_no_door_to_a_key_of_other_networks(console):
    value = console.run_python(MAKE_LIMITED_KEY).split()[-1]
    forged = [
        *([f"{name}: {INSIDE}", f"X-Forwarded-For: {OUTSIDE}"] for name in (*POSES, "Forwarded", "X-Real-IP")),
        [f"IAM-Client-Address: {INSIDE}", f"X-Forwarded-For: {OUTSIDE}"],
        [f"X-Forwarded-For: {INSIDE}, {OUTSIDE}"],
        [f"X-Forwarded-For: {INSIDE}", f"X-Forwarded-For: {OUTSIDE}"],
        [],
    ]

    for name, (refusal, show) in doors(console, value).items():
        assert {show(*lines) for lines in forged} == {refusal}, name
        assert show(f"X-Forwarded-For: {OUTSIDE}, {INSIDE}") == 200, name


@pytest.mark.parametrize("form", ["192.0.2.{}:{}", '"192.0.2.{}:{}"', "[2001:db8:{}::1]:{}", '"[2001:db8:{}::1]:{}"'])
def test_clients_are_told_apart_where_the_proxy_names_their_ports(console, form):
    alice = 40 + len(form)  # a client of this form's own
    statuses = [guess(console, f"X-Forwarded-For: {form.format(alice, 4000 + index)}") for index in range(ATTEMPTS + 1)]
    bobs = guess(console, f"X-Forwarded-For: {form.format(alice + 100, 4000)}")

    assert are_one_client(statuses)
    assert bobs in JUDGED


@pytest.mark.parametrize("name", ["X_Forwarded_Proto", "X-Forwarded_Proto", "x_forwarded-proto"])
def test_a_header_that_poses_as_the_proxys_makes_nothing_secure(https_console, name):
    assert send(https_console, "GET", "/login/", f"{name}: https") == 301
    assert send(https_console, "GET", "/login/", "X-Forwarded-Proto: http", f"{name}: https") == 301
    assert send(https_console, "GET", "/login/", f"{name}: http", "X-Forwarded-Proto: https") == 200


@pytest.mark.parametrize(
    "name",
    ["X-Forwarded-For", "X-Forwarded-Proto", "Origin"],
)
def test_a_header_that_counts_and_cannot_be_read_is_refused(console, name):
    answer = raw_http.send(
        console.url, "GET", "/healthz", {"Host": "127.0.0.1", name: "3f2a91c07be84d55é".encode()}, None
    )

    assert answer.status == 400
    assert answer.body.decode() == f"The header {name.lower()} has characters other than ASCII.\n"
    assert answer.headers["Cache-Control"] == "no-store"


def test_credentials_that_cannot_be_read_are_not_taken_for_none(console):
    form = {"Host": "127.0.0.1", "Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({"grant_type": API_KEY_GRANT, "apikey": "unknown"}).encode()

    anonymous = raw_http.send(console.url, "POST", "/identity/token", form, body)
    unreadable = raw_http.send(
        console.url, "POST", "/identity/token", form | {"Authorization": "Basic é".encode()}, body
    )

    assert (anonymous.status, unreadable.status) == (400, 401)


def test_who_writes_another_script_into_a_proxys_header_escapes_no_limit(console):
    statuses = [guess(console, f"X-Forwarded-For: é, 203.0.113.{index}") for index in range(ATTEMPTS + 2)]

    assert statuses == [400] * len(statuses)


@pytest.mark.parametrize(
    "name", ["User-Agent", "Referer", "Cookie", "Accept-Language", "X_Forwarded_For", "X-Auth-Request-User"]
)
def test_a_header_that_only_describes_may_have_another_script(console, name):
    assert send(console, "GET", "/healthz", f"{name}: é") == 200


@pytest.mark.parametrize(
    ("hop", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        (" 192.0.2.7 ", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ('"192.0.2.7:4711"', "192.0.2.7"),
        ("2001:DB8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ('"[2001:db8::7]:443"', "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("[::ffff:192.0.2.7]:443", "192.0.2.7"),
        ("::1", "::1"),
        *(
            (text, "")
            for text in ("", "unknown", "_hidden", "192.0.2", "192.0.2.7:", "192.0.2.7:x", "[]", "[]:80", ":80")
        ),
        *((text, "") for text in ("[2001:db8::7", "2001:db8::7]", "[2001:db8::7]x", "192.0.2.7:1:2", "١٩٢.0.2.7")),
    ],
)
def test_an_address_is_read_from_a_hop(hop, address):
    assert ip_address(hop) == address


# Bodies, on their way through the adapter


def test_a_body_that_ends_early_is_not_served(console):
    lines = ["Content-Type: application/x-www-form-urlencoded", "Content-Length: 100"]

    status = send(console, "POST", "/identity/token", *lines, body=b"grant_type=password&", leaves=True)

    assert status in (0, 400)
    assert "Traceback" not in console.log


@pytest.mark.parametrize("lines", [["Content-Length: 10000000"], ["Content-Length: 131073"]])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(console, lines):
    assert send(console, "POST", "/login/", *lines, body=b"x" * 1000) == 413


LARGEST = 128 * 1024


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Length": str(LARGEST + 1)}, b"x"),
        ({"Transfer-Encoding": "chunked"}, b"%x\r\n%b\r\n0\r\n\r\n" % (LARGEST + 1, b"x" * (LARGEST + 1))),
    ],
    ids=["announced", "chunked"],
)
def test_who_sends_a_body_that_is_too_large_is_told_that_the_connection_ends(console, headers, body):
    answer = raw_http.send(
        console.url, "POST", "/v1/apikeys", {"Host": "127.0.0.1", "Content-Type": "application/json"} | headers, body
    )

    assert (answer.status, answer.headers["Connection"]) == (413, "close")


@pytest.mark.parametrize("chunks", [MOST_CHUNKS - 1, MOST_CHUNKS + 1])
def test_a_body_of_too_many_chunks_is_refused(console, chunks):
    form = {"Host": "127.0.0.1", "Content-Type": "application/x-www-form-urlencoded", "Transfer-Encoding": "chunked"}

    answer = raw_http.send(console.url, "POST", "/identity/token", form, b"1\r\na\r\n" * chunks + b"0\r\n\r\n")

    is_refused = chunks > MOST_CHUNKS
    assert answer.status == 400
    assert (answer.body == b"The body has too many chunks.\n") == is_refused
    assert (answer.headers.get("Connection") == "close") == is_refused


class Dripping:
    """A client as Granian shows it, which promises a body and then keeps silent; `said` is what it was answered."""

    said: tuple[int, dict[str, str]] | None = None

    async def __call__(self) -> bytes:
        await asyncio.sleep(60)
        return b"x"

    def response_bytes(self, status: int, headers: list[tuple[str, str]], _body: bytes) -> None:
        self.said = (status, dict(headers))


def test_a_body_that_does_not_come_takes_no_thread_and_has_an_end(settings):
    settings.SECURE_HSTS_SECONDS = 3600
    scope = SimpleNamespace(
        server="127.0.0.1:8000", client="127.0.0.1:9", method="POST", path="/login/", query_string="", scheme="http",
        http_version="1.1", headers={"content-length": "9"},
    )  # fmt: skip
    served: list[object] = []
    adapter = Adapter(
        lambda environ, _start: served.append(environ) or [],
        threads=1,
        asker=client_address,
        largest_body=100,
        body_seconds=0.05,
        most=16,
    )
    client = Dripping()

    asyncio.run(adapter.__rsgi__(scope, client))

    status, headers = client.said
    assert status == 408
    assert headers.items() >= SAME_EVERYWHERE.items()
    assert headers.items() >= {"connection": "close", "Strict-Transport-Security": "max-age=3600"}.items()
    assert headers["Content-Security-Policy"] == DATA_POLICY
    assert served == []
