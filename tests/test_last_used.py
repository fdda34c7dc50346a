"""When a key was last used and how often: each use is counted, at the price of one write a minute."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.domain import Origin, UsedKey
from apikeys.models import ApiKeyRecord
from apikeys.usage import counting
from console.models import User
from tests.programs import API_KEY_GRANT, Program, Site
from tests.server import ConsoleServer
from tests.stores import READ_ONLY
from tests.waiting import until

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the test moves."""

    class Clock:
        seconds = 1000.0

        def advance(self, seconds: float) -> None:
            self.seconds += seconds

    clock = Clock()
    monkeypatch.setattr(counting, "_counters", {})
    monkeypatch.setattr(counting, "monotonic", lambda: clock.seconds)
    return clock


@pytest.fixture
def program() -> Client:
    return Client()


def exchange(program, value):
    return program.post("/identity/token", {"grant_type": API_KEY_GRANT, "apikey": value})


def use(program, issued, *, times: int = 1) -> str:
    answers = [exchange(program, issued.value) for _use in range(times)]
    assert {answer.status_code for answer in answers} == {200}
    return str(answers[-1].json()["access_token"])


def note(key_id: str) -> None:
    counting.note(UsedKey(key_id, "", "IBMid-OWNER", disabled=False, expires_at=None), 1, Origin())


def count(issued) -> int:
    return ApiKeyRecord.objects.get(id=issued.key.id).use_count


@contextmanager
def writes():
    """Collect the statements that write to keys, one for each key."""
    with CaptureQueriesContext(connection) as context:
        found: list[str] = []
        yield found
    table = ApiKeyRecord._meta.db_table
    for query in context:
        times, _, sql = query["sql"].rpartition(" times: ")
        found += [sql] * int(times or 1) if sql.startswith(f'UPDATE "{table}"') else []


# One write a minute


def test_the_first_use_is_due_at_once_and_no_change_of_the_key(clock, program, alices_key):
    before = timezone.now()

    use(program, alices_key)
    assert counting.wait_for_first_use(0)
    counting.flush()

    record = ApiKeyRecord.objects.get(id=alices_key.key.id)
    assert record.use_count == 1
    assert before <= record.last_used_at <= timezone.now()
    assert (record.entity_tag, record.modified_at) == (alices_key.key.entity_tag, alices_key.key.modified_at)


def test_a_hundred_uses_in_a_minute_cost_one_write_and_none_of_them_is_lost(clock, program, alices_key):
    with writes() as in_the_minute:
        for _use in range(100):
            use(program, alices_key)
            clock.advance(0.5)
            counting.flush()
    assert (len(in_the_minute), count(alices_key)) == (1, 1)

    clock.advance(60)
    with writes() as afterwards:
        counting.flush()
        counting.flush()

    assert (len(afterwards), count(alices_key)) == (1, 100)


def test_the_next_use_after_a_minute_brings_the_others_along(clock, program, alices_key):
    for _use in range(5):
        use(program, alices_key)
        counting.flush()
    counting.wait_for_first_use(0)
    clock.advance(60)

    with writes() as written:
        use(program, alices_key)
        assert counting.wait_for_first_use(0)
        counting.flush()

    assert len(written) == 1
    assert count(alices_key) == 6


def test_in_an_hour_of_constant_use_there_are_sixty_writes(clock, alices_key):
    key_id = alices_key.key.id
    with writes() as written:
        for _second in range(3600):
            note(key_id)
            counting.flush()
            clock.advance(1)

    assert len(written) == 60
    counting.flush(everything=True)
    assert count(alices_key) == 3600


def test_the_time_written_is_that_of_the_last_use_not_of_the_write(clock, program, alices_key):
    use(program, alices_key)
    counting.flush()
    use(program, alices_key)
    last = timezone.now()

    clock.advance(60)
    counting.flush()

    assert ApiKeyRecord.objects.get(id=alices_key.key.id).last_used_at <= last


def test_a_late_write_of_one_process_never_turns_the_time_of_another_back(clock, alices_key):
    later = timezone.now() + timedelta(minutes=10)
    ApiKeyRecord.objects.filter(id=alices_key.key.id).update(last_used_at=later, use_count=7)

    note(alices_key.key.id)
    counting.flush()

    record = ApiKeyRecord.objects.get(id=alices_key.key.id)
    assert (record.last_used_at, record.use_count) == (later, 8)


def test_each_key_has_a_minute_of_its_own(clock, program, alice, create_key):
    keys = [create_key(alice, f"key {number}") for number in range(3)]

    with writes() as written:
        for key in keys * 4:
            use(program, key)
            counting.flush()

    assert len(written) == 3
    counting.flush(everything=True)
    assert [count(key) for key in keys] == [4, 4, 4]


def test_no_use_is_lost_between_threads(clock, alices_key):
    note(alices_key.key.id)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(note, [alices_key.key.id] * 800))

    counting.flush(everything=True)
    assert count(alices_key) == 801


def test_memory_does_not_grow_with_keys_that_are_no_longer_used(clock, alice, create_key):
    for number in range(5):
        note(create_key(alice, f"key {number}").key.id)
    counting.flush()
    assert len(counting._counters) == 5

    clock.advance(60)
    counting.flush()

    assert not counting._counters


def test_a_key_that_was_deleted_meanwhile_is_no_problem(clock, program, alices_key):
    use(program, alices_key, times=2)
    ApiKeyRecord.objects.all().delete()

    counting.flush(everything=True)

    assert not ApiKeyRecord.objects.exists()


# Where nothing can be written


def test_to_exchange_a_key_is_to_ask_twice_and_to_write_nothing(clock, program, alices_key):
    use(program, alices_key)  # the first of all makes the key that signs
    clock.advance(60)

    with CaptureQueriesContext(connection) as context:
        use(program, alices_key)

    assert [query["sql"].split()[0] for query in context] == ["SELECT"] * 2


def test_what_cannot_be_written_is_counted_later(clock, program, alices_key):
    use(program, alices_key, times=3)

    with pytest.raises(DatabaseError), no_writes():
        counting.flush()
    assert count(alices_key) == 0
    use(program, alices_key, times=4)
    counting.flush()

    assert count(alices_key) == 7


def test_of_many_keys_those_that_were_not_written_are_counted_later(clock, alice, create_key, monkeypatch):
    monkeypatch.setattr(counting, "BATCH", 2)
    keys = sorted((create_key(alice, f"key {number}") for number in range(5)), key=lambda issued: issued.key.id)
    for issued in keys:
        note(issued.key.id)

    with pytest.raises(DatabaseError), no_writes(after=1):
        counting.flush()
    assert [count(issued) for issued in keys] == [1, 1, 0, 0, 0]
    counting.flush()

    assert [count(issued) for issued in keys] == [1, 1, 1, 1, 1]


def test_uses_that_are_lost_at_the_end_of_a_process_are_told(clock, program, alices_key, caplog):
    use(program, alices_key, times=3)

    with no_writes():
        counting.flush_at_end()

    assert caplog.messages == [f"3 uses of keys were not counted: {READ_ONLY[connection.vendor][2]}"]


@contextmanager
def no_writes(after: int = 0):
    """Have the database refuse to write to keys, once it has done so for `after` batches."""
    written = 0
    begin, end, _said = READ_ONLY[connection.vendor]

    def guard(execute, sql, params, many, context):
        nonlocal written
        if sql.startswith("UPDATE"):
            written += 1
            if written > after:
                context["cursor"].execute(begin)
        return execute(sql, params, many, context)

    try:
        with connection.execute_wrapper(guard):
            yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(end or "SELECT 1")


# What is a use


def test_a_look_at_a_value_by_a_service_is_a_use(clock, program, alices_key, bob, create_key):
    token = use(program, create_key(bob, "the service's own"))

    answer = program.post("/identity/introspect", {"apikey": alices_key.value}, headers=bearer(token))

    assert answer.json()["active"] is True
    counting.flush()
    assert count(alices_key) == 1


@pytest.mark.parametrize("token", ["", "nonsense", "revoked"])
def test_to_introspect_without_leave_is_no_use_and_tells_nothing(clock, program, alices_key, bob, create_key, token):
    form = f"apikey={alices_key.value}"
    if token == "revoked":
        token = use(program, create_key(bob))
        assert program.post("/identity/revoke", {"token": token}).status_code == 200
    refused = [
        program.post("/identity/introspect", body, content_type=FORM, headers=bearer(token))
        for body in (form, f"{form}&{form}", "apikey=unknown", "&".join(["apikey=x"] * 200))
    ]
    counting.flush(everything=True)

    assert {answer.status_code for answer in refused} == {401}
    assert count(alices_key) == 0


def test_details_by_value_are_no_use(clock, program, alices_key, alice, create_key):
    token = use(program, create_key(alice, "another key"))

    answer = program.get("/v1/apikeys/details", headers=bearer(token) | {"IAM-ApiKey": alices_key.value})

    assert answer.status_code == 200
    counting.flush()
    assert count(alices_key) == 0


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


REFUSED = {
    "disabled": lambda: ApiKeyRecord.objects.update(disabled=True),
    "expired": lambda: ApiKeyRecord.objects.update(expires_at=datetime(2020, 1, 1, tzinfo=UTC)),
    "of somebody deactivated": lambda: User.objects.update(is_active=False),
}


@pytest.mark.parametrize("refuse", REFUSED.values(), ids=REFUSED)
def test_a_refused_use_is_no_use(clock, program, alices_key, refuse):
    refuse()

    with writes() as written:
        assert exchange(program, alices_key.value).status_code == 400
        counting.flush(everything=True)

    assert not written
    assert count(alices_key) == 0
    assert ApiKeyRecord.objects.get(id=alices_key.key.id).last_used_at is None


def test_an_unknown_value_costs_no_write(clock, program):
    with CaptureQueriesContext(connection) as context:
        assert exchange(program, "apk_" + "x" * 40).status_code == 400

    assert [query["sql"] for query in context if not query["sql"].startswith("SELECT")] == []


# Where it is seen


def test_the_page_shows_it_in_the_list_and_in_the_details(clock, program, alice_client, alices_key):
    used_at = datetime(2026, 2, 19, 18, 59, tzinfo=UTC)
    assert "2026-02-19T18:59" not in alice_client.get("/manage/security/apikeys/").content.decode()
    use(program, alices_key, times=3)
    counting.flush(everything=True)
    ApiKeyRecord.objects.update(last_used_at=used_at)

    listed = alice_client.get("/manage/security/apikeys/").content.decode()
    details = alice_client.get(f"/manage/security/apikeys/{alices_key.key.id}/").content.decode()

    assert "2026-02-19T18:59" in listed
    assert "2026-02-19T18:59" in details
    assert "(used 3 times)" in details


def test_the_api_shows_it_when_asked(clock, program, alices_key):
    token = use(program, alices_key)
    counting.flush()
    address = f"/v1/apikeys/{alices_key.key.id}"

    asked = program.get(address, {"include_activity": "true"}, headers=bearer(token)).json()
    not_asked = program.get(address, headers=bearer(token)).json()

    used_at = ApiKeyRecord.objects.get(id=alices_key.key.id).last_used_at
    assert asked["activity"] == {"last_authn": used_at.strftime("%Y-%m-%dT%H:%M+0000"), "authn_count": 1}
    assert "activity" not in not_asked


# The end of a process


def stored_count(server: ConsoleServer) -> int:
    """Return the count that is stored of a server's only key."""
    told = server.run_python("from apikeys.models import ApiKeyRecord; print(ApiKeyRecord.objects.get().use_count)")
    return int(told.splitlines()[-1])


def used_five_times(site: Site) -> None:
    """Use a new key: the first use is written soon, the other four are in memory."""
    alices = site.log_in(site.next_person("alice"))
    key = alices.create_key()
    site.use(key["apikey"])
    until(lambda: told_count(alices, key["id"]) == 1)
    for _use in range(4):
        site.use(key["apikey"])


def told_count(program: Program, key_id: str) -> int:
    answer = program.get(f"/v1/apikeys/{key_id}", params={"include_activity": "true"})
    return int(answer.json()["activity"]["authn_count"])


@pytest.mark.parametrize(("end", "counts"), [(ConsoleServer.__exit__, {5}), (ConsoleServer.kill, range(1, 6))])
def test_a_stop_writes_what_was_counted_and_a_crash_loses_no_more_than_the_last_minute(tmp_path, end, counts):
    with ConsoleServer(tmp_path / "data") as server:
        used_five_times(Site(server))
        end(server)

    assert stored_count(server) in counts
