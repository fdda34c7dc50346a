"""The processes of a server: what its workers speak, how they end, and what is said of a port that is taken."""

import os
import signal
import socket
import struct
import subprocess
import sys

import pytest
import requests

from console.management.commands import serve
from console.server import ports
from tests.programs import Site
from tests.prove.killing import answers, workers_of
from tests.server import ConsoleServer
from tests.test_last_used import stored_count, used_five_times
from tests.waiting import until

pytestmark = pytest.mark.once

SECONDS = 10
EXAMPLE = "apk_" + "x" * 40
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, HEADERS, END_HEADERS = 4, 1, 4


@pytest.fixture
def server(tmp_path):
    """A server of this test's own: it is killed there."""
    with ConsoleServer(tmp_path / "data", WORKERS="2") as server:
        yield server


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def post_without_a_body(path: str, authority: str) -> bytes:
    """Return the header block, in HPACK, of a form of ten bytes that never come."""

    def literal(prefix: bytes, text: str) -> bytes:
        return prefix + bytes([len(text)]) + text.encode()

    return (
        b"\x83\x86"  # :method POST, :scheme http
        + literal(b"\x04", path)
        + literal(b"\x01", authority)
        + literal(b"\x0f\x0d", "10")  # content-length
        + literal(b"\x0f\x10", "application/x-www-form-urlencoded")
    )


def test_http_2_is_not_spoken_and_holds_nobody_up(site):
    headers = post_without_a_body("/identity/token", site.url.removeprefix("http://"))
    with socket.create_connection(("127.0.0.1", site.server.port), timeout=SECONDS) as stranger:
        streams = [frame(HEADERS, END_HEADERS, stream, headers) for stream in range(1, 40, 2)]
        stranger.sendall(PREFACE + frame(SETTINGS, 0, 0) + b"".join(streams))

        # Every thread would wait for a body by now.
        assert requests.get(f"{site.url}/healthz", timeout=SECONDS).status_code == 200
        assert received(stranger) == b""  # closed without a word of HTTP/2


def received(connection: socket.socket) -> bytes:
    """Return what a peer sent before it closed the connection."""
    found = b""
    try:
        while part := connection.recv(4096):
            found += part
    except ConnectionResetError:
        pass
    return found


def is_refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def kill_alone(server: ConsoleServer) -> None:
    """End the first process of a server as a machine without memory does, and wait for its workers."""
    server.process.kill()
    server.process.wait(SECONDS)
    until(lambda: is_refused(server.port))


def second_start(server: ConsoleServer) -> str:
    """Return why another server with the same settings does not start."""
    second = server.attempt("serve")
    assert second.returncode == 1
    return second.stderr


def test_workers_end_with_the_process_that_started_them_and_leave_the_port(server):
    kill_alone(server)

    assert server.log.count("The process that started this worker is gone") == 2
    with server as again:
        assert requests.get(f"{again.url}/readyz", timeout=SECONDS).status_code == 200


def test_workers_without_a_parent_end_as_workers_that_are_stopped_do(server):
    used_five_times(Site(server))

    kill_alone(server)

    assert stored_count(server) == 5


def test_a_worker_that_dies_again_at_once_is_replaced_again(server):
    for _time in range(2):
        *others, youngest = workers_of(server)
        os.kill(youngest, signal.SIGKILL)
        until(lambda others=others, dead=youngest: len(workers_of(server)) == 2 and dead not in workers_of(server))

    until(lambda: answers(server))
    assert server.process.poll() is None


def test_a_port_that_is_taken_says_which_process_holds_it_and_how_to_stop_it(server):
    refusal = second_start(server)

    assert refusal.startswith(f"CommandError: HOST=127.0.0.1 PORT={server.port} can't be used: Address already in use.")
    assert f"It is held by process {server.process.pid} ({sys.executable} manage.py serve)." in refusal
    assert f"Stop it with: kill {server.process.pid}, or set another PORT." in refusal
    assert "Traceback" not in refusal


def test_a_port_whose_holder_cannot_be_seen_says_how_root_sees_it(monkeypatch, tmp_path):
    monkeypatch.setattr(ports, "PROC", tmp_path)  # no /proc: another system than Linux

    assert "As root" in serve.who_to_stop(8000)
    assert "ss -ltnp 'sport = :8000'" in serve.who_to_stop(8000)


def test_the_command_of_a_holder_is_masked():
    """A command line of somebody's may hold a value."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)", EXAMPLE], pass_fds=[held.fileno()]
        )
        try:
            port = held.getsockname()[1]
            held.close()
            [listener] = ports.listeners(port)
        finally:
            child.kill()
            child.wait()

    assert listener.pid == child.pid
    assert EXAMPLE not in listener.command


def test_a_descriptor_that_is_closed_meanwhile_hides_no_holder(monkeypatch, tmp_path):
    """A descriptor that is gone can't be read, nor can these plain files."""
    descriptors = tmp_path / "4711" / "fd"
    descriptors.mkdir(parents=True)
    for number in (0, 1, 2, 4, 5, 6):
        (descriptors / str(number)).touch()
    (descriptors / "3").symlink_to("socket:[99]")
    (tmp_path / "4711" / "cmdline").write_text("python\0serve\0")
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text("sl local …\n0: 0100007F:1F40 00000000:0000 0A 0:0 0:0 0 0 0 99\n")
    monkeypatch.setattr(ports, "PROC", tmp_path)

    assert ports.listeners(8000) == [ports.Listener(4711, "python serve")]
