"""What docs/scaling.md promises a store of many machines: which rows each hot request touches."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.programs import API_KEY_GRANT
from tests.test_queries import with_password

pytestmark = pytest.mark.django_db

KEYS = '"apikeys_apikeyrecord"'
# By digest, by owner, or by id and owner: with any of these a distributed store knows the shard.
NAMES_ITS_ROWS = re.compile(r"""\b(key|found)\.("digest"|id) = '|"apikeys_apikeyrecord"\."iam_id" = '""")
ALIASES = re.compile(rf"{KEYS} (key|found)\b")


@pytest.fixture
def hot(alice, create_key):
    """The requests that come by the thousand, by name, each of which was made once before."""
    issued = create_key(alice, "deploy")
    program = Client(headers={"Authorization": f"Bearer {with_password(alice).access_token}"})
    requests = {
        "introspection": lambda: program.post("/identity/introspect", {"apikey": issued.value}),
        "details": lambda: program.get("/v1/apikeys/details", headers={"IAM-Apikey": issued.value}),
        "exchange": lambda: Client().post("/identity/token", {"grant_type": API_KEY_GRANT, "apikey": issued.value}),
        "list": lambda: program.get("/v1/apikeys?pagesize=10"),
    }
    for request in requests.values():
        assert request().status_code == 200
    return requests


def statements_of(request) -> list[str]:
    with CaptureQueriesContext(connection) as context:
        request()
    return [query["sql"] for query in context]


@pytest.mark.parametrize("name", ["introspection", "details", "exchange", "list"])
def test_a_hot_request_names_the_key_or_the_owner_that_it_reads_and_writes_nothing(hot, name):
    statements = statements_of(hot[name])

    assert 1 <= len(statements) <= 2
    for statement in statements:
        assert statement.startswith("SELECT ")
        assert KEYS not in statement or NAMES_ITS_ROWS.search(statement), statement
        named = {alias for alias, _column in NAMES_ITS_ROWS.findall(statement)}
        assert named.issuperset(ALIASES.findall(statement)), statement
