"""What people and programs notice when the database is busy, away or full, and what they can still do."""

import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.programs import API_KEY_GRANT, Site, start_console
from tests.test_last_used import told_count

AT_ONCE = 2.0  # seconds; a lock is waited for longer than that
MOST_SECONDS = 30


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A console of this module's own: its database is taken away."""
    with start_console(tmp_path_factory.mktemp("faults") / "data") as server:
        yield Site(server)


@contextmanager
def write_lock(data_dir: Path):
    """Hold SQLite's write lock, as a backup or another program may."""
    holder = sqlite3.connect(data_dir / "console.sqlite3", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.rollback()
        holder.close()


def becomes(expected, look) -> bool:
    deadline = time.monotonic() + MOST_SECONDS
    while look() != expected:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


# Keys work while nothing can be written


def test_keys_work_at_once_while_another_program_holds_the_write_lock_and_are_counted_later(site, annas):
    keys = [annas.create_key(f"key {number}") for number in range(8)]

    with write_lock(site.server.data_dir):
        start = time.monotonic()
        answers = [site.exchange(key["apikey"]) for key in keys]
        seconds = time.monotonic() - start

    assert {answer.status_code for answer in answers} == {200}
    assert seconds < AT_ONCE
    assert all(becomes(1, lambda key=key: told_count(annas, key["id"])) for key in keys)


def test_a_client_that_keeps_refresh_tokens_gets_an_access_token_without_one(site, annas):
    value = annas.create_key()["apikey"]

    with write_lock(site.server.data_dir):
        answer = site.token_request(client=True, grant_type=API_KEY_GRANT, apikey=value)

    assert answer.status_code == 200
    assert answer.json()["refresh_token"] == "not_supported"
    assert site.with_token(answer.json()["access_token"]).get("/v1/apikeys").status_code == 200
