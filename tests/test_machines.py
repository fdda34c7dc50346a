"""Two consoles on one database behind a proxy: restarted one after the other, and while a standby is promoted."""

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from tests.balancer import Balancer
from tests.load import Load
from tests.postgres import PostgresServer, Standby
from tests.programs import Site
from tests.server import ConsoleServer
from tests.waiting import until

pytestmark = pytest.mark.postgres

PROGRAMS = 4
ROUNDS = 8  # keys created and used between two events
AWAY = 1.0  # seconds without a server
USABLE = 10.0  # seconds from a promotion to an answer


class Machines:
    """Consoles of one database, and the address of the proxy before them."""

    def __init__(self, balancer: Balancer, consoles: list[ConsoleServer]) -> None:
        self.balancer, self.consoles = balancer, consoles
        site = Site(consoles[0])
        self.load = Load(balancer.url, [site.log_in(site.next_person("alice")) for _program in range(PROGRAMS)])


@contextmanager
def machines(folder: Path, database_url: str) -> Iterator[Machines]:
    balancer = Balancer()
    shared = {
        "DATABASE_URL": database_url,
        "SECRET_KEY": secrets.token_hex(32),
        "APIKEYS_PEPPERS": f"1:{secrets.token_hex(32)}",
        "APIKEYS_PER_IDENTITY": "0",
        "PUBLIC_URL": balancer.url,
    }
    consoles = [ConsoleServer(folder / name, **shared) for name in ("a", "b")]
    with ExitStack() as stack:
        for opened in (*consoles, balancer.in_front_of(*consoles)):
            stack.enter_context(opened)
        yield Machines(balancer, consoles)


def is_ready(console: ConsoleServer) -> bool:
    return requests.get(f"{console.url}/readyz", timeout=30).ok


def test_consoles_are_restarted_one_after_the_other_and_no_request_fails(tmp_path, database_url):
    with machines(tmp_path, database_url) as them:
        with them.load as load:
            load.wait_for(ROUNDS)
            for console in them.consoles:
                console.stop()
                load.wait_for(ROUNDS)
                console.__enter__()
                load.wait_for(ROUNDS)
        found = load.check_all()

    assert found.failed == {}
    assert found.broken_promises == []
    assert found.created >= 5 * ROUNDS
    assert found.deleted >= ROUNDS


def test_a_standby_is_promoted_and_no_request_fails_and_no_acknowledged_change_is_lost_or_undone(tmp_path):
    with PostgresServer() as primary, Standby(primary) as standby:
        name = primary.new_database().rpartition("/")[2]
        both = f"{primary.url},127.0.0.1:{standby.port}/{name}"
        with machines(tmp_path, both) as them:
            with them.load as load:
                load.wait_for(ROUNDS)
                primary.crash()
                time.sleep(AWAY)
                standby.promote()
                until(lambda: all(is_ready(console) for console in them.consoles), USABLE)
                load.wait_for(ROUNDS)
                # Back from the dead, it knows nothing of what happened since.
                primary.start("default_transaction_read_only=on")
                them.consoles[0].stop()
                them.consoles[0].__enter__()
                load.wait_for(ROUNDS)
            found = load.check_all()
            logs = [console.log for console in them.consoles]

    assert found.failed == {}
    assert found.broken_promises == []
    assert found.deleted >= ROUNDS
    assert not [log for log in logs if "Traceback" in log]


def test_an_answer_before_a_stop_ends_its_connection(tmp_path):
    with ConsoleServer(tmp_path / "data") as console, requests.Session() as session:
        kept = session.get(f"{console.url}/healthz")
        console.process.terminate()
        until(lambda: session.get(f"{console.url}/healthz").headers.get("Connection") == "close")
        console.process.wait(20)

    assert "Connection" not in kept.headers
    assert console.process.returncode == 0
