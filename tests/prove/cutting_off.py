"""A database that is away, or held by somebody else, while programs use the console."""

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import requests

from tests.postgres import PostgresServer
from tests.programs import Program, Site
from tests.prove.figures import Figure, Size, counted, timed
from tests.prove.killing import BACK_WITHIN, answers, seconds_until
from tests.server import ConsoleServer

LONGEST = 10.0  # seconds for any answer
HONEST = {200, 201, 204, 502, 503, 504, 507}
ASKING = 4


class Asking:
    """Programs that list and create keys without a pause while `with` lasts; what they were answered, and how late."""

    def __init__(self, url: str, program: Program) -> None:
        self.url, self.program = url, program
        self.over = threading.Event()
        self.statuses: list[int] = []
        self.seconds: list[float] = []
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(ASKING)]

    def __enter__(self) -> "Asking":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _ask(self, number: int) -> None:
        body = {"name": "asked", "iam_id": self.program.iam_id}
        while not self.over.is_set():
            start = time.monotonic()
            try:
                answer = self.program.post("/v1/apikeys", json=body) if number % 2 else self.program.get("/v1/apikeys")
                self.statuses.append(answer.status_code)
            except requests.RequestException:
                self.statuses.append(0)
            self.seconds.append(time.monotonic() - start)
            time.sleep(0.05)

    def figures(self, events: str, back: float) -> list[Figure]:
        strange = sum(status not in HONEST for status in self.statuses)
        return [
            counted(f"answers that are not honest, {events}", strange, of=f"{len(self.statuses):,}"),
            timed(f"longest answer, {events}", max(self.seconds), LONGEST),
            timed(f"answering again without a restart, {events}", back, BACK_WITHIN),
        ]


def away(folder: Path, size: Size) -> list[Figure]:
    """Stop PostgreSQL for some time, then have somebody hold the table of keys for as long."""
    with PostgresServer() as postgres:
        url = postgres.new_database()
        with ConsoleServer(folder / "data", DATABASE_URL=url, APIKEYS_PER_IDENTITY="0") as server:
            site = Site(server)
            program = site.log_in(site.next_person("alice"))
            with Asking(server.url, program) as stopped:
                postgres.stop()
                time.sleep(size.held)
                postgres.start()
                back = seconds_until(lambda: answers(server))
            found = stopped.figures(f"PostgreSQL away for {size.held:g} s", back)
            with Asking(server.url, program) as locked, postgres.connect(url.rpartition("/")[2]) as holder:
                with holder.transaction():
                    holder.execute("LOCK TABLE apikeys_apikeyrecord IN ACCESS EXCLUSIVE MODE")
                    time.sleep(size.held)
                back = seconds_until(lambda: program.get("/v1/apikeys").status_code == 200)
            return found + locked.figures(f"table locked for {size.held:g} s", back)


def held(folder: Path, size: Size) -> list[Figure]:
    """Have another program hold SQLite's write lock."""
    with ConsoleServer(folder / "data", DATABASE_URL="", APIKEYS_PER_IDENTITY="0") as server:
        site = Site(server)
        program = site.log_in(site.next_person("alice"))
        with (
            Asking(server.url, program) as asking,
            closing(sqlite3.connect(server.data_dir / "console.sqlite3", isolation_level=None)) as holder,
        ):
            holder.execute("BEGIN IMMEDIATE")
            time.sleep(size.held)
            holder.rollback()
            back = seconds_until(lambda: program.post("/v1/apikeys", json={"name": "x", "iam_id": program.iam_id}).ok)
        return asking.figures(f"SQLite's write lock held for {size.held:g} s", back)
