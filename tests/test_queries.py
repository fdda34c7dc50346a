"""What lists and tokens cost: how often they ask the database, and how much a look may ask for."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apikeys.domain import Origin, ServiceIdDraft
from apikeys.iam import oauth
from apikeys.identity import tokens, users
from apikeys.services import service_ids
from tests.conftest import caller_for
from tests.markup import page
from tests.test_pages import many

pytestmark = pytest.mark.django_db


def with_password(person) -> tokens.Tokens:
    """Return the tokens of a log-in with a password."""
    stamp = users.password_stamp(person)
    subject = tokens.Subject(users.identity_of(person), oauth.GRANT_PASSWORD, password_stamp=stamp)
    return tokens.issue(subject, client_id="bx", with_refresh=True)


@pytest.mark.parametrize("collection", ["apikeys", "serviceids"])
def test_a_list_with_histories_asks_as_often_for_many_rows_as_for_one(alice, create_key, collection):
    def add(name: str) -> None:
        if collection == "apikeys":
            create_key(alice, name)
        else:
            service_ids.create_service_id(caller_for(alice), ServiceIdDraft(name))

    def look() -> tuple[list[list[str]], int]:
        with CaptureQueriesContext(connection) as context:
            answer = program.get(f"/v1/{collection}?include_history=true")
        return [[entry["action"] for entry in row["history"]] for row in answer.json()[collection]], len(context)

    program = Client(headers={"Authorization": f"Bearer {with_password(alice).access_token}"})
    add("first")
    look()  # the first request of all asks for more
    histories, queries = look()
    for number in range(5):
        add(f"another {number}")

    assert histories == [["create"]]
    assert look() == ([["create"]] * 6, queries)


def test_the_dashboard_counts_a_thousand_keys_and_no_more(alice, alice_client):
    many(alice, 1_001)

    with CaptureQueriesContext(connection) as context:
        shown = page(alice_client.get("/"))

    counts = [query["sql"] for query in context if "COUNT" in query["sql"] and "apikeys_apikeyrecord" in query["sql"]]
    assert "1,000+" in shown.text
    assert [sql for sql in counts if "LIMIT 1001" not in sql and "LIMIT 101" not in sql] == []


def test_to_look_at_a_token_from_a_password_is_one_question(alice):
    token = with_password(alice).access_token
    tokens.identify(token, Origin())

    with CaptureQueriesContext(connection) as context:
        tokens.identify(token, Origin())

    assert ['"console_user"' in query["sql"] for query in context] == [True]


def test_to_renew_such_a_token_is_to_read_its_person_once(alice):
    token = with_password(alice).refresh_token

    with CaptureQueriesContext(connection) as context:
        tokens.refresh(token, client_id="bx")

    assert sum('"console_user"' in query["sql"] for query in context) == 1


def test_to_introspect_a_value_is_one_question_about_the_caller_and_the_value(alice, create_key):
    issued = create_key(alice, "deploy")
    program = Client(headers={"Authorization": f"Bearer {with_password(alice).access_token}"})
    program.post("/identity/introspect", {"apikey": issued.value})

    with CaptureQueriesContext(connection) as context:
        answer = program.post("/identity/introspect", {"apikey": issued.value})

    assert answer.json()["apikey_id"] == issued.key.id
    assert [query["sql"].partition(" ")[0] for query in context] == ["SELECT"]


def test_to_look_a_key_up_by_its_value_is_one_question_about_the_caller_and_the_value(alice, create_key):
    issued = create_key(alice, "deploy")
    program = Client(headers={"Authorization": f"Bearer {with_password(alice).access_token}"})
    program.get("/v1/apikeys/details", headers={"IAM-ApiKey": issued.value})

    with CaptureQueriesContext(connection) as context:
        answer = program.get("/v1/apikeys/details", headers={"IAM-ApiKey": issued.value})

    assert answer.json()["id"] == issued.key.id
    assert [query["sql"].partition(" ")[0] for query in context] == ["SELECT"]


def test_commas_without_a_name_between_them_are_no_identities(alice):
    program = Client(headers={"Authorization": f"Bearer {with_password(alice).access_token}"})

    answer = program.get(f"/v1/accounts/{alice.account_id}/limits/identity?apikeys_per_identity={',' * 150}")

    assert [found["iam_id"] for found in answer.json()["apikeys_per_identity"]["identities"]] == [alice.iam_id]
