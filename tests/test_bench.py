"""The measurements still run, and do not take an answer for one that it is not. How quick anything is, no test says."""

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from bench.load import Failed, Job, LoadGenerator
from bench.rows import Reach, Result
from bench.table import results
from tests.server import ROOT

pytestmark = pytest.mark.once


class Teller(BaseHTTPRequestHandler):
    """Tells on each path that begins with a number that number as its status, in an answer with a body."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:4]))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def teller():
    with ThreadingHTTPServer(("127.0.0.1", 0), Teller) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def request(path: str) -> str:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.sqlite  # the database that it names itself
def test_a_few_rows_are_measured_on_a_real_server(tmp_path):
    command = [sys.executable, "-m", "bench", "--keys", "1000", "--database", "sqlite", "--rows", "blank,menu"]

    done = subprocess.run(
        [*command, "--rounds", "1", "--seconds", "0.05", "--cache", tmp_path], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert "sqlite, 1,000 keys" in done.stdout
    assert "empty page with menu bar" in done.stdout


def test_a_load_counts_each_answer(teller):
    with LoadGenerator() as load:
        figures = load.run(Job(teller, [request("/200"), request("/200/other")], connections=4, count=50))

    assert figures.count == 50
    assert 0 < figures.p50 <= figures.p99 <= figures.longest


def test_a_load_fails_with_another_answer_than_the_expected_one(teller):
    with LoadGenerator() as load, pytest.raises(Failed, match="status 404 in place of 200"):
        load.run(Job(teller, [request("/200"), request("/404")], connections=2, count=50))


def test_a_line_of_the_table_says_whether_its_median_is_what_it_is_to_be():
    lines = results(
        [
            Result("quick enough", [0.9, 1.0, 9.0], "× CPU", "another", Reach(1.0)),
            Result("too slow", [0.1, 1.1, 1.2], "× CPU", "another", Reach(1.0)),
            Result("too few", [2.0], "× rate", "another", Reach(2.5, at_least=True)),
        ]
    ).splitlines()[2:]

    assert [line.split()[-1] for line in lines] == ["yes", "NO", "NO"]
