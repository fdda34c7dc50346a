"""A disk without room: keys work and end, from space that was kept for that; everything else says what is wrong."""

import errno
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from apikeys import audit
from apikeys.audit import recording
from apikeys.backends.embedded import EmbeddedBackend
from apikeys.domain import Caller, LeakedAction, Origin, ServiceIdDraft
from apikeys.identity import signing, tokens
from apikeys.jobs import Sweeper
from apikeys.models import ApiKeyRecord, AuditEvent
from apikeys.services import keys, leaks, service_ids
from apikeys.storage import reserve
from apikeys.storage.reserve import PART, SIZE
from apikeys.usage import counting
from console.models import Session, User
from tests.conftest import caller_for
from tests.markup import fields, page
from tests.programs import API_KEY_GRANT

pytestmark = [
    pytest.mark.sqlite, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("whole_reserve"),
]  # fmt: skip

LIST = "/manage/security/apikeys/"
FULL = "The server's disk is full, so this could not be saved."
# So much that it fits into one part of the reserve, and not into what SQLite has free in its pages.
BALLAST_BYTES = PART * 3 // 4
WRITES = {
    "audit": "INSERT ON apikeys_auditevent",
    "people": "UPDATE ON console_user",
    "nobody": "DELETE ON console_user",
    "sessions": "DELETE ON django_session",
    "revocations": "INSERT ON apikeys_revocation",
}


@pytest.fixture
def whole_reserve(transactional_db):
    """A reserve as a server makes it, and a database in which each change takes a lot of room."""
    reserve.fill()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE ballast (bytes BLOB)")
        for name, event in WRITES.items():
            cursor.execute(
                f"CREATE TRIGGER {name} AFTER {event} "  # noqa: S608  (words of this module)
                f"BEGIN INSERT INTO ballast VALUES (randomblob({BALLAST_BYTES})); END"
            )
    yield
    with connection.cursor() as cursor:
        for name in WRITES:
            cursor.execute(f"DROP TRIGGER {name}")
        cursor.execute("DROP TABLE ballast")
    reserve.path().unlink()


@contextmanager
def full_disk():
    """Let the database grow by what the reserve gives, and by nothing else."""
    connection.ensure_connection()
    sqlite = connection.connection
    sqlite.execute("VACUUM")  # what other tests left behind is no room
    [page_size] = sqlite.execute("PRAGMA page_size").fetchone()
    [pages] = sqlite.execute("PRAGMA page_count").fetchone()
    kept = left()

    def limit(execute, sql, params, many, context):
        sqlite.execute(f"PRAGMA max_page_count = {pages + (kept - left()) // page_size}")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(limit):
        yield
    sqlite.execute("PRAGMA max_page_count = 4294967294")


@contextmanager
def no_room_for_uses():
    """Have no room for when a session is used: it is no bigger row, so that only a full journal refuses it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER uses BEFORE UPDATE OF last_used_at ON django_session "
            "BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
        )
        yield
        cursor.execute("DROP TRIGGER uses")


def left() -> int:
    return reserve.size(reserve.path())


def browser(person) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(person)
    return client


def token_of(issued) -> str:
    subject = tokens.authenticate(issued.value, Origin())
    return tokens.issue(subject, client_id="default", with_refresh=False).access_token


def program(token: str) -> Client:
    """Return a client of the API with an access token."""
    return Client(raise_request_exception=False, headers={"Authorization": f"Bearer {token}"})


# What ends access


@pytest.mark.parametrize("action", ["delete", "disable"])
def test_alice_ends_a_key_in_the_browser_from_the_reserve(alice, alices_key, action):
    client = browser(alice)

    with full_disk():
        answer = client.post(f"{LIST}{alices_key.key.id}/{action}/")
        exchange = client.post("/identity/token", {"grant_type": API_KEY_GRANT, "apikey": alices_key.value})

    assert answer.status_code == 303
    assert exchange.status_code == 400
    assert left() == SIZE - PART


def test_a_program_ends_a_key_from_the_reserve(alice, alices_key, create_key):
    client = program(token_of(create_key(alice, "of the program")))

    with full_disk():
        assert client.delete(f"/v1/apikeys/{alices_key.key.id}").status_code == 204

    assert not ApiKeyRecord.objects.filter(id=alices_key.key.id).exists()
    assert left() == SIZE - PART


def test_a_service_id_ends_from_the_reserve(alice):
    service, *_rest = service_ids.create_service_id(caller_for(alice), ServiceIdDraft("robot"))

    with full_disk():
        service_ids.delete_service_id(caller_for(alice), service.id)

    assert left() < SIZE


def test_a_leaked_key_ends_from_the_reserve(alice, create_key):
    issued = create_key(alice, action_when_leaked=LeakedAction.DISABLE)

    with full_disk():
        known = leaks.act_on(leaks.Report(issued.value, "", "", "github"), Caller(leaks.REPORTER))

    assert known
    assert ApiKeyRecord.objects.get(id=issued.key.id).disabled
    assert left() == SIZE - PART


def test_what_was_ended_upstream_is_audited_from_the_reserve(alice, monkeypatch):
    monkeypatch.setattr(recording, "store_traits", lambda: replace(EmbeddedBackend.traits, is_upstream=True))

    with audit.change(caller_for(alice), audit.DELETE, revokes=True) as step, full_disk():
        step.record(None)

    assert AuditEvent.objects.filter(action=audit.DELETE, outcome=audit.SUCCESS).exists()
    assert left() == SIZE - PART


def test_a_token_is_revoked_from_the_reserve(alices_key):
    token = token_of(alices_key)

    with full_disk():
        tokens.revoke(token)

    assert program(token).get("/v1/apikeys").status_code == 401
    assert left() == SIZE - PART


def test_alice_logs_out_from_the_reserve(alice):
    client = browser(alice)
    cookies = client.cookies.output()

    with full_disk():
        assert client.post("/logout/").status_code == 302

    client.cookies.load(cookies.replace("Set-Cookie: ", ""))
    assert client.get(LIST).status_code == 302
    assert left() == SIZE - 2 * PART  # for the session, and for the event


def test_dora_deletes_a_person_and_deactivates_another_from_the_reserve(dora, alice, bob, alices_key):
    client = browser(dora)

    with full_disk():
        deleted = client.post(f"/manage/users/{alice.iam_id}/delete/")
        changed = client.post(f"/manage/users/{bob.iam_id}/deactivate/")

    assert (deleted.status_code, changed.status_code) == (302, 302)
    assert not User.objects.filter(pk=alice.pk).exists()
    assert not ApiKeyRecord.objects.filter(id=alices_key.key.id).exists()
    assert not User.objects.get(pk=bob.pk).is_active


def test_once_the_reserve_is_used_up_a_key_stays_and_alice_is_told(alice, alices_key):
    client = browser(alice)
    while reserve.give_part():
        pass

    with full_disk():
        answer = client.post(f"{LIST}{alices_key.key.id}/delete/")

    assert answer.status_code == 507
    assert FULL in page(answer).text
    assert keys.get_api_key(caller_for(alice), alices_key.key.id) == alices_key.key


# What does not


@pytest.mark.parametrize("address", ["create/", "{id}/lock/", "{id}/enable/"])
def test_nothing_else_draws_on_the_reserve(alice, alices_key, address):
    ApiKeyRecord.objects.update(disabled=True)
    client = browser(alice)
    form = fields(page(client.get(f"{LIST}create/")).find("form", id="create-form")) | {"name": "another"}

    with full_disk():
        answer = client.post(LIST + address.format(id=alices_key.key.id), form)

    assert (answer.status_code, left()) == (507, SIZE)
    assert page(answer).find("h1").text.strip() == "Disk full"
    assert FULL in page(answer).text
    assert [row.name for row in ApiKeyRecord.objects.filter(disabled=True, locked=False)] == ["terraform"]


def test_htmx_puts_the_sentence_into_the_page_and_programs_get_it_in_their_shape(alice, alices_key):
    in_page, in_program = browser(alice), program(token_of(alices_key))
    with full_disk():
        fragment = in_page.post(f"{LIST}{alices_key.key.id}/lock/", headers={"HX-Request": "true"})
        answer = in_program.post(
            "/v1/apikeys", {"name": "another", "iam_id": alice.iam_id}, content_type="application/json"
        )

    assert (fragment.status_code, fragment.headers["HX-Retarget"]) == (507, "#problem")
    assert FULL in page(fragment).text
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (507, "insufficient_storage")
    assert error["message"].startswith(FULL)


def test_a_key_is_exchanged_and_its_use_counted_later(alices_key):
    signing.rotate()  # else the first token makes a key, which is an event

    with full_disk():
        answer = Client().post("/identity/token", {"grant_type": API_KEY_GRANT, "apikey": alices_key.value})
    counting.flush(everything=True)

    assert answer.status_code == 200
    assert ApiKeyRecord.objects.get(id=alices_key.key.id).use_count == 1


def test_a_session_that_is_used_stays_and_one_that_is_not_ends(alice, bob, settings):
    used, left_alone = browser(alice), browser(bob)
    rows = Session.objects.filter(user_id__in=[alice.pk, bob.pk])
    before = timezone.now() - settings.SESSION_IDLE + timedelta(minutes=1)
    rows.update(last_used_at=before)

    with no_room_for_uses(), full_disk():
        answers = [used.get("/").status_code]
        rows_are_old = set(rows.values_list("last_used_at", flat=True)) == {before}
        settings.SESSION_IDLE -= timedelta(minutes=2)
        answers += [used.get("/").status_code, left_alone.get("/").status_code]

    assert rows_are_old
    assert answers == [200, 200, 302]


# What an operator sees


def test_a_server_whose_reserve_is_not_whole_is_not_ready_until_there_is_room(client):
    assert client.get("/readyz").status_code == 200
    reserve.give_part()

    answer = client.get("/readyz")

    assert (answer.status_code, answer.content) == (503, b"not ready: the disk is full\n")
    reserve.fill()
    assert left() == SIZE
    assert client.get("/readyz").content == b"ready\n"


def test_a_disk_without_room_is_one_line_in_the_log_and_its_end_another(monkeypatch, caplog):
    sweeper = Sweeper()
    while reserve.give_part():
        pass

    monkeypatch.setattr(reserve, "free", lambda _file: 3 * 1024)
    told = [sweeper.sweep(), sweeper.sweep()]
    monkeypatch.undo()

    assert told == [False, False]
    assert sweeper.sweep()
    folder = reserve.path().parent
    assert caplog.messages == [
        f"A sweep failed: the disk of {folder} is full: 3 KiB are free. It is tried again each 5 seconds.",
        "Sweeps succeed again.",
    ]


def test_the_reserve_takes_real_room_and_nobody_else_reads_it():
    status = reserve.path().stat()

    assert status.st_blocks * 512 >= SIZE
    assert status.st_mode & 0o077 == 0


def test_the_reserve_never_takes_the_last_room(monkeypatch):
    reserve.give_part()
    monkeypatch.setattr(reserve, "free", lambda _file: PART + reserve.MARGIN - 1)

    with pytest.raises(OSError, match="is full") as caught:
        reserve.fill()

    assert (caught.value.errno, left()) == (errno.ENOSPC, SIZE - PART)


def test_a_database_that_is_no_file_has_no_reserve(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(connection, "vendor", "postgresql")
        reserve.fill()
        found = (reserve.path(), reserve.give_part(), reserve.is_disk_full())

    assert found == (None, False, False)
