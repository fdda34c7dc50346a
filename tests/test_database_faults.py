"""What people and programs notice when the database is busy, away or full, and what they can still do."""

import re
import secrets
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from console.postgresql.waits import COMMIT_SECONDS
from tests.cast import PASSWORD
from tests.databases import make_database
from tests.http_person import HttpPerson
from tests.markup import page
from tests.postgres import PostgresServer
from tests.prepared import migrate
from tests.programs import API_KEY_GRANT, Site
from tests.server import ConsoleServer
from tests.test_last_used import told_count
from tests.waiting import until

AT_ONCE = 2.0  # seconds; a lock is waited for longer than that


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A console of this module's own: its database is taken away."""
    with ConsoleServer(tmp_path_factory.mktemp("faults") / "data") as server:
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


# Keys work while nothing can be written


@pytest.mark.sqlite
def test_keys_work_at_once_while_another_program_holds_the_write_lock_and_are_counted_later(site, alices):
    keys = [alices.create_key(f"key {number}") for number in range(8)]

    with write_lock(site.server.data_dir):
        start = time.monotonic()
        answers = [site.exchange(key["apikey"]) for key in keys]
        seconds = time.monotonic() - start

    assert {answer.status_code for answer in answers} == {200}
    assert seconds < AT_ONCE
    until(lambda: [told_count(alices, key["id"]) for key in keys] == [1] * len(keys))


@pytest.mark.sqlite
def test_a_client_that_keeps_refresh_tokens_gets_an_access_token_without_one(site, alices):
    value = alices.create_key()["apikey"]

    with write_lock(site.server.data_dir):
        answer = site.token_request(client=True, grant_type=API_KEY_GRANT, apikey=value)

    assert answer.status_code == 200
    assert answer.json()["refresh_token"] == "not_supported"
    assert site.with_token(answer.json()["access_token"]).get("/v1/apikeys").status_code == 200


# Busy


BUSY = "The database is busy or cannot be reached. Try again in a moment."
LONGEST = 10.0  # seconds; nobody waits longer for an answer
LIST, CREATE = "/manage/security/apikeys/", "/manage/security/apikeys/create/"


def visitor(site: Site) -> HttpPerson:
    """Return somebody who is logged in with a browser."""
    return HttpPerson(site.url).log_in(site.next_person("alice").username, PASSWORD)


def assert_page_says_unavailable(answer: requests.Response) -> None:
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert BUSY in page(answer).text
    assert answer.elapsed.total_seconds() < LONGEST


def assert_api_says_unavailable(answer: requests.Response) -> None:
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    body = answer.json()
    if "errors" in body:
        [error] = body["errors"]
        assert (error["code"], error["message"]) == ("unavailable", BUSY)
    else:
        assert (body["errorCode"], body["errorMessage"]) == ("unavailable", BUSY)
    assert answer.elapsed.total_seconds() < LONGEST


def new_lines(site: Site, before: str) -> list[str]:
    return site.server.log.removeprefix(before).splitlines()


def told_of_requests(site: Site, before: str) -> list[str]:
    """Return what new lines tell of requests, each of which is named by an id."""
    told = (re.search(r" django\.request \[[0-9a-f]{32}\]: (.*)", line) for line in new_lines(site, before))
    return [found[1] for found in told if found]


@pytest.mark.sqlite
def test_what_must_be_written_while_another_program_writes_is_refused_with_a_sentence_and_in_time(site, alices):
    person = visitor(site)
    form = person.get(CREATE)
    log = site.server.log

    with write_lock(site.server.data_dir), ThreadPoolExecutor() as pool:  # each waits as long as a lock is waited for
        by_page = pool.submit(person.submit, form, CREATE, name="terraform")
        by_api = pool.submit(create, alices)
        log_in = {"grant_type": "password", "username": "alice", "password": PASSWORD}
        by_password = pool.submit(site.token_request, client=True, **log_in)
        created, created_by_api, logged_in = by_page.result(), by_api.result(), by_password.result()
        assert person.get("/healthz").status_code == 200

    assert_page_says_unavailable(created)
    assert_api_says_unavailable(created_by_api)
    assert_api_says_unavailable(logged_in)
    assert sorted(told_of_requests(site, log)) == sorted(
        f"Service Unavailable: {path} (database is locked)" for path in (CREATE, "/v1/apikeys", "/identity/token")
    )
    assert "Traceback" not in site.server.log
    assert person.submit(form, CREATE, name="terraform").status_code == 200


# PostgreSQL

MIGRATED = "migrated"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A database server of this module's own: it is stopped there. `MIGRATED` is what each console begins with."""
    with PostgresServer() as server:
        migrate(tmp_path_factory.mktemp("migrated") / "data", make_database(server.url, MIGRATED))
        yield server


@contextmanager
def console_of(server: PostgresServer, folder: Path, *, waits: int):
    """A console on a new database; its requests wait so many seconds for a server that has gone."""
    with ConsoleServer(folder, DATABASE_URL=server.new_database(MIGRATED), FAILOVER_SECONDS=str(waits)) as console:
        yield Site(console)


@pytest.fixture
def console(server, tmp_path):
    """One whose requests are refused at once while the database is away."""
    with console_of(server, tmp_path / "data", waits=0) as site:
        yield site


@pytest.mark.postgres
def test_a_lock_that_is_held_for_long_holds_no_request_for_long(console, server):
    alices = console.log_in(console.next_person("alice"))
    value = alices.create_key()["apikey"]
    with server.connect(f"console_{server.databases}") as holder, holder.transaction():
        holder.execute("LOCK TABLE apikeys_apikeyrecord IN ACCESS EXCLUSIVE MODE")
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(alices.get, "/v1/apikeys") for _request in range(4)]
            exchanged = [pool.submit(console.exchange, value) for _request in range(4)]
            time.sleep(0.5)
            alive = alices.get("/healthz")
        answers = [request.result() for request in asked + exchanged]

    assert alive.status_code == 200
    assert alive.elapsed.total_seconds() < LONGEST
    for answer in answers:
        assert_api_says_unavailable(answer)
    assert alices.get("/v1/apikeys").status_code == console.exchange(value).status_code == 200


def on_each_new_key(server: PostgresServer, statement: str) -> None:
    """Have the newest database run a statement of PL/pgSQL before it stores a key."""
    with server.connect(f"console_{server.databases}") as connection:
        connection.execute(
            f"CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {statement}; RETURN NEW; END $$"
        )
        connection.execute("CREATE TRIGGER fault BEFORE INSERT ON apikeys_apikeyrecord EXECUTE FUNCTION fault()")


def create(program) -> requests.Response:
    return program.post("/v1/apikeys", json={"name": "terraform", "iam_id": program.iam_id})


@pytest.mark.postgres
def test_a_statement_that_takes_long_is_given_up(console, server):
    alices = console.log_in(console.next_person("alice"))
    on_each_new_key(server, "PERFORM pg_sleep(60)")

    assert_api_says_unavailable(create(alices))

    assert alices.listed() == []
    assert "(canceling statement due to statement timeout)" in console.server.log


@pytest.mark.postgres
def test_a_full_disk_of_the_server_is_told_as_such(console, server):
    alices = console.log_in(console.next_person("alice"))
    on_each_new_key(server, "RAISE SQLSTATE '53100' USING MESSAGE = 'could not extend file'")

    answer = create(alices)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (507, "insufficient_storage")
    assert "(could not extend file)" in console.server.log
    assert "Traceback" not in console.server.log


@pytest.mark.postgres
def test_an_error_that_is_the_programs_own_stays_one_and_has_its_traceback(console, server):
    alices = console.log_in(console.next_person("alice"))
    on_each_new_key(server, "PERFORM no_such_function()")

    assert create(alices).status_code == 500

    assert "Traceback" in console.server.log


@pytest.mark.postgres
def test_while_the_database_is_away_everything_says_so_in_one_line_and_goes_on_when_it_is_back(console, server):
    person = visitor(console)
    alices = console.log_in(console.next_person("alice"))
    value = alices.create_key()["apikey"]
    assert person.get(LIST).status_code == 200
    log = console.server.log

    server.stop()
    try:
        listed, fragment = person.get(LIST), person.get(LIST, headers={"HX-Request": "true"})
        asked, exchanged = alices.get("/v1/apikeys"), console.exchange(value)
        alive, ready = person.get("/healthz"), person.get("/readyz")
    finally:
        server.start()

    assert_page_says_unavailable(listed)
    assert (fragment.status_code, fragment.headers["HX-Retarget"]) == (503, "#problem")
    assert BUSY in fragment.text
    assert_api_says_unavailable(asked)
    assert_api_says_unavailable(exchanged)
    assert (alive.status_code, alive.text) == (200, "ok\n")
    assert (ready.status_code, ready.text) == (503, "not ready: the database does not answer\n")
    told = told_of_requests(console, log)
    paths = [line.partition("Service Unavailable: ")[2].partition(" ")[0] for line in told]
    assert paths == [LIST, LIST, "/v1/apikeys", "/identity/token", "/readyz"]
    assert "Traceback" not in console.server.log
    until(lambda: person.get("/readyz").status_code == 200)
    assert person.get(LIST).status_code == alices.get("/v1/apikeys").status_code == 200
    assert console.exchange(value).status_code == 200


@pytest.mark.postgres
def test_while_a_database_that_was_there_is_away_for_a_moment_requests_wait_for_it(server, tmp_path):
    with console_of(server, tmp_path / "data", waits=60) as console, ThreadPoolExecutor(3) as pool:
        person, alices = visitor(console), console.log_in(console.next_person("alice"))
        value = alices.create_key()["apikey"]

        server.stop()
        try:
            asked = [pool.submit(person.get, LIST), pool.submit(console.exchange, value)]
            asked += [pool.submit(create, alices)]
            ready = alices.get("/readyz")
            time.sleep(1)
            waiting = [not request.done() for request in asked]
        finally:
            server.start()
        answers = [request.result().status_code for request in asked]

    assert ready.status_code == 503
    assert waiting == [True, True, True]
    assert answers == [200, 200, 201]


CUT = "IF nextval('cuts') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF"


@pytest.fixture
def alices_whose_connection_is_cut(console, server):
    """A program of Alice's; the first key that anybody creates costs the console its connection to the database."""
    program = console.log_in(console.next_person("alice"))
    with server.connect(f"console_{server.databases}") as connection:
        connection.execute("CREATE SEQUENCE cuts")
    on_each_new_key(server, CUT)
    return program


@pytest.mark.postgres
def test_a_creation_that_may_be_sent_twice_is_done_although_its_connection_is_cut(
    console, alices_whose_connection_is_cut
):
    alices = alices_whose_connection_is_cut
    once = {"Idempotency-Key": secrets.token_hex(16)}

    created = alices.create_key(headers=once)

    assert [key["id"] for key in alices.listed()] == [created["id"]]
    assert alices.create_key(headers=once)["apikey"] == created["apikey"]
    assert "the request is answered once more" in console.server.log


@pytest.mark.postgres
def test_a_creation_that_may_not_is_refused_when_its_connection_is_cut(console, alices_whose_connection_is_cut):
    alices = alices_whose_connection_is_cut

    assert_api_says_unavailable(create(alices))

    assert alices.listed() == []
    assert "answered once more" not in console.server.log


def set_read_only(server: PostgresServer, word: str) -> None:
    """Let transactions only read, unless they ask for more, or let them write again; connections stay open."""
    with server.connect() as connection:
        connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {word}")
        connection.execute("SELECT pg_reload_conf()")


@pytest.mark.postgres
def test_a_server_that_takes_no_changes_any_more_is_not_read_either_until_it_does_again(console, server):
    """It may have been demoted, and another may know that a key was deleted."""
    alices = console.log_in(console.next_person("alice"))
    value = alices.create_key()["apikey"]

    set_read_only(server, "on")
    try:
        until(lambda: console.exchange(value).status_code == 503)
        listed, created, exchanged = alices.get("/v1/apikeys"), create(alices), console.exchange(value)
        ready = alices.get("/readyz")
    finally:
        set_read_only(server, "off")

    for answer in (listed, created, exchanged):
        assert_api_says_unavailable(answer)
    assert (ready.status_code, ready.text) == (503, "not ready: the database does not answer\n")
    assert "Traceback" not in console.server.log
    until(lambda: console.exchange(value).status_code == 200)
    assert create(alices).status_code == 201


@pytest.mark.postgres
def test_a_synchronous_standby_that_is_away_holds_nobody_for_ever(server, tmp_path):
    with ConsoleServer(tmp_path / "data", DATABASE_URL=server.new_database(MIGRATED)) as console:
        site = Site(console)
        alices = site.log_in(site.next_person("alice"))
        once = {"Idempotency-Key": secrets.token_urlsafe(32)}
        start = time.monotonic()

        set_standby(server, "away")
        robot, other = ({"name": name, "iam_id": alices.iam_id} for name in ("robot", "other"))
        with ThreadPoolExecutor() as pool:  # more of them than the process has threads
            made = pool.submit(alices.post, "/v1/apikeys", json=robot, headers=once)
            tokens = [pool.submit(site.exchange, "apk_unknown") for _request in range(4)]
            changed = pool.submit(alices.post, "/v1/apikeys", json=other)
        seconds = time.monotonic() - start
        set_standby(server, "")
        again = alices.create_key(headers=once)

        assert [made.result().status_code, changed.result().status_code] == [503, 503]
        assert {token.result().status_code for token in tokens} == {400}
        assert seconds < 2 * COMMIT_SECONDS
        assert [key["id"] for key in alices.listed() if key["name"] == "robot"] == [again["id"]]


def set_standby(postgres: PostgresServer, name: str) -> None:
    with postgres.connect() as connection:
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        connection.execute("SELECT pg_reload_conf()")
        until(lambda: connection.execute("SHOW synchronous_standby_names").fetchone() == (name,))
