"""A person leaves: at the next request each of two processes refuses what hung on them, and an heir has the rest."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from tests.addresses import KEYS, REVIEW, service_id_address
from tests.cast import ADMIN, PASSWORD
from tests.http_person import HttpPerson
from tests.markup import fields, page
from tests.programs import API_KEY_GRANT, Console, Program
from tests.server import ConsoleServer

ADDRESS = "http://console.test"
NUMBER = 300  # keys of the person
ROBOTS = 3  # service IDs of the person, each with a key
TOKENS = 20  # keys, and those of service IDs, whose tokens are kept
THREADS = 4
WORKS = {"keys": {200}, "tokens": {200}, "refresh tokens": {200}, "session": {"API keys"}}
REFUSED = {"keys": {400}, "tokens": {401}, "refresh tokens": {400}, "session": {"Log in"}}
# Of somebody who is activated again: what a log-in with the password gave has ended for good.
BACK = WORKS | {"tokens": {200, 401}, "refresh tokens": {200, 400}, "session": {"Log in"}}
MAKE_GRACE = f"""
from console.models import User
grace = User.objects.create_user("grace", password={PASSWORD!r}, first_name="Grace", last_name="Hopper")
print(grace.iam_id)
"""


@pytest.fixture(scope="module")
def consoles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Console]]:
    """Two processes on one database, as behind a balancer."""
    folder = tmp_path_factory.mktemp("two") / "data"
    with (
        ConsoleServer(folder, PUBLIC_URL=ADDRESS) as first,
        ConsoleServer(folder, PUBLIC_URL=ADDRESS) as second,
    ):
        yield [Console(first), Console(second)]
        assert "Traceback" not in first.log + second.log


@dataclass
class Estate:
    """All that hangs on one person. `robots` are service IDs, whose keys are the last of `values`."""

    iam_id: str
    robots: list[str]
    values: list[str] = field(repr=False)
    session: HttpPerson = field(repr=False)
    tokens: list[str] = field(default_factory=list, repr=False)
    refresh_tokens: list[str] = field(default_factory=list, repr=False)


def at_once(ask: Callable[..., Any], *things: Any) -> list[Any]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(ask, *things))


def log_in(console: Console, username: str, password: str) -> dict[str, Any]:
    form = {"grant_type": "password", "username": username, "password": password}
    return dict(console.token_request(client=True, **form).json())


def exchange(console: Console, value: str) -> requests.Response:
    return console.token_request(client=True, grant_type=API_KEY_GRANT, apikey=value)


def renew(console: Console, token: str) -> requests.Response:
    return console.token_request(client=True, grant_type="refresh_token", refresh_token=token)


def use(console: Console, token: str) -> requests.Response:
    return console.with_token(token).get("/v1/apikeys")


@pytest.fixture(scope="module")
def grace(consoles: list[Console]) -> Estate:
    first, second = consoles
    [iam_id] = first.server.run_python(MAKE_GRACE).split()[-1:]
    login = log_in(first, "grace", PASSWORD)
    graces = Program(first.url, login["access_token"])
    values = at_once(lambda number: graces.create_key(f"key {number}")["apikey"], range(NUMBER))
    robots = []
    for number in range(ROBOTS):
        body = {"account_id": graces.claims["account"]["bss"], "name": f"robot {number}", "apikey": {"name": "nightly"}}
        made = graces.post("/v1/serviceids", json=body).json()
        robots.append(made["id"])
        values.append(made["apikey"]["apikey"])
    found = Estate(iam_id, robots, values, HttpPerson(first.url).log_in("grace", PASSWORD))
    for answer in (login, *(exchange(second, value).json() for value in values[-TOKENS:])):
        found.tokens.append(answer["access_token"])
        found.refresh_tokens.append(answer["refresh_token"])
    return found


def state_of(estate: Estate, consoles: list[Console]) -> dict[str, set[int | str]]:
    """Return with what both processes answer all that hangs on a person; first the one that is told of no change."""
    answers: dict[str, set[int | str]] = {kind: set() for kind in WORKS}
    for console in reversed(consoles):
        both = [console] * len(estate.values)
        estate.session.url = console.url
        answers["session"].add(page(estate.session.get(KEYS)).find("h1").text)
        answers["tokens"] |= statuses(at_once(use, both, estate.tokens))
        renewed = at_once(renew, both, estate.refresh_tokens)
        answers["refresh tokens"] |= statuses(renewed)
        estate.refresh_tokens = [
            answer.json().get("refresh_token", token)  # each works once
            for answer, token in zip(renewed, estate.refresh_tokens, strict=True)
        ]
        answers["keys"] |= statuses(at_once(exchange, both, estate.values))
    return answers


def statuses(answers: list[requests.Response]) -> set[int | str]:
    return {answer.status_code for answer in answers}


def test_a_person_who_leaves_takes_all_along_and_an_heir_has_the_service_ids_disabled(consoles, grace):
    first, second = consoles
    admin = HttpPerson(first.url).log_in(*ADMIN)
    heir = Program(second.url, log_in(second, *ADMIN)["access_token"])
    about = f"/manage/users/{grace.iam_id}/"
    assert state_of(grace, consoles) == WORKS

    admin.submit(admin.get(about), f"{about}deactivate/")
    assert state_of(grace, consoles) == REFUSED

    admin.submit(admin.get(about), f"{about}activate/")
    assert state_of(grace, consoles) == BACK

    admin.submit(admin.get(f"{about}delete/"), f"{about}delete/", heir=heir.iam_id)
    assert state_of(grace, consoles) == REFUSED
    assert first.server.sql("SELECT id FROM apikeys_apikeyrecord WHERE iam_id = ?", grace.iam_id) == []
    review = page(admin.get(REVIEW)).find("section", aria_labelledby="orphaned").text
    assert all(service_id in review for service_id in grace.robots)
    assert review.count("Handed over from Grace Hopper") == ROBOTS
    for service_id, value in zip(grace.robots, grace.values[-ROBOTS:], strict=True):
        told = heir.get(f"/v1/serviceids/{service_id}").json()
        assert (told["managed_by"], told["disabled"]) == (heir.iam_id, True)
        address = service_id_address(service_id)
        shown = page(admin.get(address))
        assert "It was Grace Hopper’s, who is gone, and was disabled." in shown.find("main").text
        admin.post(f"{address}enable/", data=fields(shown.find("main").find("form")))
        assert [exchange(console, value).status_code for console in consoles] == [200, 200]
