"""What takes too long is ended: for the person a sentence, for a program an answer, for the others their turn."""

import time

import pytest
from django.conf import settings
from django.db import OperationalError, connection

from apikeys.backends import limits
from apikeys.backends.finding import Narrowed
from apikeys.models import ServiceIdRecord
from apikeys.storage.deadline import TimeIsOver, limit_statements, time_limit
from tests.addresses import KEYS
from tests.conftest import program_of
from tests.markup import page

pytestmark = pytest.mark.django_db

ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(3600)",
}
SENTENCE = "This search takes too long. Type more letters, or use fewer filters at once."


def never_end(*_arguments: object, **_keywords: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(ENDLESS[connection.vendor])
        cursor.fetchall()


@pytest.fixture
def endless_search(monkeypatch):
    """A search that the database would not end by itself."""
    monkeypatch.setattr(limits, "SEARCH_SECONDS", 0.1)
    monkeypatch.setattr(Narrowed, "read", never_end)


def test_a_statement_ends_with_its_time_and_the_next_one_runs():
    with pytest.raises(TimeIsOver), time_limit(0.1):
        never_end()

    with time_limit(5), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


@pytest.mark.postgres
def test_what_follows_in_a_transaction_has_the_time_it_had():
    def settings_now():
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout'), current_setting('enable_seqscan')")
            return cursor.fetchone()

    before = settings_now()
    with time_limit(0.1, by_index=True):
        assert settings_now() == ("100ms", "off")
    assert settings_now() == before

    with pytest.raises(TimeIsOver), time_limit(0.1, by_index=True):
        never_end()
    assert settings_now() == before


def test_another_error_of_the_database_stays_what_it_is():
    with pytest.raises(OperationalError), time_limit(5):
        raise OperationalError("the database is away")


@pytest.mark.sqlite
def test_every_statement_of_a_serving_process_has_an_end():
    limit = limit_statements(connection, 0.1)
    try:
        with pytest.raises(OperationalError, match="interrupted"):
            never_end()
        time.sleep(0.15)
        with connection.cursor() as cursor:  # the time is the statement's own, not the connection's
            cursor.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) SELECT max(i) FROM n"
            )
            assert cursor.fetchone() == (20000,)
    finally:
        connection.execute_wrappers.remove(limit)
        connection.connection.set_progress_handler(None, 0)


def test_a_person_reads_that_the_search_takes_too_long(alice_client, alices_key, endless_search):
    answer = alice_client.get(f"{KEYS}?q=zz")

    assert answer.status_code == 503
    assert SENTENCE in page(answer).text


def test_filters_that_take_too_long_can_be_cleared(alice_client, alices_key, endless_search):
    answer = alice_client.get(f"{KEYS}?status=active&sort=name")

    link = page(answer).find("a", href=f"{KEYS}?sort=name")
    assert (answer.status_code, link.text) == (503, "Clear search and filters")
    assert "terraform" in page(alice_client.get(link["href"])).text


def test_a_list_without_a_search_is_not_in_its_way(alice_client, alices_key, endless_search):
    assert alice_client.get(KEYS).status_code == 200


@pytest.mark.parametrize("query", ["filter=name+co+%22zz%22", "unused_for_days=90", "sort=last_authn&status=active"])
def test_a_program_is_told_that_its_search_takes_too_long(alice, alices_key, endless_search, query):
    answer = program_of(alice).get(f"/v1/apikeys?{query}")

    [error] = answer.json()["errors"]
    assert (answer.status_code, error["message_code"], error["message"]) == (503, "unavailable", SENTENCE)
    assert "Retry-After" not in answer  # to ask for the same again is of no use


def test_a_programs_list_without_a_search_is_not_in_its_way(alice, alices_key, endless_search):
    assert program_of(alice).get("/v1/apikeys?sort=expires_at").status_code == 200


@pytest.mark.parametrize("path", ['/v1/apikeys?filter=name co "zz"', '/v1/serviceids?filter=name co "zz"'])
def test_searches_leave_half_of_the_threads_to_what_is_quick(alice, alices_key, path, monkeypatch):
    monkeypatch.setattr(limits, "WAIT_SECONDS", 0.01)
    program = program_of(alice)
    taken = [limits._places().acquire() for _place in range(settings.THREADS // 2)]
    try:
        refused, quick = program.get(path), program.get("/v1/apikeys")
    finally:
        limits._places().release(len(taken))

    assert (refused.status_code, quick.status_code) == (503, 200)
    assert refused.json()["errors"][0]["message"] == SENTENCE
    assert program.get(path).status_code == 200


@pytest.mark.sqlite
def test_a_filter_of_service_ids_ends_with_its_time(alice, monkeypatch):
    """One step of SQLite looks for one text in another, however long both are."""
    monkeypatch.setattr(limits, "SEARCH_SECONDS", 0.1)
    long = {"description": "a" * 900 + "b", "description_folded": "a" * 900 + "b"}
    ServiceIdRecord.objects.bulk_create(
        ServiceIdRecord(
            account_id=alice.account_id, created_by=alice.iam_id, name="x", name_folded="x", iam_id=f"iam-{n}", **long
        )
        for n in range(3000)
    )
    conditions = " and ".join([f'description co "{"a" * 400}c"'] * 9)

    answer = program_of(alice).get("/v1/serviceids", {"filter": conditions})

    assert answer.status_code == 503
    assert answer.json()["errors"][0]["message"] == SENTENCE
