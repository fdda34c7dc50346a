"""Whatever a program sends to the API: a refusal in IAM's shape with the right code, and nothing has changed.

Each operation has one good request, in GOOD. A bad request is that one with a single thing wrong, so that it is this
thing that is refused; what is wrong stands in tables, or is made from the OpenAPI description, for every operation.
All goes over a real socket, as it is written here.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from tests.bad_input import ROWS
from tests.bad_input.good import (
    CHANGES,
    DESCRIPTION,
    GOOD,
    JSON,
    OPERATIONS,
    WITH_JSON,
    WITH_TOKEN,
    Request,
    parameters_of,
    resolve,
)
from tests.bad_input.tables import chunks
from tests.bad_input.tokens import UNKNOWN_VALUES, form
from tests.bad_input.world import World, complaints, make_world, make_world_of_bad_requests
from tests.databases import Look
from tests.forgery import BAD_TOKENS
from tests.programs import Site


@pytest.fixture(scope="module")
def world(site: Site) -> Iterator[World]:
    """One world for all bad requests: they change nothing in it."""
    world = make_world_of_bad_requests(site)
    with closing(Look(site.server.database)) as world.look:
        yield world


def successes(operation: str) -> set[str]:
    return {status for status in OPERATIONS[operation]["responses"] if status.startswith("2")}


# The tables are whole


def test_every_operation_has_a_good_request_and_bad_ones():
    assert set(GOOD) == set(OPERATIONS)
    for operation, good in GOOD.items():
        [methods] = [at for at in DESCRIPTION["paths"].values() if OPERATIONS[operation] in at.values()]
        assert methods[good.method.lower()] is OPERATIONS[operation]
    counts = {name: sum(row.operation == name for row in ROWS) for name in OPERATIONS}
    assert min(counts.values()) >= 8, counts


def test_every_part_of_the_description_has_rows():
    """A parameter, a member or a code that is new, and that no row is about, fails here."""
    told = {(row.operation, row.details) for row in ROWS}
    codes = {(row.operation, row.refusal[1]) for row in ROWS}

    parameters = {(name, part) for name in OPERATIONS for part in parameters_of(name, "query")}
    headers = {(name, part) for name in WITH_TOKEN for part in parameters_of(name, "header")}
    members = {
        (name, member)
        for name in WITH_JSON
        for member in resolve(OPERATIONS[name]["requestBody"]["content"][JSON]["schema"])["properties"]
    }
    documented = {
        (name, code)
        for name, operation in OPERATIONS.items()
        for status, answer in operation["responses"].items()
        if status.startswith("4")
        for code in resolve(answer).get("content", {}).get(JSON, {}).get("examples", {})
    }

    assert parameters | headers | members <= told
    # Not a matter of bad input: a key that is locked, a limit that is reached, keys of a service ID, time, a rule
    # that does not let a key work as it is, and a person with a second factor.
    ruled = {(name, "BXNIM0113E") for name in ("enableApiKey", "rotateApiKey", "restoreApiKey")}
    assert {code for _name, code in documented - codes - ruled} <= {
        "conflict", "rotation_under_way", "BXNIM0151E", "BXNIM0105E", "BXNIM0408E", "too_many_requests",
        "BXNIM0513E", "BXNIM0400E",
    }  # fmt: skip


@pytest.mark.parametrize("operation", GOOD)
def test_the_request_that_bad_ones_are_made_from_is_good(site, operation):
    answer = make_world(site).send(GOOD[operation])

    assert str(answer.status) in successes(operation)


@pytest.mark.parametrize("operation", GOOD)
@pytest.mark.parametrize("shape", ["{}/", "/{}", "///{}/"])
def test_a_slash_too_many_at_either_end_is_no_other_address(site, operation, shape):
    good = GOOD[operation]

    answer = make_world(site).send(replace(good, target=shape.format(good.target)))

    assert str(answer.status) in successes(operation)


@pytest.mark.parametrize("operation", CHANGES)
@pytest.mark.parametrize("tag", ['"{}"', 'W/"{}"', '"1-a", "{}"', '{} , W/"2-b"', '"1,a", "{}"', " * ", '"{}"\t'])
def test_an_entity_tag_is_the_same_quoted_weak_and_in_a_list(site, operation, tag):
    world, good = make_world(site), GOOD[operation]
    now = world.send(replace(GOOD[operation.replace("update", "get")])).headers["Etag"]

    answer = world.send(replace(good, headers=good.headers | {"If-Match": tag.format(now)}))

    assert answer.status == 200


@pytest.mark.parametrize("operation", [name for name, good in GOOD.items() if good.body is not None])
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_body_in_chunks_is_read_like_any_other(site, operation, size):
    world, good = make_world(site), GOOD[operation]
    body = world.fill(good.body if isinstance(good.body, bytes) else json.dumps(good.body))
    parts = chunks(*[body[at : at + size] for at in range(0, len(body), size)])
    headers = good.headers | {"Transfer-Encoding": "chunked"}
    if operation == "reportLeaks":
        headers |= site.sign(body)

    answer = world.send(replace(good, headers=headers, body=parts))

    assert str(answer.status) in successes(operation)


# And each row of them is refused


@pytest.mark.parametrize("operation", GOOD)
def test_bad_requests_are_refused_and_change_nothing(world, operation):
    """All of an operation in one test: each as a test of its own took longer to set up than to send."""
    wrong = []
    for row in (row for row in ROWS if row.operation == operation):
        before = world.stored()
        request = row.request()

        answer = world.send(request)

        wrong += [f"{row}: {told}" for told in complaints(answer, request, row.refusal, row.details)]
        if world.stored() != before:
            wrong.append(f"{row}: it changed something")

    assert wrong == []
    assert world.token_works()


def test_a_forged_token_that_is_like_a_good_one_is_good(world):
    """So each bad one is refused for what is wrong with it."""
    issuer = world.forge.claims()["iss"]
    forged = [
        world.forge.with_claims(),
        world.forge.from_key(api_key_id=world.names["key"]),
        world.forge.with_claims(aud=issuer),  # as older servers made them
    ]

    assert [world.site.with_token(token).refused() for token in forged] == [False, False, False]


@pytest.mark.parametrize(
    ("kind", "what"), [*(("token", what) for what in BAD_TOKENS), *(("apikey", what) for what in UNKNOWN_VALUES)]
)
def test_a_bad_token_or_value_is_introspected_as_not_active_and_nothing_more(world, kind, what):
    body = form(token=BAD_TOKENS[what](world.forge)) if kind == "token" else form(apikey=UNKNOWN_VALUES[what])

    answer = world.send(Request("POST", "/identity/introspect", GOOD["introspect"].headers, body))

    is_inactive = answer.status == 200 and answer.json == {"active": False}
    assert is_inactive
