"""An installation moves to another database and back: everything is there, once, and works as before."""

import io
import re
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree

import pytest
from django.core.management.base import OutputWrapper

from console.copy_store import copying
from console.copy_store.copying import row_digest
from console.copy_store.progress import Progress
from tests.cast import ADMIN, PASSWORD
from tests.databases import Look
from tests.http_person import HttpPerson
from tests.markup import fields, page
from tests.programs import Console, Program, Site
from tests.server import ConsoleServer

PUBLIC = {"PUBLIC_URL": "http://console.test"}
LIST, CREATE = "/manage/security/apikeys/", "/manage/security/apikeys/create/"

# At least one row in each table, with what databases spell each in their own way.
FILL = """
import uuid
from datetime import UTC, datetime
from django.contrib.auth.models import Group, Permission
from apikeys.models import *
from apikeys.domain import ServiceIdDraft
from console.factors.models import Authenticator, Passcode, Passkey, RecoveryCode
from console.models import Delivery, LoginCounter, LoginStreak, MailBundle, MailCursor, MailRefusal, PasswordLink
from console.models import ProviderIdentity, User, Webhook
odd = datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
round = datetime(2026, 2, 3, tzinfo=UTC)
person = User.objects.get(username="admin")
group = Group.objects.create(name="Käse \\u0301 \\U0001f511 \\\\N\\t\\r\\n'\\"")
group.permissions.set(Permission.objects.order_by("-pk")[:2])
person.groups.add(group)
person.user_permissions.set(Permission.objects.filter(codename="add_user"))
LoginCounter.objects.create(subject="0" * 64, attempts=3, ends_at=odd)
LoginStreak.objects.create(subject="0" * 64, attempts=3, next_at=odd, ends_at=round)
Authenticator.objects.create(user=person, sealed=b"\\0\\xff", last_step=2**40)
RecoveryCode.objects.create(digest="0" * 64, user=person)
Passcode.objects.create(digest="0" * 64, user=person, ends_at=odd, session="0" * 40)
ProviderIdentity.objects.create(issuer="https://login.example.com", subject="é", user=person, created_at=odd)
Passkey.objects.create(digest="0" * 64, user=person, name="é", credential=b"\\0\\xff", last_used_at=odd)
SettingsRecord.objects.update_or_create(id=1, defaults={"told": {"values": {"PORT": "1"}, "made_by": "é"}})
Webhook.objects.create(name="é", kinds=["keys"], sealed_url=b"\\0\\xff", sealed_secret=b"\\0", created_by="IBMid-1")
Delivery.objects.create(kind="webhook", recipient="1", topic="é", payload="{}", leased_until=odd, finished_at=round)
MailCursor.objects.create(name="events", place=2**40, at=odd)
MailBundle.objects.create(person="IBMid-1", kind="created", lines=[{"place": 1}], count=2, due_at=odd, sent_at=round)
MailRefusal.objects.create(person="IBMid-1", address="é@example.com", code=550, at=odd)
RefreshToken.objects.create(digest="1" * 64, iam_id="IBMid-1", expires_at=round, used_at=odd)
RefreshToken.objects.create(digest="2" * 64, iam_id="IBMid-1", expires_at=round)
Revocation.objects.create(id=uuid.uuid4(), expires_at=odd)
StoredTokens.objects.create(session_digest="3" * 64, sealed=bytes(range(256)), sees_all=True)
ServiceIdRecord.objects.create(account_id=person.account_id, created_by=person.iam_id, name="robot",
    name_folded="robot", iam_id="iam-ServiceId-1", unique_instance_crns=["crn:v1:a", "crn:v1:ä"])
for number in range(7):
    Handover.objects.create(iam_id=person.iam_id, nonce_digest=str(number) * 64,
        key_id="" if number < 3 else "ApiKey-1", unconfirmed=number == 1,
        sealed=b"\\0\\xff" if number > 4 else None, sealed_at=odd, extensions=number % 3)
for number in range(7):
    AuditEvent.objects.create(action="a", outcome="success", severity="normal", initiator_id="IBMid-1",
        request_data={"a": None, "b": [True, 1, "é\\U0001f511", {}], "cc": {"d": -1}} if number else {})
for number in range(2):
    known = {"pepper": 1, "digest": f"{number:064}", "hint": "…"}
    DeletedKeyRecord.objects.create(**known, name="é\U0001f511", name_folded="é", iam_id="IBMid-1", account_id="a",
        created_by="IBMid-1", deleted_by="IBMid-1", deleted_at=round, gone_at=odd, leaked=bool(number))
    PreviousValue.objects.create(**known, key_id=f"ApiKey-{number}", iam_id="IBMid-1", number=1, replaced_at=odd,
        ends_at=round if number else None, asks_at_end=bool(number))
    RefusalRecord.objects.create(key_id=f"ApiKey-{number}", request_id=f"{number:032}", at=odd, reason="decoy",
        value_number=1, address="::1", agent="é", noted_at=round if number else None)
    UsageRecord.objects.create(subject=f"ApiKey-{number}", days={"2026-01-31": [1, number]}, places=[{"client": "é"}])
for number in range(2):
    BulkRun.objects.create(iam_id="IBMid-1", account_id="a", action="disable", key_ids=["ApiKey-1", "é"], done=number,
        failures=[{"é": None}] * number, leased_until=odd, finished_at=round if number else None)
    PasswordLink.objects.create(digest=f"{number:064}", user=person, ends_at=odd, used_at=round if number else None)
    ReviewRule.objects.create(kind=f"unused{number}", warn_days=90, delete_days=120 if number else None)
    ReviewStep.objects.create(key_id=f"ApiKey-{number}", iam_id="IBMid-1", kind="unused", step="warn", taken_at=odd,
        revision=number + 1)
    ScopeRecord.objects.create(name=f"read{number}", sentence="é🔑", created_by="IBMid-1")
RulesRecord.objects.create(max_lifetime_days=90, networks="10.0.0.0/8 !10.1.0.0/16", modified_by="IBMid-1")
ApiKeyRecord.objects.filter(name="key 0").update(disabled=True, expires_at=odd, last_used_at=round, use_count=2**62)
ApiKeyRecord.objects.filter(name="key 1").update(scope="apikeys:read", networks="::/0", locked_by="IBMid-1")
"""
# Each attempt of a copy is killed somewhere else, and gets on by a batch at most; the last one comes to the end.
KILLED_AT_EACH_BATCH = """
import os, signal
from django.core.management import call_command
from console.copy_store import copying
copying.BATCH = 30
def die(): os.kill(os.getpid(), signal.SIGKILL)
def dies(call, after):
    def dying(*arguments):
        if not after: die()
        call(*arguments)
        die()
    return dying
def counted(call, wanted):
    calls = []
    def counting(*arguments):
        calls.append(1)
        if len(calls) == wanted: die()
        call(*arguments)
    return counting
def attempt(**changes):
    child = os.fork()
    if not child:
        for name, change in changes.items():
            setattr(copying, name, change(getattr(copying, name)))
        try:
            call_command("copy_store")
        except BaseException as exc:
            print(type(exc).__name__, exc, flush=True)
            os._exit(1)
        os._exit(0)
    _pid, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
ends = [
    attempt(begin=lambda call: dies(call, after=False)),
    attempt(reach=lambda call: counted(call, 1)),  # the table that says "unfinished" is there, and empty
    attempt(begin=lambda call: dies(call, after=True)),
]
while not ends[-1] + signal.SIGKILL:
    in_its_transaction = {"reach": lambda call: counted(call, 2)}
    behind_it = {"insert": lambda call: dies(call, after=True)}
    ends.append(attempt(**(in_its_transaction if len(ends) % 2 else behind_it)))
print(len(ends), ends[-1])
"""

KILLED_ONCE = """
import os, signal
from django.core.management import call_command
from console.copy_store import copying
def die(*arguments): os.kill(os.getpid(), signal.SIGKILL)
if not os.fork():
    copying.content = die
    call_command("copy_store")
os.wait()
"""
# With the source held as a copy holds it, somebody else tries to write.
HELD = """
import sqlite3, psycopg
from console.copy_store import holding
from console.management.commands.copy_store import source_setting
def server(url):
    with psycopg.connect(url) as other:
        pid = other.info.backend_pid
        holding.OTHERS += f" AND pid <> {pid}"
        with holding.source(source_setting()):
            other.execute("SET lock_timeout = 100")
            try:
                other.execute("UPDATE console_user SET first_name = 'written'")
            except psycopg.Error as exc:
                print(type(exc).__name__)
def file(path):
    with holding.source(source_setting()):
        try:
            sqlite3.connect(path, timeout=0.1).execute("SELECT * FROM console_user")
        except sqlite3.Error as exc:
            print(f"{type(exc).__name__}: {exc}")
"""


SAME = (
    "Source and target are the same database: set DATABASE_URL to the one to copy to, or COPY_FROM to the one to copy "
    "from."
)
IN_USE = (
    "The source is in use ({}), and what is written to it now would be lost: stop every console on it, then run this "
    "again."
)
OTHER_DATA = "The target holds other data: use an empty database."


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Path:
    """The folder of a console on SQLite that has something in each table."""
    data_dir = tmp_path_factory.mktemp("installation") / "data"
    with ConsoleServer(data_dir, DATABASE_URL="", **PUBLIC) as console, HttpPerson(console.url) as person:
        person.log_in(*ADMIN)
        password = {"grant_type": "password", "username": ADMIN[0], "password": ADMIN[1]}
        program = Program(console.url, Console(console).token_request(client=True, **password).json()["access_token"])
        for number in range(3):
            program.create_key(f"key {number}")
    console.run_python(FILL)  # behind its end: much of it ran out long ago, and would be swept away
    return data_dir


@pytest.fixture
def moved(installation, tmp_path) -> Path:
    """A folder of its own with the same."""
    return Path(shutil.copytree(installation, tmp_path / "data"))


def command(data_dir: Path, database_url: str = "", **environment: str) -> ConsoleServer:
    """Return what runs commands with the settings of a folder, on its file or on the database at a URL."""
    return ConsoleServer(data_dir, DATABASE_URL=database_url, **PUBLIC, **environment)


def copied(data_dir: Path, database_url: str, source: str = "", *arguments: str) -> str:
    done = command(data_dir, database_url, COPY_FROM=source).attempt("copy_store", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(data_dir: Path, database_url: str, source: str = "", *arguments: str) -> str:
    done = command(data_dir, database_url, COPY_FROM=source).attempt("copy_store", *arguments)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr.removeprefix("CommandError: ").rstrip()


def everything(console: ConsoleServer) -> Counter[str]:
    """Return every object in a database, as Django's own serializer for XML has them."""
    dump = console.manage("dumpdata", "--format", "xml", "--all")
    return Counter(ElementTree.tostring(found, "unicode").strip() for found in ElementTree.fromstring(dump))  # noqa: S314


def name_of(database_url: str) -> str:
    return database_url.rpartition("/")[2]


def shown_value(response) -> str:
    """Return the value on the page that shows a new key."""
    return page(response).find(id="value").text


def file_url(file: Path) -> str:
    return f"sqlite:///{file}"


# Everything comes along


@pytest.mark.postgres
def test_everything_is_the_same_on_postgresql_and_back_in_a_file(moved, tmp_path, database_url):
    before = everything(command(moved))

    there = copied(moved, database_url)
    back = file_url(tmp_path / "back.sqlite3")
    copied(moved, back, database_url)

    assert [table for table in copying.tables() if f" of {copying.name_of(table)}\n" not in there] == []
    assert everything(command(moved, database_url)) == before
    assert everything(command(moved, back)) == before


@pytest.mark.postgres
def test_people_and_programs_go_on_where_they_were(tmp_path, database_url):
    """On PostgreSQL and back: a session, a form that was just sent, a key, a token, and rows that are new there."""
    data_dir, back = tmp_path / "data", file_url(tmp_path / "back.sqlite3")
    visitor = HttpPerson("")
    with ConsoleServer(data_dir, DATABASE_URL="", **PUBLIC) as console:
        site = Site(console)
        alice = site.next_person("alice")
        visitor.url = console.url
        visitor.log_in(alice.username, PASSWORD)
        form = fields(page(visitor.get(CREATE)).find("form", action=CREATE)) | {"name": "in flight"}
        value = shown_value(visitor.post(CREATE, data=form))
        key = site.log_in(alice).create_key("made before")
        token = site.use(key["apikey"]).token

    for target, source in ((database_url, ""), (back, database_url)):
        copied(data_dir, target, source)
        with ConsoleServer(data_dir, DATABASE_URL=target, **PUBLIC) as console:
            visitor.url = console.url
            program = Program(console.url, token)
            is_the_same = shown_value(visitor.post(CREATE, data=form)) == value
            found = page(visitor.get(f"{LIST}?q=made+bef")).find("table").text
            program.create_key("made after")
            names = Counter(listed["name"] for listed in program.listed())

            assert is_the_same
            assert "made before" in found
            assert "in flight" not in found
            assert Console(console).exchange(key["apikey"]).status_code == 200
            assert (names["in flight"], names["made before"]) == (1, 1)
    assert names["made after"] == 2


@pytest.mark.postgres
@pytest.mark.parametrize("back", [False, True])
def test_a_copy_that_is_killed_at_every_batch_ends_as_one_that_was_not(moved, tmp_path, database_url, back):
    before, source, target = everything(command(moved)), "", database_url
    if back:
        copied(moved, database_url)
        source, target = database_url, file_url(tmp_path / "back.sqlite3")

    done = command(moved, target, COPY_FROM=source).run_python(KILLED_AT_EACH_BATCH)

    attempts, last = done.splitlines()[-1].split()
    assert int(attempts) > 20
    assert last == "0"
    assert "An interrupted copy goes on." in done
    assert everything(command(moved, target)) == before


# What is not copied, or not again


@pytest.mark.postgres
def test_a_second_run_says_that_nothing_is_left_to_do(moved, database_url):
    first = copied(moved, database_url).splitlines()

    second = copied(moved, database_url).splitlines()

    assert first[0] == second[0] == f"From {moved / 'console.sqlite3'} to {name_of(database_url)} on 127.0.0.1"
    assert [line for line in first if line.startswith("Compared")] == second[1:-1]
    assert re.fullmatch(r"Done: \d+ rows, the same in both\. The secrets of DATA_DIR .* \(\d+ s\)", first[-1])
    assert re.fullmatch(r"Nothing is left to do: \d+ rows are the same in both\. \(\d+ s\)", second[-1])


CHANGES = {
    "apikeys_apikeyrecord": "last_used_at = last_used_at + interval '1 microsecond'",
    "apikeys_auditevent": """request_data = '{"a": null}'""",
    "apikeys_handover": r"sealed = '\x00fe' WHERE sealed IS NOT NULL",
    "apikeys_refreshtoken": "used_at = NULL",
    "apikeys_storedtokens": "sees_all = false",
    "auth_group": "name = name || ' '",
}


@pytest.mark.postgres
def test_one_changed_cell_is_found_in_whatever_table(moved, database_url):
    copied(moved, database_url)
    with closing(Look(database_url)) as look:
        for table, change in CHANGES.items():
            look.sql(f"UPDATE {table} SET {change}")  # noqa: S608  (words of this module)

    said = refusal(moved, database_url)

    names, _full_stop, advice = said.removeprefix("Source and target differ in ").partition(". ")
    assert sorted(names.split(", ")) == sorted(CHANGES)
    assert advice == OTHER_DATA


@pytest.mark.postgres
def test_a_row_that_refers_to_nothing_is_named(moved, tmp_path, database_url):
    broken = shutil.copytree(moved, tmp_path / "broken")
    with closing(sqlite3.connect(broken / "console.sqlite3")) as file, file:
        row = file.execute("INSERT INTO console_user_groups (user_id, group_id) VALUES (1, 99999)").lastrowid

    said = refusal(broken, database_url)

    assert said.startswith(f"console_user_groups: the target does not take the row {row}: insert or update on table ")


@pytest.mark.postgres
def test_a_target_with_data_of_its_own_is_left_alone(moved, tmp_path, database_url):
    with ConsoleServer(tmp_path / "other", DATABASE_URL=database_url):
        pass
    before = everything(command(tmp_path / "other", database_url))

    assert refusal(moved, database_url) == OTHER_DATA
    assert refusal(moved, database_url, "", "--afresh") == OTHER_DATA
    assert everything(command(tmp_path / "other", database_url)) == before


@pytest.mark.postgres
def test_a_source_that_is_served_is_refused(moved, tmp_path, database_url):
    with ConsoleServer(moved, DATABASE_URL="", **PUBLIC):
        assert refusal(moved, database_url) == IN_USE.format("database is locked")
    copied(moved, database_url)
    with ConsoleServer(moved, DATABASE_URL=database_url, **PUBLIC):
        said = refusal(moved, file_url(tmp_path / "back.sqlite3"), database_url)
    others = re.sub(r"\d+", "N", said)
    assert others == IN_USE.format("N other connections of its user")


@pytest.mark.postgres
def test_nobody_writes_to_the_source_while_it_is_copied(moved, tmp_path, database_url):
    """A console that starts on it, or somebody who is connected as another user."""
    copied(moved, database_url)
    back = file_url(tmp_path / "back.sqlite3")

    tried = command(moved, back, COPY_FROM=database_url).run_python(f"{HELD}server({database_url!r})")
    tried += command(moved, database_url).run_python(f"{HELD}file({str(moved / 'console.sqlite3')!r})")

    assert [line for line in tried.splitlines() if "Lock" in line or "lock" in line] == [
        "LockNotAvailable",
        "OperationalError: database is locked",
    ]


@pytest.mark.postgres
def test_databases_that_can_not_be_copied_are_refused_with_a_sentence(moved, tmp_path, database_url, postgres):
    nothing, empty = tmp_path / "nothing.sqlite3", postgres.new_database()

    assert refusal(moved, "") == SAME
    assert refusal(moved, database_url, database_url.replace("127.0.0.1", "localhost")) == SAME
    assert refusal(moved, database_url, file_url(nothing)) == f"There is no database to copy from: {nothing}"
    assert refusal(moved, database_url, "mysql://a/b").startswith("COPY_FROM: use postgresql://")
    assert refusal(moved, database_url, empty) == (
        "The source is no store of this release: start the console of this release on it once and stop it, then run "
        "this again."
    )
    (moved / "peppers").write_text(f"1:{'01' * 32}\n")
    assert refusal(moved, database_url) == (
        "Pepper 1 of the source is missing, or is another one: with these no key would work. Restore DATA_DIR/peppers "
        "or APIKEYS_PEPPERS."
    )
    assert not nothing.exists()


@pytest.mark.postgres
def test_a_row_that_the_target_can_not_hold_is_named_without_what_is_in_it(moved, database_url):
    console = command(moved)
    console.sql("UPDATE apikeys_storedtokens SET account_id = ?", "x" * 33)

    said = refusal(moved, database_url)
    console.sql("UPDATE apikeys_storedtokens SET account_id = ?", "x" * 32)
    copied(moved, database_url)

    assert said.startswith(f"apikeys_storedtokens: the target does not take the row {'3' * 64}: value too long")
    assert "x" * 33 not in said


# A copy that is not complete


@pytest.fixture
def unfinished(moved, database_url) -> str:
    """A database with a part of a copy."""
    command(moved, database_url).run_python(KILLED_ONCE)
    return database_url


@pytest.mark.postgres
def test_a_part_of_a_copy_is_not_served(moved, unfinished):
    done = command(moved, unfinished).attempt("serve")

    assert done.returncode == 1
    assert done.stderr == "CommandError: The database holds a part of a copy: run manage.py copy_store to its end.\n"


@pytest.mark.postgres
def test_a_source_that_changed_between_two_runs_is_found_and_copied_afresh(moved, unfinished):
    command(moved).sql("UPDATE auth_permission SET name = 'another' WHERE id = 1")

    said = refusal(moved, unfinished)
    copied(moved, unfinished, "", "--afresh")

    assert said == (
        "Source and target differ in auth_permission. Was the source changed between two runs? Then run this again "
        "with --afresh."
    )
    assert everything(command(moved, unfinished)) == everything(command(moved))


@pytest.mark.postgres
def test_a_part_of_the_copy_of_another_console_is_not_added_to(tmp_path, moved, unfinished):
    with ConsoleServer(tmp_path / "other", DATABASE_URL=""):
        pass

    assert refusal(tmp_path / "other", unfinished).startswith("The target holds an unfinished copy of another console")


# Digests and progress

MOMENT = datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (MOMENT, MOMENT.astimezone(timezone(timedelta(hours=8)))),
        (b"\0\xff", memoryview(b"\0\xff")),
        ({"a": 1, "b": [1e2]}, {"b": [100], "a": 1}),
        (UUID("0" * 32), UUID(int=0)),
    ],
)
def test_a_digest_is_of_what_is_stored_and_not_of_how_it_is_spelt(one, other):
    assert row_digest(("id", one)) == row_digest(("id", other))


def test_everything_that_can_differ_has_another_digest():
    cells = [
        None, "", "None", 0, 1, "1", False, True, [], {}, [None], [True], [1], ["1"], "a", "A", "ä", "a\u0308", "a ",
        {"a": None}, {"b": None}, b"\0", MOMENT, MOMENT.replace(microsecond=8), UUID("0" * 32), 0.5, 2**62,
    ]  # fmt: skip

    digests = [row_digest(("id", cell)) for cell in cells]
    moved = [row_digest(("a", "bc")), row_digest(("ab", "c"))]

    assert len({*digests, *moved}) == len(cells) + 2


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar_and_a_file_has_lines(monkeypatch):
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr("console.copy_store.progress.time.monotonic", lambda: next(clock))
    written = {}
    for out in (Terminal(), io.StringIO()):
        progress = Progress(OutputWrapper(out), 1000)
        progress.skip(500)
        progress.passed(250)
        progress.say("Copied 750 of a_table")
        written[out.isatty()] = out.getvalue()

    assert written[False] == "75 %, 750 of 1,000 rows, 40 s left\nCopied 750 of a_table\n"
    assert written[True] == (
        "\r[######################        ] 75 %, 750 of 1,000 rows, 40 s left\x1b[K\r\x1b[KCopied 750 of a_table\n"
    )
