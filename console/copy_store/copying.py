"""A whole store from one database to another: every table of every model, in batches that an interruption leaves whole.

The target is the database of the settings, so that migrations and signals run on it as they always do; the source is a
second connection that keeps everybody else from writing. What the target has so far is said by a table of its own, in
the transactions that bring the rows. Tables and columns come from the models: what a database derives from them, such
as an index of trigrams kept by triggers, makes itself anew in the target.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from typing import Any

from django.apps import apps
from django.apps.registry import Apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import DEFAULT_DB_ALIAS, DataError, IntegrityError, connections, models, transaction
from django.db.migrations.loader import MigrationLoader

from apikeys.models import AuditChain, PepperFingerprint
from apikeys.storage.errors import first_line
from apikeys.storage.numbers import plain
from console.exceptions import Unfit
from console.models import Account, Session

SOURCE, TARGET = "source", DEFAULT_DB_ALIAS
BATCH = 2000  # rows of one transaction, and the most that are in memory
# What `migrate` fills by itself, with ids of its own. The source's rows take their place, with the ids others refer to.
MADE_BY_MIGRATE = (ContentType, Permission, PepperFingerprint, AuditChain)
DIGEST_BITS = 256

Table = type[models.Model]
Row = tuple[Any, ...]


class UnfinishedCopy(models.Model):
    """How far a copy has come: the last primary key of each table, and whose copy it is. It goes when all is there.

    It is no model of the project: no migration makes its table, and no console has it.
    """

    name = models.CharField(primary_key=True, max_length=100)
    reached = models.TextField()

    class Meta:
        apps = Apps()
        app_label = "console"
        db_table = "unfinished_copy"

    def __str__(self) -> str:
        return f"{self.name} up to {self.reached}"


@dataclass(frozen=True)
class Content:
    """What a table holds: how many rows, and the sum of their SHA-256, which is the same in whatever order."""

    rows: int = 0
    total: int = 0

    def __str__(self) -> str:
        return f"{self.total:0{DIGEST_BITS // 4}x}"


def tables() -> list[Table]:
    """Return every model that has a table, those that are referred to before those that refer to them."""
    found = [model for model in apps.get_models(include_auto_created=True) if is_table(model)]
    referred = {
        model: {field.related_model for field in model._meta.local_fields if field.is_relation} - {model}
        for model in found
    }
    return [model for model in TopologicalSorter(referred).static_order() if model in found]


def is_table(model: Table) -> bool:
    if model._meta.db_table == Session._meta.db_table:
        return model is Session  # and not Django's model of the same table, which lacks columns
    return model._meta.managed and not model._meta.proxy and not model._meta.swapped


def name_of(table: Table) -> str:
    return table._meta.db_table


def columns(table: Table) -> "list[models.Field[Any, Any]]":
    """Return the columns that are stored and not computed by the database, the primary key first."""
    stored = [field for field in table._meta.concrete_fields if not getattr(field, "generated", False)]
    return sorted(stored, key=lambda field: not field.primary_key)


def rows_of(table: Table, alias: str) -> "models.QuerySet[Any, Any]":
    return table._base_manager.using(alias)


def batches(table: Table, alias: str, after: Any = None) -> Iterator[list[Row]]:
    """Yield the rows behind a primary key, or all of them, in its order; each cell as Python has it."""
    rows = rows_of(table, alias).order_by("pk").values_list(*(field.attname for field in columns(table)))
    while batch := list((rows if after is None else rows.filter(pk__gt=after))[:BATCH]):
        yield batch
        after = batch[-1][0]


# What is there


def content(table: Table, alias: str, passed: Callable[[int], object]) -> Content:
    """Return the content of a table; `passed` is told the number of rows of each batch."""
    rows = total = 0
    for batch in batches(table, alias):
        total += sum(row_digest(row) for row in batch)
        rows += len(batch)
        passed(len(batch))
    return Content(rows, total % (1 << DIGEST_BITS))


def row_digest(row: Row) -> int:
    """Return a number of DIGEST_BITS bits that is the same for what is the same, however a database spells it."""
    text = ROW.encode([plain(cell) if isinstance(cell, dict | list | float) else cell for cell in row])
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")


def spelt(cell: object) -> str:
    """Return a moment, a UUID or bytes as text. Raises TypeError for what no table here has."""
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(cell, uuid.UUID):
        return cell.hex
    if isinstance(cell, bytes | memoryview):
        return bytes(cell).hex()
    raise TypeError(f"no digest for {type(cell).__name__}")


ROW = json.JSONEncoder(sort_keys=True, default=spelt)


def counts(alias: str) -> dict[Table, int]:
    return {table: rows_of(table, alias).count() for table in tables()}


def holds_data() -> bool:
    """Tell whether the target has more than what `migrate` puts there."""
    return any(rows and table not in MADE_BY_MIGRATE for table, rows in counts(TARGET).items())


def is_of_this_release(alias: str) -> bool:
    """Tell whether a database has had the migrations that this release has, and no other."""
    loader = MigrationLoader(connections[alias])
    return set(loader.applied_migrations) == set(loader.disk_migrations)


def installation() -> str:
    """Return what tells the source from the database of another installation."""
    ids = sorted(rows_of(Account, SOURCE).values_list("pk", flat=True))
    return hashlib.sha256("".join(ids).encode()).hexdigest()


# How far it is


def is_unfinished(alias: str = TARGET) -> bool:
    """Tell whether a database holds a part of a copy, which must not be served."""
    connection = connections[alias]
    return UnfinishedCopy._meta.db_table in connection.introspection.table_names()


def reached() -> dict[str, str]:
    """Return how far the copy in the target has come, by table, and under SOURCE whose it is."""
    return dict(UnfinishedCopy._default_manager.using(TARGET).values_list("name", "reached")) if is_unfinished() else {}


def reach(name: str, key: object) -> None:
    UnfinishedCopy._default_manager.using(TARGET).update_or_create(name=name, defaults={"reached": str(key)})


def forget() -> None:
    """Forget how far the copy has come; the target stays one that must not be served."""
    UnfinishedCopy._default_manager.using(TARGET).all().delete()


def begin() -> None:
    """Say in the target that a copy of this source begins, and take out what `migrate` put there."""
    if not is_unfinished():
        with connections[TARGET].schema_editor() as editor:
            editor.create_model(UnfinishedCopy)
    with transaction.atomic(using=TARGET):
        clear_made_by_migrate()
        reach(SOURCE, installation())


def clear_made_by_migrate() -> None:
    """Take the rows out of the target that `migrate` made: the source's own follow. The caller has a transaction."""
    for table in reversed([table for table in tables() if table in MADE_BY_MIGRATE]):
        rows_of(table, TARGET).all()._raw_delete(TARGET)


def hurry() -> None:
    """Let the target commit without waiting for its disk: after a power cut it lacks the last batches, and says so."""
    connection = connections[TARGET]
    with connection.cursor() as cursor:
        cursor.execute(
            "SET synchronous_commit = off" if connection.vendor == "postgresql" else "PRAGMA synchronous = NORMAL"
        )


def finish() -> None:
    """Make the target whole: numbers of new rows go on behind those that are there, and nothing says "unfinished"."""
    connection = connections[TARGET]
    connection.close()  # the next one waits for the disk, which then has all that was committed before
    number_on()
    with connection.schema_editor() as editor:
        editor.delete_model(UnfinishedCopy)


def number_on() -> None:
    """Let numbers of new rows go on behind those that are there, and the target know what it has."""
    connection = connections[TARGET]
    with transaction.atomic(using=TARGET), connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), tables()):
            cursor.execute(statement)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # a database that knows nothing of its new rows plans badly until it looks at them


# Copying


def copy_table(table: Table, passed: Callable[[int], object]) -> None:
    """Copy the rows that the target does not have yet. Raises Unfit where the target can't hold one of them."""
    after = reached().get(name_of(table))
    for batch in batches(table, SOURCE, None if after is None else table._meta.pk.to_python(after)):
        try:
            insert(table, batch)
        except (DataError, IntegrityError, ValueError) as exc:
            refused = first_refused(table, batch)
            what, reason = (f"the row {refused[0][0]}", refused[1]) if refused else ("these rows", exc)
            raise Unfit(
                f"{name_of(table)}: the target does not take {what}: {first_line(reason)}. Mend or delete it in the "
                "source, then run this again."
            ) from None
        passed(len(batch))


def insert(table: Table, batch: list[Row]) -> None:
    """Add rows, and how far that is, in one transaction."""
    with transaction.atomic(using=TARGET):
        write(table, batch)
        reach(name_of(table), batch[-1][0])


def write(table: Table, batch: list[Row]) -> None:
    connection, fields = connections[TARGET], columns(table)
    rows = [
        [field.get_db_prep_save(cell, connection) for field, cell in zip(fields, row, strict=True)] for row in batch
    ]
    names = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    into = f"{connection.ops.quote_name(name_of(table))} ({names})"
    with connection.cursor() as cursor, connection.wrap_database_errors:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {into} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            cells = ", ".join("%s" for _field in fields)
            cursor.executemany(f"INSERT INTO {into} VALUES ({cells})", rows)  # nosec B608  # names of the models


def first_refused(table: Table, batch: list[Row]) -> tuple[Row, Exception] | None:
    """Return the first row that the target refuses by itself, and why; nothing is written."""
    for row in batch:
        try:
            with transaction.atomic(using=TARGET):
                write(table, [row])
                connections[TARGET].check_constraints()  # deferred ones are checked at a commit, which there is none
                transaction.set_rollback(True, using=TARGET)
        except (DataError, IntegrityError, ValueError) as exc:
            return row, exc
    return None
