"""The rows of a backup as lines of JSON: what is in one, how a cell is spelt, and how they come and go."""

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, DataError, IntegrityError, connections, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from apikeys import VERSION
from apikeys.identity import peppers
from apikeys.storage.errors import first_line
from console.copy_store import copying
from console.copy_store.copying import SOURCE, TARGET, Row, Table, batches, columns, name_of
from console.exceptions import Unfit
from console.factors import totp

# What is for the moment, and would be worth something to whoever has the backup, or give back after a restore what was
# ended since: sessions and log-ins of programs, new values under way, keys of access tokens, links, counters, what the
# last start had as settings; recovery codes, of which those that were used since would work again; and what a restore
# would tell others once more.
LEFT_OUT = frozenset({
    "apikeys_handover", "apikeys_refreshtoken", "apikeys_revocation", "apikeys_settingsrecord", "apikeys_signingkey",
    "apikeys_storedtokens", "console_delivery", "console_logincounter", "console_loginstreak", "console_mailbundle",
    "console_mailcursor", "console_mailrefusal", "console_passcode", "console_passwordlink", "console_recoverycode",
    "django_session",
})  # fmt: skip
# The first read begins it. On SQLite a transaction of Django's would be one that writes.
SNAPSHOT = {
    "postgresql": [
        "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        "SET LOCAL statement_timeout = 0",
        "SET LOCAL idle_in_transaction_session_timeout = 0",
    ],
    "sqlite": ["BEGIN DEFERRED"],
}
MOMENT, UUID, BYTES, OBJECT = "t", "u", "b", "j"


def tables() -> list[Table]:
    """Return what a backup has, those that are referred to before those that refer to them."""
    return [table for table in copying.tables() if name_of(table) not in LEFT_OUT]


@contextmanager
def snapshot() -> Iterator[None]:
    """Let SOURCE be the database of the settings as it is at this moment, whoever changes it meanwhile.

    Nobody waits for it: it holds no lock but that of a reader.
    """
    setting = {**connections[DEFAULT_DB_ALIAS].settings_dict}
    connections.settings[SOURCE] = connections.configure_settings({DEFAULT_DB_ALIAS: {}, SOURCE: setting})[SOURCE]
    connection = connections[SOURCE]
    try:
        with connection.cursor() as cursor:
            for statement in SNAPSHOT[connection.vendor]:
                cursor.execute(statement)
            cursor.execute(f"SELECT count(*) FROM {name_of(MigrationRecorder.Migration)}")  # nosec B608  # a name of Django's
        yield
    finally:
        connection.close()
        del connections[SOURCE]
        del connections.settings[SOURCE]


def lines(passed: Callable[[int], object]) -> Iterator[str]:
    """Yield the backup of SOURCE; `passed` is told the number of rows of each batch."""
    applied = sorted(MigrationLoader(connections[SOURCE]).applied_migrations)
    yield json.dumps({"made_at": timezone.now().isoformat(), "version": VERSION, "migrations": applied})
    total = 0
    for table in tables():
        yield json.dumps({"table": name_of(table), "columns": [field.attname for field in columns(table)]})
        for batch in batches(table, SOURCE):
            yield from (CELLS.encode([spelt(cell) for cell in row]) for row in batch)
            passed(len(batch))
            total += len(batch)
    yield json.dumps({"rows": total})


def spelt(cell: object) -> object:
    """Return a cell as JSON has it: with one letter for its kind where JSON knows none. Raises TypeError."""
    if isinstance(cell, datetime):
        return {MOMENT: cell.astimezone(UTC).isoformat()}
    if isinstance(cell, uuid.UUID):
        return {UUID: cell.hex}
    if isinstance(cell, bytes | memoryview):
        return {BYTES: base64.b64encode(bytes(cell)).decode()}
    return {OBJECT: cell} if isinstance(cell, dict | list) else cell


READ: dict[str, Callable[[Any], object]] = {
    MOMENT: datetime.fromisoformat,
    UUID: uuid.UUID,
    BYTES: base64.b64decode,
    OBJECT: lambda cell: cell,
}
CELLS = json.JSONEncoder(separators=(",", ":"))


def read_cell(cell: Any) -> object:
    if not isinstance(cell, dict):
        return cell
    [(kind, text)] = cell.items()
    return READ[kind](text)


def restore(backup: Iterator[str], passed: Callable[[int], object]) -> tuple[int, datetime]:
    """Fill the database of the settings, which `migrate` has made and nobody has used, and return the rows and moment.

    All of it is one transaction: where this raises Unfit, nothing was changed.
    """
    told = json.loads(next(backup))
    disk = {tuple(name) for name in MigrationLoader(connections[TARGET]).disk_migrations}
    if {tuple(name) for name in told["migrations"]} != disk:
        raise Unfit(
            f"The backup is of another release ({told['version']}) or another commit: restore it with that one, then "
            "update the console as always."
        )
    with transaction.atomic(using=TARGET):
        copying.clear_made_by_migrate()
        rows = _read_rows(backup, passed)
        totp.use_up(TARGET)
        connections[TARGET].check_constraints()
        if missing := peppers.contradicted(TARGET):
            numbers = ", ".join(map(str, missing))
            raise Unfit(
                f"Pepper {numbers} of the backup is missing, or is another one: with these no key would work. Put "
                "DATA_DIR/peppers or APIKEYS_PEPPERS of that time in place."
            )
    copying.number_on()
    return rows, datetime.fromisoformat(told["made_at"])


def _read_rows(backup: Iterator[str], passed: Callable[[int], object]) -> int:
    known = {name_of(table): table for table in tables()}
    table: Table | None = None
    batch: list[Row] = []
    total = 0

    def write() -> None:
        if table is not None and batch:
            try:
                copying.write(table, batch)
            except (DataError, IntegrityError, ValueError, OverflowError) as exc:
                raise Unfit(f"{name_of(table)}: the database does not take these rows: {first_line(exc)}.") from None
            except ValidationError:  # which has the cell in its text
                raise Unfit(f"{name_of(table)}: a cell is nothing that its column holds.") from None
            passed(len(batch))
            batch.clear()

    for line in backup:
        found = json.loads(line)
        if isinstance(found, list):
            batch.append(tuple(map(read_cell, found)))
            total += 1
            if len(batch) == copying.BATCH:
                write()
            continue
        write()
        if "rows" in found:
            if found["rows"] != total:
                raise Unfit("The backup lacks rows: use another copy of it.")
            break
        table = known[found["table"]]
        if found["columns"] != [field.attname for field in columns(table)]:
            raise Unfit(f"The backup has other columns of {name_of(table)} than this release.")
    for _rest in backup:  # what is behind must be as it was written, too
        raise Unfit("The backup has lines behind its end.")
    return total
