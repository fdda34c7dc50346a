"""Threads that write to SQLite: each in its turn, also beside another process, and nobody waits for ever."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, nullcontext
from threading import Thread

import pytest
from django.db import OperationalError, connection, connections, transaction

from apikeys.models import ApiKeyRecord
from apikeys.storage.errors import Fault, fault_of
from console.sqlite.line import Line
from tests.waiting import until


def started_in_turn(line: Line, actions: list[Callable[[], object]]) -> list[Thread]:
    """Start a thread for each action, each of them once the one before waits in line."""
    threads = []
    for number, action in enumerate(actions, start=1):
        threads.append(Thread(target=action))
        threads[-1].start()
        until(lambda number=number: len(line._waiting) == number)
    return threads


def test_a_line_serves_in_the_order_of_arrival():
    line, served = Line(), []

    def pass_through(number: int) -> None:
        assert line.enter(60)
        served.append(number)
        line.leave()

    assert line.enter(0)
    threads = started_in_turn(line, [lambda number=number: pass_through(number) for number in range(5)])
    line.leave()
    for thread in threads:
        thread.join()

    assert served == [0, 1, 2, 3, 4]


def test_who_gives_up_is_not_waited_for():
    line = Line()
    assert line.enter(0)

    assert not line.enter(0.01)
    line.leave()

    assert line.enter(0)


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_threads_write_in_the_order_in_which_they_asked(alices_key):
    key, written = ApiKeyRecord.objects.filter(id=alices_key.key.id), []

    def write(number: int) -> None:
        try:
            if number % 2:
                key.update(use_count=number)  # a statement by itself
                written.append(number)
            else:
                with transaction.atomic():
                    key.update(use_count=number)
                    written.append(number)
        finally:
            connections.close_all()

    with transaction.atomic():
        threads = started_in_turn(connection.line, [lambda number=number: write(number) for number in range(6)])
    for thread in threads:
        thread.join()

    assert written == [0, 1, 2, 3, 4, 5]
    assert key.get().use_count == 5


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_a_writer_of_another_process_is_waited_for_and_not_for_ever(alices_key, monkeypatch):
    key = ApiKeyRecord.objects.filter(id=alices_key.key.id)
    monkeypatch.setattr(connection, "seconds", 0.2)

    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError, match="database is locked") as caught, transaction.atomic():
            pass
        another.execute("COMMIT")
    with transaction.atomic():
        key.update(use_count=7)

    assert fault_of(caught.value) is Fault.UNAVAILABLE
    assert key.get().use_count == 7


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("in_transaction", [True, False])
def test_who_waits_in_line_for_too_long_is_told_so(alices_key, monkeypatch, in_transaction):
    key = ApiKeyRecord.objects.filter(id=alices_key.key.id)
    monkeypatch.setattr(connection, "seconds", 0.1)

    assert connection.line.enter(0)
    with (
        pytest.raises(OperationalError, match="database is locked") as caught,
        transaction.atomic() if in_transaction else nullcontext(),
    ):
        key.update(use_count=7)
    connection.line.leave()

    assert fault_of(caught.value) is Fault.UNAVAILABLE
    assert key.get().use_count == 0


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end", ["rollback", "close"])
def test_a_transaction_that_fails_leaves_the_line(alices_key, end):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        if end == "close":
            connection.close()
        raise ZeroDivisionError

    assert connection.line.enter(0)
    connection.line.leave()
