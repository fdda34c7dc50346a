"""The console on a PostgreSQL server instead of a file."""

import pytest

from tests.cast import ADMIN
from tests.http_person import HttpPerson
from tests.server import ConsoleServer


@pytest.mark.postgres
def test_a_console_on_postgresql_keeps_nothing_in_a_file(tmp_path, database_url):
    with ConsoleServer(tmp_path / "data", DATABASE_URL=database_url) as console, HttpPerson(console.url) as person:
        person.log_in(*ADMIN)

    assert not list((tmp_path / "data").glob("console.sqlite3*"))
