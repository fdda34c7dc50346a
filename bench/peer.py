"""Other packages that look keys up, each in a small Django project of its own, served like the console."""

import filecmp
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from bench.peers.values import drf_api_key, knox_token
from bench.servers import OF_SERVERS, pin
from bench.store import MAKING, POSTGRESQL, ROOT, SQLITE, KeptPostgres, Shelf, fingerprint, say
from tests import postgres
from tests.server import free_port

PROJECT = ROOT / "bench" / "peers"
ENVIRONMENT = ROOT / ".venv-peers"
DRF_API_KEY, KNOX = "drf-api-key", "knox"
CREDENTIALS = {DRF_API_KEY: ("Api-Key", drf_api_key), KNOX: ("Token", knox_token)}
PEERS = tuple(CREDENTIALS)
ASKED = 1000  # different keys in turn, from all over the table
START_SECONDS = 30
FILE = "keys.sqlite3"


class Peer:
    """A peer that listens, between `with` and its end; its table has as many keys as the console's."""

    def __init__(self, name: str, shelf: Shelf, server: KeptPostgres | None) -> None:
        self.name, self.count, self.port = name, shelf.count, free_port()
        made_of = fingerprint("bench/peers/*.py", "bench/peers/requirements.txt")
        table = f"{name.replace('-', '_')}_{shelf.count}_{made_of}"

        def fill(folder: Path) -> None:
            self.environment = self.settings(MAKING if server else str(folder / FILE), server)
            if server:
                server.copy(MAKING, "template1")
            self.run(str(PROJECT / "fill.py"), str(shelf.count))
            if server:
                server.rename(MAKING, table)

        folder = shelf.made(POSTGRESQL if server else SQLITE, table, fill)
        self.environment = self.settings(table if server else str(folder / FILE), server)

    def settings(self, database: str, server: KeptPostgres | None) -> dict[str, str]:
        found = os.environ | {"PEER": self.name, "PEER_DATABASE": database, "DJANGO_SETTINGS_MODULE": "settings"}
        if server:
            found |= {"PEER_PORT_OF_POSTGRESQL": str(server.port)}
            found |= {"PGUSER": postgres.USER, "PGPASSWORD": postgres.PASSWORD}
        return found

    def run(self, *arguments: str) -> None:
        subprocess.run([python(), *arguments], cwd=PROJECT, env=self.environment, check=True)

    def __enter__(self) -> "Peer":
        # One thread: of 1, 4 and Granian's default the quickest for a view that needs the processor alone.
        self.process = subprocess.Popen(
            [
                python(), "-m", "granian", "--interface", "wsgi", "--http", "1", "--port", str(self.port),
                "--workers", "1", "--blocking-threads", "1", "--log-level", "warning",
                "--factory", "django.core.wsgi:get_wsgi_application",
            ],
            cwd=PROJECT,
            env=self.environment,
        )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    raise RuntimeError(f"{self.name} did not start") from None
                time.sleep(0.1)
        pin(self.process.pid, OF_SERVERS)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.terminate()
        self.process.wait(START_SECONDS)

    def requests(self) -> list[str]:
        """Return look-ups of different keys."""
        scheme, value_of = CREDENTIALS[self.name]
        head = f"GET /look-up HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAccept: */*\r\n"
        numbers = range(0, self.count, max(1, self.count // ASKED))
        return [f"{head}Authorization: {scheme} {value_of(number)}\r\n\r\n" for number in numbers]


def python() -> str:
    """Return the Python of the peers' environment, which is made where it does not hold the locked packages."""
    lock, stamp = PROJECT / "requirements.txt", ENVIRONMENT / "peers.stamp"
    program = ENVIRONMENT / "bin" / "python"
    if not (stamp.exists() and filecmp.cmp(lock, stamp, shallow=False)):
        say("installing the peers' locked packages")
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        install = [program, "-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", lock]
        subprocess.run(list(map(str, install)), check=True, stdout=subprocess.DEVNULL)
        shutil.copyfile(lock, stamp)
    return str(program)
