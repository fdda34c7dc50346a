"""The console on a PostgreSQL server instead of a file."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db.utils import ConnectionHandler

from console.database import database
from console.postgresql import base
from console.postgresql.base import DatabaseWrapper
from tests.cast import ADMIN
from tests.http_person import HttpPerson
from tests.pooler import Pooler
from tests.server import ConsoleServer
from tests.waiting import until

SECONDS = 30


@pytest.mark.postgres
def test_a_console_on_postgresql_keeps_nothing_in_a_file(tmp_path, database_url):
    with ConsoleServer(tmp_path / "data", DATABASE_URL=database_url) as console, HttpPerson(console.url) as person:
        person.log_in(*ADMIN)

    assert not list((tmp_path / "data").glob("console.sqlite3*"))


@pytest.mark.postgres
@pytest.mark.parametrize(("word", "threshold"), [("", None), ("?prepare_threshold=2", 2)])
def test_through_a_pooler_no_plan_is_kept_unless_the_url_asks_for_it(database_url, word, threshold, django_db_blocker):
    port = urlsplit(database_url).port
    with Pooler(port) as pooler, django_db_blocker.unblock():
        found = [
            connected(f"{url}{word}") for url in (database_url, database_url.replace(f":{port}/", f":{pooler.port}/"))
        ]

    assert found == [0 if threshold is None else threshold, threshold]


def connected(url: str) -> int | None:
    """Connect to a database and return after how many executions a statement is planned for good; None: never."""
    wrapper = ConnectionHandler({"default": database(url, Path())})["default"]
    try:
        wrapper.connect()
        return wrapper.connection.prepare_threshold
    finally:
        wrapper.close()


def test_while_a_server_is_silent_one_thread_looks_for_it_and_the_others_fail_at_once(monkeypatch):
    attempts, silent = [], threading.Event()

    def connect(_self, _parameters):
        attempts.append(1)
        silent.wait(SECONDS)
        raise psycopg.OperationalError("timeout expired")

    monkeypatch.setattr(DatabaseWrapper, "_connect", connect)
    monkeypatch.setattr(base, "absence", absence := base.Absence())
    absence.since = 1.0  # long ago

    def ask() -> None:
        DatabaseWrapper(database("postgresql://console@host/keys", Path())).get_new_connection({})

    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(ask) for _thread in range(5)]
        until(lambda: sum(request.done() for request in asked) == 4)
        silent.set()
    assert {type(request.exception()) for request in asked} == {base.NoServer}
    assert len(attempts) == 1
