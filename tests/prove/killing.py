"""Processes that are killed, and databases that crash, while programs use the console."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import requests

from tests.load import Findings, Load
from tests.postgres import SETTINGS, PostgresServer
from tests.programs import Site
from tests.prove.figures import Figure, Size, counted, timed, whole
from tests.server import ConsoleServer
from tests.waiting import until

PROGRAMS = 4
WORKERS = 2
BACK_WITHIN = 3.0  # seconds
# One kill in so many ends the whole server, the others one of its workers.
WHOLE = 4
UNLIMITED = {"APIKEYS_PER_IDENTITY": "0", "WORKERS": str(WORKERS)}
CREATED = "iam-identity.user-apikey.create"


class DurablePostgres(PostgresServer):
    """A server that writes what it acknowledges to its disk, as one outside of tests does."""

    settings = tuple(setting for setting in SETTINGS if not setting.startswith(("fsync", "full_page_writes")))

    def place(self) -> None:
        """Not in memory."""


def workers_of(server: ConsoleServer) -> list[int]:
    pid = server.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def answers(server: ConsoleServer) -> bool:
    try:
        return requests.get(f"{server.url}/readyz", timeout=5).ok
    except requests.RequestException:
        return False


def seconds_until(holds: Callable[[], object]) -> float:
    start = time.monotonic()
    until(holds)
    return time.monotonic() - start


def kill(server: ConsoleServer, number: int) -> float:
    """Kill one of the server's workers, or all of it and start it again; return when it answers, in seconds."""
    if number % WHOLE == WHOLE - 1:
        server.kill()
        start = time.monotonic()
        server.__enter__()
        return time.monotonic() - start
    before = workers_of(server)
    # The oldest: a server whose youngest worker dies again takes that for a loop of crashes, and ends.
    os.kill(before[0], signal.SIGKILL)
    seconds = seconds_until(lambda: answers(server))
    until(lambda: workers_of(server)[:-1] == before[1:] and len(workers_of(server)) == len(before))
    return seconds


def under_load(server: ConsoleServer, events: list[Callable[[], float]], rounds: int) -> tuple[Findings, float]:
    """Let programs use the server while one event after the other happens; return what they found.

    Also the longest time after an event until the server answered.
    """
    site = Site(server)
    load = Load(server.url, [site.log_in(site.next_person("alice")) for _program in range(PROGRAMS)])
    longest = 0.0
    with load:
        for event in events:
            load.wait_for(rounds)
            longest = max(longest, event())
        load.wait_for(rounds)
    return load.check_all(), longest


def promises(found: Findings, events: str) -> list[Figure]:
    return [
        whole(f"acknowledged creations that verify, {events}", found.created - len(found.lost), found.created),
        counted(f"acknowledged deletions that verify, {events}", len(found.accepted), of=f"{found.deleted:,}"),
        counted(f"other answers that nobody expected, {events}", len(found.wrong), of=f"{found.answered:,}"),
    ]


def half_done(server: ConsoleServer) -> int:
    """Return how many changes are there in part: keys without event or history, hand-overs without a key."""
    [live, gone] = [
        {key_id for (key_id,) in server.sql(f"SELECT id FROM {table}")}  # noqa: S608
        for table in ("apikeys_apikeyrecord", "apikeys_deletedkeyrecord")
    ]
    told = server.sql("SELECT target_id FROM apikeys_auditevent WHERE action = ? AND outcome = 'success'", CREATED)
    audited = [str(target).rpartition(":")[2] for (target,) in told]
    history = server.sql("SELECT object_id FROM apikeys_historyrecord WHERE action = 'create'")
    handed_over = {key_id for (key_id,) in server.sql("SELECT key_id FROM apikeys_handover WHERE key_id <> ''")}
    keys = live | gone
    return (
        len(live & gone)
        + len(keys - {*audited})
        + len(audited) - len({*audited})
        + len(keys - {key_id for (key_id,) in history})
        + len(handed_over - keys)
    )  # fmt: skip


def is_intact(server: ConsoleServer) -> bool:
    """Tell whether the database finds no fault with itself; a server's looks at each row when it starts again."""
    if server.environment["DATABASE_URL"]:
        return bool(server.sql("SELECT count(*) FROM apikeys_auditevent"))
    return server.sql("PRAGMA integrity_check") == [("ok",)] and server.sql("PRAGMA foreign_key_check") == []


def integrity(server: ConsoleServer, events: str) -> list[Figure]:
    return [
        Figure(
            f"integrity of the database, {events}", "ok", "ok" if is_intact(server) else "broken", is_intact(server)
        ),
        counted(f"changes that are there in part, {events}", half_done(server)),
    ]


def kills(folder: Path, size: Size) -> list[Figure]:
    """Kill workers, and now and then the whole server, with SIGKILL."""
    with ConsoleServer(folder / "data", **UNLIMITED) as server:
        events = [lambda number=number: kill(server, number) for number in range(size.kills)]
        found, longest = under_load(server, events, size.rounds)
        named = f"{size.kills} kill -9"
        return [
            *promises(found, named),
            *integrity(server, named),
            timed(f"answering again, {named}", longest, BACK_WITHIN),
        ]


def crashes(folder: Path, size: Size) -> list[Figure]:
    """Let PostgreSQL crash and come back, while the console goes on running."""
    with (
        DurablePostgres() as postgres,
        ConsoleServer(folder / "data", DATABASE_URL=postgres.new_database(), **UNLIMITED) as server,
    ):

        def crash() -> float:
            postgres.crash()
            postgres.start()
            return seconds_until(lambda: answers(server))

        found, longest = under_load(server, [crash] * size.crashes, size.rounds)
        named = f"{size.crashes} crashes of PostgreSQL"
        return [
            *promises(found, named), *integrity(server, named),
            timed(f"answering again once PostgreSQL does, {named}", longest, BACK_WITHIN),
        ]  # fmt: skip
