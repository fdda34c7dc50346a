"""Rotation, deletion and pauses between processes: what one of them was told holds in the other at the next call."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
import requests

from tests.programs import API_KEY_GRANT, Program
from tests.server import ConsoleServer
from tests.waiting import until

CLIENTS = ("deploy/1.0", "backup/2.0", "report/3.0", "monitor/4.0")
PAUSE = 0.01  # seconds between the requests of a client
RACES = 1000
UNHURRIED = 20.0  # seconds in which the sweeper has written what was used


@pytest.fixture(scope="module")
def servers(tmp_path_factory) -> Iterator[tuple[ConsoleServer, ConsoleServer]]:
    """Two consoles of one database, as behind a balancer."""
    folder = tmp_path_factory.mktemp("two") / "data"
    with ConsoleServer(folder) as first:
        shared = {"DATABASE_URL": first.environment["DATABASE_URL"]} if first.environment["DATABASE_URL"] else {}
        with ConsoleServer(folder, PUBLIC_URL=first.url, **shared) as second:
            yield first, second


@pytest.fixture
def owner(servers) -> Program:
    first, _second = servers
    form = {"grant_type": "password", "username": "admin", "password": first.environment["CONSOLE_ADMIN_PASSWORD"]}
    answer = requests.post(f"{first.url}/identity/token", form, auth=("bx", "bx"), timeout=30)
    return Program(first.url, answer.json()["access_token"])


def status_of(url: str, value: str, agent: str = "curl/8") -> int:
    form = {"grant_type": API_KEY_GRANT, "apikey": value}
    with requests.Session() as session:
        session.trust_env = False
        return session.post(f"{url}/identity/token", form, headers={"User-Agent": agent}, timeout=30).status_code


@dataclass
class Client:
    """A program that exchanges its value without a pause, with one server and with the other in turn."""

    agent: str
    urls: list[str]
    value: str = field(repr=False)
    answers: dict[int, int] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        number = 0
        while not self.over.is_set():
            status = status_of(self.urls[number % len(self.urls)], self.value, self.agent)
            self.answers[status] = self.answers.get(status, 0) + 1
            number += 1
            time.sleep(PAUSE)


def new_key(owner: Program) -> dict:
    return owner.create_key("deploy")


def test_clients_that_move_one_after_the_other_meet_no_refusal_and_the_page_counts_them(servers, owner):
    key = new_key(owner)
    urls = [server.url for server in servers]
    clients = [Client(agent, urls, key["apikey"]) for agent in CLIENTS]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()

    def progress() -> tuple[int, int, set[str]]:
        told = owner.get(f"/v1/apikeys/{key['id']}/usage").json()["rotation"]
        return told["moved"], told["clients"], {place["client"] for place in told["waiting"]}

    try:
        places = f"/v1/apikeys/{key['id']}/usage"
        until(lambda: len(owner.get(places).json()["places"]) == len(CLIENTS), UNHURRIED)
        value = owner.post(f"/v1/apikeys/{key['id']}/rotate", json={}).json()["apikey"]
        names = [agent.partition("/")[0] for agent in CLIENTS]
        assert progress() == (0, 4, set(names))
        for moved, client in enumerate(clients, start=1):
            client.value = value
            until(lambda moved=moved: progress() == (moved, 4, set(names[moved:])), UNHURRIED)
        owner.call("DELETE", f"/v1/apikeys/{key['id']}/previous")
        assert [status_of(url, key["apikey"]) for url in urls] == [400, 400]
    finally:
        for client in clients:
            client.over.set()
        for thread in threads:
            thread.join()

    assert all(client.answers.keys() == {200} for client in clients)
    assert [status_of(url, value) for url in urls] == [200, 200]


def test_the_previous_value_is_refused_from_the_second_at_which_it_ends_in_both_processes(servers, owner):
    key = new_key(owner)
    owner.post(f"/v1/apikeys/{key['id']}/rotate", json={"overlap_seconds": 2})
    told = owner.get(f"/v1/apikeys/{key['id']}/usage").json()["rotation"]["ends_at"]
    [[exact]] = servers[0].sql("SELECT ends_at FROM apikeys_previousvalue WHERE key_id = ?", key["id"])
    ends_at = datetime.fromisoformat(str(exact)).replace(tzinfo=UTC)
    assert told == f"{ends_at:%Y-%m-%dT%H:%M:%S}+0000"

    early, late = [], []
    while (now := datetime.now(UTC)) < ends_at or len(late) < 4:
        for server in servers:
            asked, status = datetime.now(UTC), status_of(server.url, key["apikey"])
            answered = datetime.now(UTC)
            if answered < ends_at:
                early.append(status)
            elif asked >= ends_at:
                late.append(status)
        assert (now - ends_at).total_seconds() < 20

    assert set(early) == {200}
    assert set(late) == {400}


def test_in_a_thousand_races_of_use_against_end_no_use_that_began_later_succeeds(servers, owner):
    """Uses go on in both processes while the previous value of a key ends: each is good or refused, never otherwise."""
    urls = [server.url for server in servers]
    uses, wrong = 0, []
    while uses < RACES:
        key = new_key(owner)
        value = owner.post(f"/v1/apikeys/{key['id']}/rotate", json={"until_ended": True}).json()["apikey"]
        ended = threading.Event()

        def use(number: int, old: str = key["apikey"], new: str = value, ended: threading.Event = ended) -> None:
            was_over = ended.is_set()
            status = status_of(urls[number % 2], old)
            if status not in (200, 400) or (was_over and status != 400):
                wrong.append(status)
            if number % 10 == 0 and status_of(urls[number % 2], new) != 200:
                wrong.append(0)

        with ThreadPoolExecutor(8) as pool:
            racing = pool.map(use, range(125))
            owner.call("DELETE", f"/v1/apikeys/{key['id']}/previous")
            ended.set()
            list(racing)
        uses += 125
        owner.delete(f"/v1/apikeys/{key['id']}")

    assert uses >= RACES
    assert wrong == []


def test_a_deleted_key_is_refused_by_the_next_call_in_the_other_process_and_works_when_it_is_back(servers, owner):
    first, second = servers
    key = new_key(owner)
    assert status_of(second.url, key["apikey"]) == 200

    owner.delete(f"/v1/apikeys/{key['id']}")
    assert status_of(second.url, key["apikey"]) == 400
    owner.post(f"/v1/apikeys/{key['id']}/restore")
    assert [status_of(server.url, key["apikey"]) for server in (first, second)] == [200, 200]

    owner.delete(f"/v1/apikeys/{key['id']}")
    first.sql("UPDATE apikeys_deletedkeyrecord SET gone_at = deleted_at WHERE id = ?", key["id"])
    assert owner.post(f"/v1/apikeys/{key['id']}/restore").status_code == 404
    until(lambda: not first.sql("SELECT id FROM apikeys_deletedkeyrecord WHERE id = ?", key["id"]), UNHURRIED)


def test_a_pause_begins_and_ends_on_time_also_in_a_process_that_was_killed_meanwhile(tmp_path):
    with ConsoleServer(tmp_path / "data") as server:
        form = {"grant_type": "password", "username": "admin", "password": server.environment["CONSOLE_ADMIN_PASSWORD"]}
        answer = requests.post(f"{server.url}/identity/token", form, auth=("bx", "bx"), timeout=30)
        owner = Program(server.url, answer.json()["access_token"])
        key = owner.create_key("deploy")
        assert status_of(server.url, key["apikey"]) == 200
        owner.post(f"/v1/apikeys/{key['id']}/pause", json={"seconds": 9})
        assert status_of(server.url, key["apikey"]) == 400
        [[exact]] = server.sql("SELECT paused_until FROM apikeys_apikeyrecord WHERE id = ?", key["id"])
        until_moment = datetime.fromisoformat(str(exact)).replace(tzinfo=UTC)
        server.kill()

        with server:
            assert datetime.now(UTC) < until_moment
            assert status_of(server.url, key["apikey"]) == 400
            while datetime.now(UTC) < until_moment:
                asked = datetime.now(UTC)
                status = status_of(server.url, key["apikey"])
                assert status == 400 or datetime.now(UTC) >= until_moment, asked
            assert status_of(server.url, key["apikey"]) == 200


def test_a_server_that_is_killed_between_a_deletion_and_undo_has_the_key_to_give_back(tmp_path):
    with ConsoleServer(tmp_path / "data") as server:
        form = {"grant_type": "password", "username": "admin", "password": server.environment["CONSOLE_ADMIN_PASSWORD"]}
        answer = requests.post(f"{server.url}/identity/token", form, auth=("bx", "bx"), timeout=30)
        owner = Program(server.url, answer.json()["access_token"])
        key = owner.create_key("deploy")
        owner.delete(f"/v1/apikeys/{key['id']}")
        server.kill()

        with server:
            assert status_of(server.url, key["apikey"]) == 400
            assert owner.post(f"/v1/apikeys/{key['id']}/restore").status_code == 200
            assert status_of(server.url, key["apikey"]) == 200


def test_three_clients_at_three_addresses_are_three_places_whose_uses_add_up(tmp_path):
    with ConsoleServer(tmp_path / "data", TRUSTED_PROXIES="1") as server:
        form = {"grant_type": "password", "username": "admin", "password": server.environment["CONSOLE_ADMIN_PASSWORD"]}
        answer = requests.post(f"{server.url}/identity/token", form, auth=("bx", "bx"), timeout=30)
        owner = Program(server.url, answer.json()["access_token"])
        key = owner.create_key("deploy")
        sent = {"192.0.2.1": 7, "192.0.2.2": 11, "2001:db8::3": 5}

        for address, times in sent.items():
            form = {"grant_type": API_KEY_GRANT, "apikey": key["apikey"]}
            headers = {"X-Forwarded-For": address, "User-Agent": f"client-{len(address)}/1"}
            for _time in range(times):
                assert requests.post(f"{server.url}/identity/token", form, headers=headers, timeout=30).ok
        server.stop()

        with server:
            use = owner.get(f"/v1/apikeys/{key['id']}/usage").json()
    assert {place["address"]: place["uses"] for place in use["places"]} == sent
    assert use["days"][-1]["uses"] == sum(sent.values())
