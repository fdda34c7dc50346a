"""A backup is made while people work, kept by whoever, and makes an empty installation whole; on either database."""

import inspect
import io
import json
import os
import stat
import tracemalloc
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from apikeys.domain import Origin
from apikeys.identity import tokens
from apikeys.models import ApiKeyRecord, Handover, PepperFingerprint, SigningKey
from apikeys.values import Peppers
from console.backup import container, rows
from console.copy_store import copying
from console.copy_store.copying import TARGET
from console.exceptions import Unfit
from console.factors import recovery, totp
from console.models import User
from tests.conftest import log_in

pytestmark = pytest.mark.django_db(transaction=True)

PASSPHRASE = "a passphrase for the tests"
LINES = ["first", "é🔑", "x" * 3_000_000, "last"]


@pytest.fixture
def passphrase_file(tmp_path):
    path = tmp_path / "passphrase"
    path.write_text(f"{PASSPHRASE}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def backup(tmp_path):
    return tmp_path / "backup"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path


@pytest.fixture(autouse=True)
def second_connection(db, monkeypatch):
    """Django's tests allow no other connection than those of the settings."""
    guarded = inspect.getclosurevars(BaseDatabaseWrapper.ensure_connection).nonlocals
    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", guarded["real_ensure_connection"])


def command(name: str, *arguments: object) -> str:
    out = io.StringIO()
    call_command(name, *map(str, arguments), stdout=out)
    return out.getvalue()


def refusal(name: str, *arguments: object) -> str:
    with pytest.raises(CommandError) as caught:
        command(name, *arguments)
    return str(caught.value)


def everything() -> dict[str, copying.Content]:
    return {copying.name_of(table): copying.content(table, TARGET, lambda _rows: None) for table in rows.tables()}


def empty() -> None:
    """Make the database one that `migrate` has made and nobody has used."""
    for table in reversed(copying.tables()):
        copying.rows_of(table, TARGET).all()._raw_delete(TARGET)
    call_command("flush", interactive=False, verbosity=0)


def sealed_file(lines=LINES, passphrase: str = "") -> bytes:
    file = io.BytesIO()
    container.write(file, lines, passphrase)
    return file.getvalue()


# A backup and its restore


@pytest.mark.parametrize("is_sealed", [False, True])
def test_everything_is_there_again_and_works_and_everybody_logs_in_again(
    alice, alices_key, backup, passphrase_file, is_sealed
):
    options = ["--passphrase-file", passphrase_file] if is_sealed else []
    browser = log_in(alice)
    token = tokens.issue(tokens.authenticate(alices_key.value, Origin()), client_id="default", with_refresh=True)
    before = everything()

    said = command("backup", backup, *options)
    empty()
    restored = command("restore", backup, *options)

    after = everything()
    assert {name: content for name, content in after.items() if content != before[name]} == {}
    assert tokens.authenticate(alices_key.value, Origin())
    assert User.objects.get().check_password("correct horse battery staple")
    assert browser.get("/").status_code == 302
    assert not SigningKey.objects.exists()
    assert "sealed with the passphrase" in said if is_sealed else "in clear" in said
    assert "keys that were deleted, disabled or rotated work as they did" in " ".join(restored.split())
    held = [
        text
        for text in (alices_key.value, token.access_token, token.refresh_token)
        if text.encode() in backup.read_bytes()
    ]
    assert not held


def test_what_was_used_up_since_the_backup_does_not_come_back(alice, backup, monkeypatch):
    secret = totp.new_secret()
    app = pyotp.TOTP(secret)
    assert totp.keep(alice, secret, app.at(timezone.now() - timedelta(seconds=30)))
    code, *other_codes = recovery.renew(alice)
    command("backup", backup)
    shown = app.now()
    assert recovery.use(alice, code.replace("-", ""))
    assert totp.use(alice, shown)

    empty()
    said = command("restore", backup)

    person = User.objects.get()
    assert not totp.use(person, shown)
    assert not any(recovery.use(person, each.replace("-", "")) for each in (code, *other_codes))
    assert "makes new ones" in " ".join(said.split())
    later = totp._present_step() + 3
    monkeypatch.setattr(totp, "_present_step", lambda: later)
    assert totp.use(person, app.generate_otp(later))


def test_where_another_secret_key_sealed_the_apps_the_restore_says_what_is_missing(alice, bob, backup, settings):
    app = pyotp.TOTP(totp.new_secret())
    assert totp.keep(alice, app.secret, app.now())
    command("backup", backup)
    settings.SECRET_KEY = "another one, as a console makes where there is none"

    empty()
    said = " ".join(command("restore", backup).split())

    assert "1 authenticator apps or webhooks can't be used" in said
    assert "secret_key of that time" in said


def test_a_backup_has_no_value_no_session_and_no_key_of_tokens(alice, alices_key, backup):
    browser = log_in(alice)
    tokens.issue(tokens.authenticate(alices_key.value, Origin()), client_id="default", with_refresh=True)
    Handover.objects.create(iam_id=alice.iam_id, nonce_digest="0" * 64, key_id="ApiKey-1", sealed=b"sealed value")
    session = browser.cookies["session"].value

    command("backup", backup)

    with backup.open("rb") as file:
        text = "\n".join(container.read(file))
    tables = [f"apikeys_{name}" for name in ("handover", "refreshtoken", "revocation", "signingkey")]
    secrets = [alices_key.value, session, "c2VhbGVkIHZhbHVl", "django_session", *tables]
    assert [secret for secret in secrets if secret in text] == []
    assert alices_key.key.id in text


def test_a_backup_is_of_one_moment_and_nobody_waits_for_it(alice, alices_key, create_key):
    with rows.snapshot():
        found = rows.lines(lambda _rows: None)
        next(found)
        create_key(alice, "made meanwhile")
        text = "\n".join(found)

    assert ApiKeyRecord.objects.count() == 2
    assert alices_key.key.id in text
    assert "made meanwhile" not in text


def test_rows_of_every_kind_come_back_as_they_were():
    row = (
        None,
        True,
        7,
        0.5,
        "é\n\x1f",
        {"t": ["x"]},
        [1, {"j": 2}],
        b"\0\xff",
        datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC),
    )

    read = tuple(map(rows.read_cell, json.loads(rows.CELLS.encode([rows.spelt(cell) for cell in row]))))

    assert read == row


# The file


def test_the_file_is_its_owners_alone_and_never_takes_the_place_of_another(alice, backup):
    command("backup", backup)
    written = backup.read_bytes()

    said = refusal("backup", backup)

    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert said == f"{backup} can't be made: File exists."
    assert backup.read_bytes() == written


def test_on_a_full_disk_nothing_is_left_of_it(alice, backup, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    said = refusal("backup", backup)

    assert said == f"{backup} can't be written: No space left on device. Nothing is left of it."
    assert not backup.exists()


def test_where_the_database_has_no_room_nothing_is_restored(alice, alices_key, backup, monkeypatch):
    command("backup", backup)
    empty()
    write, calls = copying.write, []

    def full(table, batch):
        calls.append(table)
        if len(calls) == 4:
            raise OperationalError("database or disk is full")
        write(table, batch)

    monkeypatch.setattr(copying, "write", full)

    said = refusal("restore", backup)

    assert said == "The database refused: database or disk is full. Nothing was restored."
    assert not copying.holds_data()


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
def test_a_file_is_read_as_it_was_written_by_who_has_the_passphrase(passphrase):
    written = sealed_file(passphrase=passphrase)

    assert list(container.read(io.BytesIO(written), passphrase)) == LINES
    assert container.is_sealed(io.BytesIO(written)) == bool(passphrase)
    if passphrase:
        with pytest.raises(Unfit, match="The passphrase is another one"):
            list(container.read(io.BytesIO(written), "another passphrase"))


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
def test_a_file_that_was_cut_off_or_changed_anywhere_is_refused(passphrase, monkeypatch):
    monkeypatch.setattr(container, "PART_BYTES", 200)
    monkeypatch.setattr(container, "SCRYPT", {"n": 16, "r": 8, "p": 1})
    lines = [os.urandom(40).hex() for _line in range(30)]
    written = sealed_file(lines, passphrase)
    assert list(container.read(io.BytesIO(written), passphrase)) == lines

    accepted = []
    for place in range(0, len(written), 7):
        changed = bytearray(written)
        changed[place] ^= 1
        for text in (written[:place], bytes(changed)):
            try:
                list(container.read(io.BytesIO(text), passphrase))
                accepted.append(place)
            except Unfit:
                pass
    assert accepted == []
    with pytest.raises(Unfit):
        list(container.read(io.BytesIO(written + b"\0"), passphrase))
    with pytest.raises(Unfit, match="damaged or cut off"):
        list(container.read(io.BytesIO(written[:-1] + bytes([written[-1] ^ 1])), passphrase))


@pytest.mark.parametrize(
    "text", [b"", b"SQLite format 3\0", b"{}\n", b'{"format": "apikeys-console backup 2", "sealed": false}\n']
)
def test_a_file_that_is_no_backup_is_refused(backup, text):
    backup.write_bytes(text)

    assert refusal("restore", backup) == "This file is no backup of a console of this release. Nothing was restored."


def test_a_file_cannot_ask_for_all_the_memory():
    told = b'{"format": "apikeys-console backup 1", "sealed": true, "salt": "00", "n": 1099511627776, "r": 8, "p": 1}\n'

    with pytest.raises(Unfit, match="no backup"):
        container.is_sealed(io.BytesIO(told))
    one_line = io.BytesIO(b"x" * 2 * container.LONGEST_LINE)
    with pytest.raises(Unfit, match="no backup"):
        container.is_sealed(one_line)
    assert one_line.tell() == container.LONGEST_LINE


def test_a_file_cannot_ask_for_it_by_numbers_that_are_each_allowed():
    told = b'{"format": "apikeys-console backup 1", "sealed": true, "salt": "00", "n": 1048576, "r": 64, "p": 1}\n'

    with pytest.raises(Unfit, match="no backup"):
        container.is_sealed(io.BytesIO(told))


def test_what_is_small_when_compressed_takes_no_more_memory_than_a_row_may(monkeypatch):
    written = io.BytesIO()
    container.write(written, ["x" * 40_000_000])
    monkeypatch.setattr(container, "LONGEST_ROW", 1_000_000)
    tracemalloc.start()

    with pytest.raises(Unfit, match="damaged"):
        list(container.read(io.BytesIO(written.getvalue())))

    assert tracemalloc.get_traced_memory()[1] < 30_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "row",
    [
        *("5", '"rows"', '[{"u": "no UUID"}]', '[{"u": 5}]', "[{}]", '[{"t": "yesterday"}]', '[{"b": "="}]'),
        *('[{"?": 1}]', '{"table": "nowhere"}', '{"rows": []}', "{", "[" * 20_000, f'["{"9" * 40}"]', f"[{'9' * 400}]"),
    ],
)  # fmt: skip
def test_a_file_whose_digests_are_right_and_whose_rows_are_none_is_refused(alice, alices_key, backup, row):
    command("backup", backup)
    with backup.open("rb") as file:
        first, table, *rest = container.read(file)
    with backup.open("wb") as file:
        container.write(file, [first, table, row, *rest])
    empty()

    assert refusal("restore", backup).endswith(" Nothing was restored.")

    assert not User.objects.exists()


# What is in one, and what is not

KEPT = {
    *("apikeys_apikeyrecord", "apikeys_auditchain", "apikeys_auditevent", "apikeys_bulkrun"),
    *("apikeys_deletedkeyrecord", "apikeys_historyrecord", "apikeys_pepperfingerprint", "apikeys_previousvalue"),
    *("apikeys_refusalrecord", "apikeys_reviewrule", "apikeys_reviewstep", "apikeys_rulesrecord"),
    *("apikeys_scoperecord", "apikeys_serviceidrecord", "apikeys_usagerecord", "console_account"),
    *("console_authenticator", "console_passkey", "console_provideridentity", "console_user", "console_webhook"),
    *("auth_group", "auth_group_permissions", "auth_permission", "django_content_type"),
    *("console_user_groups", "console_user_user_permissions"),
}


def test_a_new_table_is_in_no_backup_before_somebody_says_that_it_may_be():
    assert {copying.name_of(table) for table in rows.tables()} == KEPT
    assert {copying.name_of(table) for table in copying.tables()} == KEPT | rows.LEFT_OUT


# What is refused


def test_an_installation_that_is_used_is_left_alone(alice, alices_key, backup):
    command("backup", backup)
    before = everything()

    said = refusal("restore", backup)

    assert said.startswith("The database holds data already")
    assert everything() == before


def test_without_the_peppers_of_its_time_nothing_is_restored(alice, alices_key, backup, settings):
    PepperFingerprint.objects.all().delete()
    settings.APIKEYS_PEPPERS = Peppers.parse(f"1:{'01' * 32}")
    PepperFingerprint.objects.create(number=1, fingerprint=settings.APIKEYS_PEPPERS.fingerprint(1))
    command("backup", backup)
    empty()
    settings.APIKEYS_PEPPERS = Peppers.parse(f"1:{'02' * 32}")

    said = refusal("restore", backup)

    assert said.startswith("Pepper 1 of the backup is missing, or is another one")
    assert not copying.holds_data()


def test_a_backup_of_another_release_is_restored_with_that_one(alice, backup, monkeypatch):
    loader = rows.MigrationLoader
    command("backup", backup)
    empty()
    monkeypatch.setattr(rows, "MigrationLoader", lambda using: Without(loader(using)))

    assert refusal("restore", backup).startswith("The backup is of another release")


class Without:
    """A release that lacks a migration."""

    def __init__(self, loader) -> None:
        self.disk_migrations = dict(list(loader.disk_migrations.items())[1:])


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("short", 0o600, "Use 15 characters or more"),
        ("passwordpassword", 0o600, "This password repeats itself"),
        ("qwertyuiopasdfgh", 0o600, "weak as a password"),
        (PASSPHRASE, 0o644, "is open to other users"),
        (None, 0, "can't be read"),
    ],
)
def test_a_passphrase_that_is_weak_or_not_private_makes_no_backup(backup, passphrase_file, text, mode, why):
    if text is None:
        passphrase_file.unlink()
    else:
        passphrase_file.write_text(text)
        passphrase_file.chmod(mode)

    assert why in refusal("backup", backup, "--passphrase-file", passphrase_file)
    assert not backup.exists()


def test_a_sealed_backup_says_that_it_needs_a_passphrase(alice, backup, passphrase_file):
    command("backup", backup, "--passphrase-file", passphrase_file)
    empty()

    assert refusal("restore", backup).startswith("The backup needs a passphrase")
    passphrase_file.write_text("another passphrase")
    said = refusal("restore", backup, "--passphrase-file", passphrase_file)
    assert said == "The passphrase is another one. Nothing was restored."
