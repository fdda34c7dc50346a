"""Peppers begin and end: a key moves to the newest one when it is used, and a pepper without keys can be removed."""

import io
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import InterfaceError, OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys import audit
from apikeys.backends import records
from apikeys.backends.embedded import EmbeddedBackend
from apikeys.backends.records import move_to_newest_pepper, plan_pepper_move, to_used
from apikeys.domain import ApiKeyChanges, Caller, Origin
from apikeys.exceptions import ValueNotFound
from apikeys.identity import peppers, tokens
from apikeys.identity.lookups import find_value
from apikeys.identity.tokens import Subject
from apikeys.models import ApiKeyRecord, AuditEvent, HistoryRecord, PepperFingerprint, PreviousValue
from apikeys.services import keys
from apikeys.usage import counting
from apikeys.values import Peppers
from tests.conftest import caller_for
from tests.programs import Console, Site
from tests.rows import columns_of, record_of
from tests.server import ConsoleServer
from tests.threads import at_once

OLD, NEW = f"1:{'01' * 32}", f"2:{'02' * 32}"
BOTH = f"{OLD},{NEW}"
MOVE = 'UPDATE "apikeys_apikeyrecord" SET "pepper"'
MOVED_FIELDS = {"pepper", "digest"}
USE_FIELDS = {"last_used_at", "use_count"}


@pytest.fixture
def configure(db, settings):
    """Restart, as far as peppers matter: with this line, remembered as `migrate` does."""

    def restart(line: str) -> None:
        settings.APIKEYS_PEPPERS = Peppers.parse(line)
        peppers.save_fingerprints()

    PepperFingerprint.objects.all().delete()
    return restart


@pytest.fixture
def old_key(configure, alice, create_key):
    """A key that was made before there was a second pepper."""
    configure(OLD)
    issued = create_key(alice)
    configure(BOTH)
    return issued


def use(issued) -> Subject:
    """Use a key, and write what the use leaves to be written, as the sweeper does."""
    subject = tokens.authenticate(issued.value, Origin())
    counting.flush(everything=True)
    return subject


def move(record: ApiKeyRecord, value: str) -> None:
    found = plan_pepper_move(record, record.id, value)
    assert found is not None
    move_to_newest_pepper(found)


def is_found(issued) -> bool:
    found = find_value([issued.value])
    return found is not None and found.record.id == issued.key.id


@contextmanager
def moves() -> Iterator[list[str]]:
    """Collect the statements that write a digest."""
    found: list[str] = []
    with CaptureQueriesContext(connection) as context:
        yield found
    found += [query["sql"] for query in context if query["sql"].startswith(MOVE)]


def missing() -> list[int]:
    """Return the peppers for which a start is refused."""
    refusals = [str(error.msg) for error in peppers.check_peppers(["default"])]
    return [int(re.match(r"Pepper (\d+) is missing or is not the one", refusal)[1]) for refusal in refusals]


def said(*arguments: str) -> list[str]:
    output = io.StringIO()
    call_command("peppers", *arguments, stdout=output)
    return output.getvalue().splitlines()


# A key moves when it is used


def test_a_successful_use_moves_a_key_to_the_newest_pepper(old_key, settings):
    assert record_of(old_key).pepper == 1

    subject = use(old_key)

    is_new_digest = record_of(old_key).digest == settings.APIKEYS_PEPPERS.digest(old_key.value, 2)
    assert subject.api_key.id == old_key.key.id
    assert record_of(old_key).pepper == 2
    assert is_new_digest
    assert is_found(old_key)


def test_the_move_is_no_change_of_the_key(old_key):
    before, history = columns_of(old_key), list(HistoryRecord.objects.values())

    use(old_key)

    after = columns_of(old_key)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == MOVED_FIELDS | USE_FIELDS
    assert list(HistoryRecord.objects.values()) == history


def test_a_connection_that_is_lost_at_a_move_loses_no_use(old_key, alice, create_key, monkeypatch, caplog):
    def lose(execute, sql, params, many, context):
        if sql.startswith(MOVE):
            raise InterfaceError("connection already closed")
        return execute(sql, params, many, context)

    monkeypatch.setattr(counting, "BATCH", 1)
    second = create_key(alice, "second")
    move_of_old = plan_pepper_move(record_of(old_key), old_key.key.id, old_key.value)
    counting.note(to_used(record_of(old_key)), 1, Origin(), move_of_old)
    counting.note(to_used(record_of(second)), 1, Origin())

    with connection.execute_wrapper(lose):
        counting.flush()

    assert [record_of(issued).use_count for issued in (old_key, second)] == [1, 1]
    assert caplog.messages == [f"{old_key.key.id} stays under pepper 1 for now."]


def test_a_key_moves_once_and_costs_nothing_afterwards(old_key):
    with moves() as first:
        use(old_key)
    with moves() as later:
        for _use in range(5):
            use(old_key)

    assert (len(first), len(later)) == (1, 0)


def test_a_key_skips_the_peppers_between(old_key, configure):
    configure(f"{BOTH},5:{'05' * 32},4:{'04' * 32}")

    use(old_key)

    assert record_of(old_key).pepper == 5


@pytest.mark.parametrize(
    "state", [{"disabled": True}, {"expires_at": datetime(2020, 1, 31, tzinfo=UTC)}], ids=["disabled", "expired"]
)
def test_a_use_that_is_refused_moves_nothing(old_key, state):
    ApiKeyRecord.objects.filter(id=old_key.key.id).update(**state)
    before = columns_of(old_key)

    with pytest.raises(ValueNotFound):
        use(old_key)

    unchanged = columns_of(old_key) == before
    assert unchanged


def test_asking_for_the_details_of_a_value_is_no_use_and_moves_nothing(alice, old_key):
    assert keys.get_api_key_of_record(caller_for(alice), record_of(old_key)).id == old_key.key.id

    assert record_of(old_key).pepper == 1


def test_a_move_that_lost_its_race_against_another_writes_nothing(old_key):
    as_read_before = record_of(old_key)
    use(old_key)
    before = columns_of(old_key)

    move(as_read_before, old_key.value)

    unchanged = columns_of(old_key) == before
    assert unchanged


def test_a_move_that_lost_its_race_against_a_deletion_brings_nothing_back(old_key):
    as_read_before = record_of(old_key)
    ApiKeyRecord.objects.filter(id=old_key.key.id).delete()

    move(as_read_before, old_key.value)

    assert not ApiKeyRecord.objects.exists()


def test_a_change_of_the_key_at_the_same_time_keeps_the_move(old_key, alice):
    """A change saves all of the record that it holds against others, and read after it held it."""
    backend = EmbeddedBackend(Caller(use(old_key).identity))

    changed = backend.update_api_key(old_key.key.id, ApiKeyChanges(name="tofu"), entity_tag=old_key.key.entity_tag)

    assert changed.name == "tofu"
    assert record_of(old_key).pepper == 2
    assert is_found(old_key)


def test_two_keys_with_one_value_under_two_peppers_both_stay_and_the_use_succeeds(old_key, alice, settings, caplog):
    """As two processes can make them, one of which does not know the new pepper yet."""
    twin = record_of(old_key)
    twin.id = twin.id[:-12] + "0" * 12
    twin.pepper, twin.digest = 2, settings.APIKEYS_PEPPERS.digest(old_key.value, 2)
    twin.save(force_insert=True)

    move(record_of(old_key), old_key.value)

    assert record_of(old_key).pepper == 1
    assert f"{old_key.key.id} stays under pepper 1 for now." in caplog.messages


def test_a_use_succeeds_where_the_move_cannot_be_written(old_key, monkeypatch):
    class Locked:
        def __getattr__(self, _name):
            raise OperationalError("database is locked")

    monkeypatch.setattr(records, "transaction", Locked())

    subject = use(old_key)

    assert subject.api_key.id == old_key.key.id
    assert record_of(old_key).pepper == 1


@pytest.mark.django_db(transaction=True)
def test_of_twenty_uses_at_once_all_succeed_and_one_moves_the_key(old_key):
    writes: list[int] = []

    def use_once():
        def count(execute, sql, params, many, context):
            result = execute(sql, params, many, context)
            if sql.startswith(MOVE):
                writes.append(context["cursor"].rowcount)
            return result

        with connections["default"].execute_wrapper(count):
            return use(old_key).api_key.id

    outcomes = at_once(20, use_once)

    assert set(outcomes) == {old_key.key.id}
    assert sum(writes) == 1, "the others found it moved"
    assert record_of(old_key).pepper == 2
    assert is_found(old_key)


# Which pepper is needed


def test_an_older_pepper_can_be_removed_once_its_keys_have_moved(old_key, configure):
    configure(NEW)
    assert missing() == [1]

    configure(BOTH)
    use(old_key)
    configure(NEW)

    assert missing() == []
    assert is_found(old_key)


def test_the_newest_pepper_is_needed_without_keys_too(configure):
    configure(BOTH)

    configure(OLD)

    assert missing() == [2]


def test_a_removed_pepper_that_a_restored_database_needs_is_missed(old_key, configure):
    stored = record_of(old_key)
    use(old_key)
    configure(NEW)
    assert missing() == []

    stored.save()

    assert missing() == [1]


def test_a_number_is_not_given_to_another_pepper(old_key, configure):
    use(old_key)

    configure(f"1:{'09' * 32},{NEW}")

    assert missing() == [1]


@pytest.mark.parametrize(
    ("state", "is_needed"),
    [
        ({"ends_at": None}, True),
        ({"ends_at": timezone.now() + timedelta(hours=1)}, True),
        ({"ends_at": timezone.now() - timedelta(hours=1)}, False),
        ({"ends_at": timezone.now() - timedelta(hours=1), "asks_at_end": True}, True),
        ({"ends_at": None, "is_ended": True}, False),
    ],
)
def test_a_pepper_is_needed_while_a_previous_value_under_it_works(alice, old_key, configure, state, is_needed):
    use(old_key)
    assert peppers.usage() == {1: 0, 2: 1}
    more = {"key_id": old_key.key.id, "iam_id": alice.iam_id, "number": 1, "digest": "0" * 64, "hint": "…"}
    PreviousValue.objects.create(pepper=1, **more, **state)

    configure(NEW)

    assert missing() == [1] * is_needed
    assert peppers.usage() == ({1: 1, 2: 1} if is_needed else {2: 1})


def test_a_start_without_a_pepper_says_where_to_get_it(old_key, configure):
    configure(NEW)

    [error] = peppers.check_peppers(["default"])

    assert error.id == "apikeys.E001"
    assert error.hint == "Restore DATA_DIR/peppers or APIKEYS_PEPPERS from your backup."
    assert peppers.check_peppers([]) == []


def test_a_pepper_that_is_new_is_audited_once_and_the_first_of_all_never(configure):
    def told() -> list[str]:
        return list(AuditEvent.objects.filter(action=audit.PEPPER_CREATE).values_list("target_name", flat=True))

    configure(OLD)
    assert told() == []

    configure(BOTH)
    configure(BOTH)
    assert told() == ["2"]

    audit.record(Caller(audit.NOBODY), audit.PEPPER_CREATE, target_name="3")  # as a command does that makes one
    configure(f"{BOTH},3:{'03' * 32}")
    assert told() == ["2", "3"]
    configure(f"{BOTH},3:{'03' * 32},4:{'04' * 32}")
    assert told() == ["2", "3", "4"]
    assert set(PepperFingerprint.objects.values_list("number", flat=True)) == {1, 2, 3, 4}


# What the operator is told


def test_the_command_says_which_pepper_is_needed_and_which_can_be_removed(old_key, configure, alice, create_key):
    create_key(alice, "under the new one")

    assert said() == [
        "Pepper 1: 1 key, still needed.",
        "Pepper 2: 1 key, newest: keys are made under it, and move to it when they are used.",
    ]

    use(old_key)

    assert said()[0] == "Pepper 1: 0 keys, not needed: remove it."


def test_the_command_says_of_a_missing_pepper_how_many_keys_wait_for_it(old_key, configure):
    configure(NEW)

    assert said() == [
        "Pepper 1: 1 key, missing: restore it, or these keys never work again.",
        "Pepper 2: 0 keys, newest: keys are made under it, and move to it when they are used.",
    ]


def test_the_command_lists_the_keys_that_have_not_moved_those_in_use_first(old_key, configure, alice, create_key):
    configure(OLD)
    made = sorted((create_key(alice, name) for name in "abcd"), key=lambda issued: issued.key.id)
    ApiKeyRecord.objects.filter(id=old_key.key.id).delete()
    never_used, used_before, used, never_used_either = made  # against the order of their ids
    stored = record_of(never_used)
    ApiKeyRecord.objects.filter(id=stored.id).delete()
    stored.save(force_insert=True)  # and of those that were never used, against that of their rows
    for issued, day in ((used, 2), (used_before, 1)):
        ApiKeyRecord.objects.filter(id=issued.key.id).update(
            last_used_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
        )
    configure(BOTH)
    create_key(alice, "under the new one")

    assert said("--keys")[2:] == [
        f"{used.key.id}  {alice.iam_id}  2026-01-03",
        f"{used_before.key.id}  {alice.iam_id}  2026-01-02",
        f"{never_used.key.id}  {alice.iam_id}  never used",
        f"{never_used_either.key.id}  {alice.iam_id}  never used",
    ]


# With real servers


def test_two_servers_move_a_key_that_both_are_asked_about_and_its_pepper_can_go(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    shared = {"PUBLIC_URL": "http://console.test"}
    with ConsoleServer(data_dir, APIKEYS_PEPPERS=OLD, **shared) as server:
        site = Site(server)
        person = site.next_person("alice")
        created = [site.log_in(person).create_key(f"key {number}") for number in range(8)]

    with ExitStack() as stack:
        consoles = [
            Console(stack.enter_context(ConsoleServer(data_dir, APIKEYS_PEPPERS=BOTH, **shared))) for _ in range(2)
        ]
        alices = consoles[0].log_in(person)
        before = {key["id"]: key for key in alices.listed()}
        start = threading.Barrier(4)

        def use_all(console: Console) -> list[int]:
            start.wait(60)
            return [console.exchange(key["apikey"]).status_code for key in created]

        with ThreadPoolExecutor(4) as pool:
            statuses = [status for used in pool.map(use_all, consoles * 2) for status in used]

        assert statuses == [200] * 32
        assert {key["id"]: key for key in alices.listed()} == before
        assert "stays under pepper" not in "".join(console.server.log for console in consoles)
        counted = consoles[0].server.manage("peppers").splitlines()
        assert counted[0] == "Pepper 1: 0 keys, not needed: remove it."
        assert counted[1].startswith("Pepper 2: 8 keys, newest")

    with ConsoleServer(data_dir, APIKEYS_PEPPERS=NEW, **shared) as server:
        assert {Console(server).exchange(key["apikey"]).status_code for key in created} == {200}
