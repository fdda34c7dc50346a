"""Keys, service IDs, tokens and people of earlier releases work after the upgrade, and so do those they still write."""

import hashlib
import secrets
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.utils import timezone

from apikeys import values
from apikeys.domain import Hold, Origin, ServiceIdQuery, Status
from apikeys.identity import tokens
from apikeys.services import keys, service_ids
from tests.conftest import caller_for
from tests.stores import upgrade

pytestmark = pytest.mark.django_db(transaction=True)

# By the last migration of each app that a release has.
RELEASES = {
    "before the life of a key": [("apikeys", "0009_lists_by_index"), ("console", "0001_initial")],
    "before many people": [("apikeys", "0010_life_of_a_key"), ("console", "0002_time_zone")],
}


@pytest.fixture(params=RELEASES.values(), ids=RELEASES)
def release_before(request, alice):
    """Return the models as an earlier release knows them; `upgrade()` brings the database to this one."""
    executor = MigrationExecutor(connection)
    executor.migrate(request.param)
    yield executor.loader.project_state(request.param).apps
    upgrade()


def write_key(release, person, name: str) -> str:
    """Write a key as a process of that release does; return its value."""
    value, peppers = values.generate("apk_"), settings.APIKEYS_PEPPERS
    release.get_model("apikeys", "ApiKeyRecord").objects.create(
        id=values_id(name),
        iam_id=person.iam_id,
        account_id=person.account_id,
        created_by=person.iam_id,
        name=name,
        name_folded=name,
        pepper=peppers.newest,
        digest=peppers.digest(value, peppers.newest),
        hint="",
    )
    return value


def values_id(name: str) -> str:
    return f"ApiKey-00000000-0000-4000-8000-{len(name):012d}"


def test_keys_of_before_work_and_are_like_new_ones(release_before, alice):
    value = write_key(release_before, alice, "deploy")
    upgrade()

    subject = tokens.authenticate(value, Origin())
    key = keys.get_api_key(caller_for(alice), values_id("deploy"))
    assert subject.identity.iam_id == alice.iam_id
    assert (key.status, key.value_number, key.is_decoy, key.paused_until) == (Status.ACTIVE, 1, False, None)


def test_keys_that_a_process_of_before_writes_after_the_upgrade_work(release_before, alice):
    upgrade()
    value = write_key(release_before, alice, "report")

    assert tokens.authenticate(value, Origin()).value_number == 1
    assert keys.get_api_key(caller_for(alice), values_id("report")).status is Status.ACTIVE


def test_refresh_tokens_of_before_are_renewed(release_before, alice):
    write_key(release_before, alice, "deploy")
    token = secrets.token_urlsafe(48)
    release_before.get_model("apikeys", "RefreshToken").objects.create(
        digest=hashlib.sha256(token.encode()).hexdigest(),
        family=uuid.uuid4(),
        iam_id=alice.iam_id,
        api_key_id=values_id("deploy"),
        expires_at=timezone.now() + timedelta(hours=1),
        family_ends_at=timezone.now() + timedelta(days=1),
    )
    upgrade()

    form = {"grant_type": "refresh_token", "refresh_token": token}
    answer = Client().post("/identity/token", form, HTTP_AUTHORIZATION="Basic Yng6Yng=")
    assert answer.status_code == 200


FIRST = [("apikeys", "0001_initial"), ("console", "0001_initial")]


@pytest.fixture
def first_release(alice):
    """The database as the first release made it; in the end it is as this one makes it."""
    MigrationExecutor(connection).migrate(FIRST)
    yield
    upgrade()


def schemas() -> list[list[tuple[str, str]]]:
    """Return each schema that there was, as the targets of a migration, the oldest first."""
    graph = MigrationExecutor(connection).loader.graph
    leaves = [node for node in graph.leaf_nodes() if node[0] in ("apikeys", "console")]
    plan = dict.fromkeys(node for leaf in leaves for node in graph.forwards_plan(leaf))
    return [[node] for node in plan if node[0] in ("apikeys", "console") and node not in FIRST]


def test_keys_that_were_written_with_each_schema_that_there_was_work_after_all_upgrades(first_release, alice):
    written = {}
    for number, target in enumerate([FIRST, *schemas()], start=1):
        executor = MigrationExecutor(connection)
        release = executor.migrate(target).apps
        written["k" * number] = write_key(release, alice, "k" * number)
    upgrade()

    assert len(written) > len(RELEASES)
    for name, value in written.items():
        assert tokens.authenticate(value, Origin()).identity.iam_id == alice.iam_id
        key = keys.get_api_key(caller_for(alice), values_id(name))
        assert (key.name, key.status, key.value_number, key.created_by) == (name, Status.ACTIVE, 1, alice.iam_id)


def write_service_id(release, maker, name: str):
    """Write a service ID as a process of that release does; return its record."""
    service_id = f"ServiceId-00000000-0000-4000-8000-{len(name):012d}"
    return release.get_model("apikeys", "ServiceIdRecord").objects.create(
        id=service_id,
        iam_id=f"iam-{service_id}",
        account_id=maker.account_id,
        created_by=maker.iam_id,
        name=name,
        name_folded=name,
    )


def test_service_ids_of_before_are_their_makers(release_before, alice):
    service = write_service_id(release_before, alice, "robot")
    value = write_key(release_before, service, "robot")
    upgrade()

    found = service_ids.get_service_id(caller_for(alice), service.id)
    assert (found.managed_by, found.disabled, found.handed_over_from) == (alice.iam_id, False, "")
    assert tokens.authenticate(value, Origin()).identity.iam_id == service.iam_id


def test_service_ids_that_service_ids_made_are_those_of_the_person_who_made_the_first(release_before, alice):
    robot = write_service_id(release_before, alice, "robot")
    second = write_service_id(release_before, robot, "second")
    third = write_service_id(release_before, second, "the third")
    value = write_key(release_before, third, "third")
    upgrade()

    found = service_ids.list_service_ids(caller_for(alice), ServiceIdQuery()).service_ids
    assert {service.id for service in found} == {robot.id, second.id, third.id}
    assert {service.managed_by for service in found} == {alice.iam_id}
    assert tokens.authenticate(value, Origin()).identity.iam_id == third.iam_id


def test_people_that_a_process_of_before_writes_after_the_upgrade_are_like_others(release_before, alice):
    upgrade()
    people = release_before.get_model("console", "User").objects
    bob = people.create(username="bob", iam_id="IBMid-BOBBOBBOBB", account_id=alice.account_id)

    assert get_user_model().objects.get(pk=bob.pk).may_create_keys


def write_entry(release, key_id: str, action: str, iam_id: str) -> None:
    release.get_model("apikeys", "HistoryRecord").objects.create(
        object_id=key_id, iam_id=iam_id, account_id="", action=action, message=""
    )


# Of each key: how it is, what its history says, and who holds it after the upgrade.
HELD_BEFORE = [
    ("disabled", [("disable", "owner")], Hold.OWNER),
    ("disabled", [("disable", "owner"), ("enable", "owner"), ("disable", "IBMid-DORADORADO")], Hold.ADMINISTRATOR),
    ("disabled", [("leak", "leak-report")], Hold.LEAK),
    ("disabled", [], ""),
    ("locked", [("lock", "IBMid-DORADORADO")], Hold.ADMINISTRATOR),
    ("locked", [("lock", "owner")], Hold.OWNER),
]


def test_keys_of_before_remember_who_contained_them(release_before, alice):
    names = ["k" * length for length in range(1, len(HELD_BEFORE) + 1)]
    rows = release_before.get_model("apikeys", "ApiKeyRecord").objects
    for name, (state, entries, _hold) in zip(names, HELD_BEFORE, strict=True):
        write_key(release_before, alice, name)
        rows.filter(name=name).update(**{state: True}, action_when_leaked="disable")
        for action, iam_id in entries:
            write_entry(release_before, values_id(name), action, iam_id.replace("owner", alice.iam_id))
    upgrade()

    for name, (state, _entries, hold) in zip(names, HELD_BEFORE, strict=True):
        key = keys.get_api_key(caller_for(alice), values_id(name))
        assert getattr(key, f"{state}_hold") == hold
        can_be_undone = key.can_be_unlocked_by if state == "locked" else key.can_be_enabled_by
        assert can_be_undone(caller_for(alice).identity) is (hold in ("", Hold.OWNER))


def write_log_of_the_admin(person) -> None:
    """Write a line as Django's admin did, into its table."""
    serial = "INTEGER PRIMARY KEY AUTOINCREMENT" if connection.vendor == "sqlite" else "SERIAL PRIMARY KEY"
    with connection.cursor() as cursor:
        cursor.execute(f"""CREATE TABLE django_admin_log (
            id {serial}, action_time timestamp NOT NULL, object_id text, object_repr varchar(200) NOT NULL,
            action_flag smallint NOT NULL CHECK (action_flag >= 0), change_message text NOT NULL,
            content_type_id integer REFERENCES django_content_type (id) DEFERRABLE INITIALLY DEFERRED,
            user_id bigint NOT NULL REFERENCES console_user (id) DEFERRABLE INITIALLY DEFERRED)""")
        columns = "(action_time, object_repr, action_flag, change_message, user_id)"
        cursor.execute(
            f"INSERT INTO django_admin_log {columns} VALUES (%s, 'bob', 2, '[]', %s)",  # noqa: S608
            [timezone.now().replace(tzinfo=None), person.pk],
        )


def test_whom_the_log_of_the_admin_names_can_be_deleted_and_the_log_stays(release_before, alice):
    write_log_of_the_admin(alice)
    upgrade()
    alice.delete()

    with connection.cursor() as cursor:
        connection.check_constraints()
        cursor.execute("SELECT object_repr, change_message FROM django_admin_log")
        assert cursor.fetchall() == [("bob", "[]")]
        cursor.execute("DROP TABLE django_admin_log")


@pytest.mark.sqlite
def test_the_table_of_keys_is_not_written_anew(release_before):
    def first_page() -> object:
        with connection.cursor() as cursor:
            cursor.execute("SELECT rootpage FROM sqlite_master WHERE name = 'apikeys_apikeyrecord'")
            return cursor.fetchone()

    before = first_page()
    upgrade()

    assert first_page() == before
