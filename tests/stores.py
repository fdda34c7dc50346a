"""Everything that the database holds, for tests that look for what must not be in it."""

import re
from pathlib import Path

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from apikeys.storage.text_index import KEYTEXT
from tests.databases import SERVER, rows


def all_cells() -> dict[str, list[object]]:
    """Return every cell of every table, by table."""
    with connection.cursor() as cursor:
        cells: dict[str, list[object]] = {}
        for table in connection.introspection.table_names(cursor):
            if table == KEYTEXT:  # it can't be read as a whole; what it holds is in tables beside it
                continue
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            cells[table] = [cell for row in cursor.fetchall() for cell in row]
    return cells


def tables_with(text: str) -> list[str]:
    """Return the tables with a cell that contains `text`, as characters or as bytes."""
    return [table for table, cells in all_cells().items() if any(_contains(cell, text) for cell in cells)]


def _contains(cell: object, text: str) -> bool:
    if isinstance(cell, bytes | memoryview):
        return text.encode() in bytes(cell)
    return text in str(cell)


# A statement after which this transaction writes nothing, one that takes it back, and what is then said of a write.
# PostgreSQL takes it back by itself, with the part of the transaction that failed.
READ_ONLY = {
    "sqlite": ("PRAGMA query_only = ON", "PRAGMA query_only = OFF", "attempt to write a readonly database"),
    "postgresql": (
        "SET LOCAL transaction_read_only = on",
        "SELECT 1",
        "cannot execute UPDATE in a read-only transaction",
    ),
}
REFUSALS = {
    "sqlite": (
        "CREATE TRIGGER refusal BEFORE INSERT ON {table} WHEN {which} BEGIN SELECT RAISE(ABORT, '{sentence}'); END"
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE integrity_constraint_violation USING MESSAGE = '{sentence}'; END $$;"
        "CREATE TRIGGER refusal BEFORE INSERT ON {table} FOR EACH ROW WHEN ({which}) EXECUTE FUNCTION refuse()"
    ),
}


def refuse_rows_of(table: str, which: str = "TRUE") -> None:
    """Have the database answer new rows of a table with IntegrityError, until the test's transaction is undone.

    `which` is a condition on NEW that tells those rows from others.
    """
    with connection.cursor() as cursor:
        cursor.execute(REFUSALS[connection.vendor].format(table=table, which=which, sentence="the disk is full"))


def accept_rows_of(table: str) -> None:
    """Take that back, where the test's transaction stays."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER refusal" + (f" ON {table}" if connection.vendor == "postgresql" else ""))


def index_for(sql: str) -> tuple[str, dict[str, str]]:
    """Return the index that finds the rows of a query, and how it compares columns; it must give them in order, too."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # of tables as small as these it would rather read each row
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"{'EXPLAIN' if connection.vendor == 'postgresql' else 'EXPLAIN QUERY PLAN'} {sql}")
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
    assert not re.search("TEMP B-TREE|Sort", plan), "sorting would read every row"
    found = re.search(r"INDEX (\w+) (\(.*)", plan) or re.search(r"Scan.* using (\w+) on .*\n +Index Cond: (.*)", plan)
    assert found, plan
    # (a, b) > (?, ?) compares rows: in an index of both, first a and then b.
    compared = re.sub(r"(?:ROW)?\(\(?(\w+)\)?(?:::\w+)?, ?\(?(\w+)\)?(?:::\w+)?\) ?([<>])", r"\1 \3 \2 \3", found[2])
    return found[1], dict(re.findall(r"(\w+)\)?(?:::\w+)? ?([<=>])", compared))


def database_bytes() -> bytes:
    """Return what the database keeps of what was committed: its file and its journals, on a server its rows."""
    file = Path(connection.settings_dict["NAME"])
    if SERVER:
        return rows(f"{SERVER}/{file}")
    files = sorted(file.parent.glob(f"{file.name}*"))
    assert file in files, "the tests need a database in a file"
    return b"".join(path.read_bytes() for path in files)


def upgrade() -> None:
    """Bring the database to the schema of this release."""
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
