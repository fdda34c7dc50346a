"""Statements that are written once: errors, wrappers and connections that broke are as with Django's own cursor."""

from collections.abc import Iterator

import psycopg
import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from apikeys.storage.statements import Columns, Statement, table
from console.models import User

PLANS = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%person.username =%'"


def people() -> Statement:
    persons = Columns(User, "person", ("id", "username", "is_active"))
    sql = f"SELECT {persons} FROM {table(get_user_model(), 'person')} WHERE person.username = %s"  # noqa: S608
    return Statement(sql, persons)


def names(statement: Statement, username: str) -> list[str]:
    return [part[1] for [part] in statement.rows([username])]


@pytest.fixture
def alice(transactional_db) -> User:
    return User.objects.create_user("alice")


@pytest.fixture
def next_request() -> Iterator[None]:
    """A connection that was used before, and is to be tried."""
    connection.ensure_connection()
    connection.health_check_enabled = True
    connection.close_if_unusable_or_obsolete()
    yield
    connection.close()


def test_an_error_is_djangos(alice):
    with pytest.raises(DatabaseError, match="nothing"):
        Statement("SELECT nothing FROM console_user").rows([])


def test_a_wrapper_and_the_log_of_queries_see_the_statement(alice):
    seen = []

    def wrapper(execute, sql, parameters, many, context):
        seen.append((sql, list(parameters)))
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(wrapper):
        assert names(people(), "alice") == ["alice"]
    with CaptureQueriesContext(connection) as context:
        assert names(people(), "alice") == ["alice"]

    assert [parameters for _sql, parameters in seen] == [["alice"]]
    assert [query["sql"].count("console_user") for query in context] == [1]


def test_inside_of_a_transaction_what_it_wrote_is_seen(alice):
    with transaction.atomic():
        User.objects.filter(username="alice").update(username="alicia")
        assert names(people(), "alicia") == ["alicia"]
        transaction.set_rollback(True)

    assert names(people(), "alice") == ["alice"]


@pytest.mark.postgres
def test_the_server_plans_once(alice):
    for _time in range(3):
        names(people(), "alice")

    with connection.cursor() as cursor:
        cursor.execute(PLANS)
        assert cursor.fetchone() == (1,)


@pytest.mark.postgres
def test_a_connection_that_broke_between_two_requests_is_replaced(alice, next_request):
    broken = connection.connection
    end(broken)

    assert names(people(), "alice") == ["alice"]
    assert connection.connection is not broken


@pytest.mark.postgres
def test_one_that_broke_within_a_request_is_not(alice, next_request):
    names(people(), "alice")
    end(connection.connection)

    with pytest.raises(Exception, match="terminat"):
        names(people(), "alice")


@pytest.mark.postgres
@pytest.mark.parametrize("username", ["alice", "nobody"])
def test_what_a_server_says_that_takes_no_changes_any_more_is_not_believed(alice, next_request, username):
    demoted = connection.connection
    demoted.execute("SET default_transaction_read_only = on")

    names(people(), username)

    assert connection.connection is not demoted


@pytest.mark.postgres
@pytest.mark.parametrize("request_began", [True, False])
def test_a_plan_of_before_a_table_was_changed_is_made_anew(alice, request_began, request):
    names(people(), "alice")
    if request_began:
        request.getfixturevalue("next_request")
    try:
        alter("varchar(151)")
        assert names(people(), "alice") == ["alice"]
    finally:
        alter("varchar(150)")


def end(driver) -> None:
    with another() as other:
        other.execute("SELECT pg_terminate_backend(%s, 3000)", [driver.info.backend_pid])


def alter(kind: str) -> None:
    with another() as other:
        other.execute(f"ALTER TABLE console_user ALTER COLUMN username TYPE {kind}")


def another() -> psycopg.Connection:
    parameters = connection.get_connection_params()
    return psycopg.connect(
        **{name: parameters[name] for name in ("host", "port", "dbname", "user", "password")}, autocommit=True
    )
