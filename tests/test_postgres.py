"""The console on a PostgreSQL server instead of a file."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db.utils import ConnectionHandler

from console.database import database
from tests.cast import ADMIN
from tests.http_person import HttpPerson
from tests.pooler import Pooler
from tests.server import ConsoleServer


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
