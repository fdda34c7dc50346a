"""While many people wait for a slow IAM, everybody else is answered, and who would be one too many is told at once.

By default each process carries 24 requests that wait, 8 of them one person's, and keeps 8 of its 32 threads free.
Of those that wait 6 are log-ins, 3 of them from one address.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

import pytest
import requests

from tests.addresses import CREATE, KEYS
from tests.fault_server import Fault
from tests.markup import fields, page
from tests.upstream import (
    HTMX,
    LOG_INS_PER_ADDRESS,
    ConsoleWithUpstream,
    Visitor,
    arrive,
    console_with_upstream,
)

pytestmark = pytest.mark.once

SLOW = Fault(wait=60)  # until the test lets it go, or the console gives up after nine seconds
PEOPLE = 20
SLOTS, SLOTS_PER_PERSON = 24, 8
LOG_INS, STRANGERS = 6, 28
BUSY = "Too many requests are already waiting for"


@pytest.fixture(scope="module")
def console(tmp_path_factory) -> Iterator[ConsoleWithUpstream]:
    """As it is started by default: two processes."""
    with console_with_upstream(tmp_path_factory.mktemp("starvation"), WORKERS="2") as console:
        yield console


@pytest.fixture(scope="module")
def process(tmp_path_factory) -> Iterator[ConsoleWithUpstream]:
    """One process, so that its slots can be counted."""
    with console_with_upstream(tmp_path_factory.mktemp("slots"), TRUSTED_PROXIES="1") as console:
        yield console


def until_waiting(console: ConsoleWithUpstream, count: int) -> None:
    for _request in range(count):
        assert console.iam.entered.acquire(timeout=30), "fewer requests reach IAM"


def free_pages(person: Visitor) -> dict[str, Callable[[], int]]:
    """Return visits of pages for which nobody has to ask IAM."""
    token = person.create_form()["csrfmiddlewaretoken"]
    language = {"language": "zh-hant", "next": "/login/", "csrfmiddlewaretoken": token}
    return {
        "log-in": lambda: requests.get(f"{person.url}/login/", timeout=30).status_code,
        "health": lambda: person.get("/healthz").status_code,
        "readiness": lambda: person.get("/readyz").status_code,
        "language": lambda: person.post("/language/", data=language).status_code,
        "create form": lambda: person.get(CREATE, headers=HTMX).status_code,
    }


def test_pages_that_need_no_answer_of_iam_do_not_wait_for_it(console):
    people, dora = arrive(console, PEOPLE), Visitor(console, "dora")
    pages = free_pages(dora)
    console.iam.fail("list", SLOW, times=PEOPLE)

    with ThreadPoolExecutor(PEOPLE) as pool:
        waiting = [pool.submit(person.get, KEYS) for person in people]
        until_waiting(console, PEOPLE)
        told = {name: visit() for name, visit in pages.items()}
        answered_before = [future for future in waiting if future.done()]
        console.iam.heal(answers=True)

    assert told == {"log-in": 200, "health": 200, "readiness": 200, "language": 302, "create form": 200}
    assert answered_before == []
    assert [future.result().status_code for future in waiting] == [200] * PEOPLE


def test_a_process_carries_as_many_waiting_requests_as_it_has_slots_and_refuses_more_at_once(process):
    people = arrive(process, 5)
    process.iam.fail("list", SLOW, times=100)

    with ThreadPoolExecutor(5 * SLOTS_PER_PERSON) as pool:
        asked = [pool.submit(person.get, KEYS) for person in people for _tab in range(SLOTS_PER_PERSON)]
        until_waiting(process, SLOTS)
        refused = first_done(asked, 5 * SLOTS_PER_PERSON - SLOTS)
        more = process.iam.entered.acquire(blocking=False)
        health = people[0].get("/healthz").status_code
        log_in = page(Visitor(process, "late", logs_in=False).get("/login/"))
        process.iam.heal(answers=True)

    told = sorted(future.result().status_code for future in asked)
    assert not more
    assert {answer.status_code for answer in refused} == {503}
    assert all(BUSY in page(answer).text for answer in refused)
    assert health == 200
    assert log_in.find("form", action="/login/")
    assert told == [200] * SLOTS + [503] * (5 * SLOTS_PER_PERSON - SLOTS)


def test_one_person_with_many_tabs_takes_a_share_and_leaves_the_rest_to_others(process):
    anna, ben = arrive(process, 2)
    process.iam.fail("list", SLOW, times=SLOTS_PER_PERSON)

    with ThreadPoolExecutor(SLOTS_PER_PERSON + 1) as pool:
        tabs = [pool.submit(anna.get, KEYS) for _tab in range(SLOTS_PER_PERSON)]
        until_waiting(process, SLOTS_PER_PERSON)
        one_more, fragment = anna.get(KEYS), anna.get(KEYS, headers=HTMX)
        bens = ben.get(KEYS)
        answered_before = [tab for tab in tabs if tab.done()]
        process.iam.heal(answers=True)

    assert (one_more.status_code, fragment.status_code, bens.status_code) == (503, 503, 200)
    assert BUSY in page(one_more).text
    assert BUSY in page(fragment).text
    assert answered_before == []
    assert [tab.result().status_code for tab in tabs] == [200] * SLOTS_PER_PERSON
    assert anna.get(KEYS).status_code == 200


def first_done(futures: list[Future], count: int) -> list:
    """Return the answers that were there first, as many as `count`."""
    done = as_completed(futures, timeout=30)
    return [next(done).result() for _answer in range(count)]


# Strangers


def strangers(console: ConsoleWithUpstream, addresses: list[str]) -> list[Visitor]:
    """Return people who have the log-in page open and are about to send a password, each from an address."""
    people = [Visitor(console, "stranger", logs_in=False) for _address in addresses]
    for person, address in zip(people, addresses, strict=True):
        person.headers["X-Forwarded-For"] = address
        person.log_in_form = fields(page(person.get("/login/")).find_all("form", action="/login/")[0])
    return people


def knock(stranger: Visitor) -> requests.Response:
    typed = {"username": stranger.username, "password": "a guess"}
    return stranger.post("/login/", data=stranger.log_in_form | typed)


@pytest.mark.parametrize(
    ("slots", "addresses"),
    [
        (LOG_INS, [f"192.0.2.{number}" for number in range(STRANGERS)]),
        (LOG_INS_PER_ADDRESS, ["198.51.100.7"] * (LOG_INS + 1)),
    ],
    ids=["many addresses", "one address"],
)
def test_strangers_at_the_log_in_page_take_a_share_and_are_refused_beyond_it_at_once(process, slots, addresses):
    people, crowd = arrive(process, 3), strangers(process, addresses)
    process.iam.fail("token", SLOW, times=100)
    process.iam.fail("list", SLOW, times=SLOTS - LOG_INS)

    with ThreadPoolExecutor(STRANGERS + SLOTS) as pool:
        knocks = [pool.submit(knock, stranger) for stranger in crowd]
        refused = first_done(knocks, len(crowd) - slots)
        until_waiting(process, slots)
        tabs = [pool.submit(person.get, KEYS) for person in people for _tab in range((SLOTS - LOG_INS) // 3)]
        until_waiting(process, SLOTS - LOG_INS)
        process.iam.heal(answers=True)

    told = sorted(future.result().status_code for future in knocks)
    assert {answer.status_code for answer in refused} == {503}
    assert all(BUSY in page(answer).find(id="refusal").text for answer in refused)
    assert told == [422] * slots + [503] * (len(crowd) - slots)
    assert [tab.result().status_code for tab in tabs] == [200] * (SLOTS - LOG_INS)
