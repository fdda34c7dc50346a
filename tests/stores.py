"""Everything that the database holds, for tests that look for what must not be in it."""

from pathlib import Path

from django.db import connection

from tests.databases import SERVER, kept


def all_cells() -> dict[str, list[object]]:
    """Return every cell of every table, by table."""
    with connection.cursor() as cursor:
        cells: dict[str, list[object]] = {}
        for table in connection.introspection.table_names(cursor):
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


REFUSALS = {
    "sqlite": "CREATE TRIGGER full BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, '{sentence}'); END",
    "postgresql": (
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE integrity_constraint_violation USING MESSAGE = '{sentence}'; END $$;"
        "CREATE TRIGGER full BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
    ),
}


def refuse_rows_of(table: str) -> None:
    """Have the database answer each new row of a table with IntegrityError, until the test's transaction is undone."""
    with connection.cursor() as cursor:
        cursor.execute(REFUSALS[connection.vendor].format(table=table, sentence="the disk is full"))


def accept_rows_of(table: str) -> None:
    """Take that back, where the test's transaction stays."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER full" + (f" ON {table}" if connection.vendor == "postgresql" else ""))


def database_bytes() -> bytes:
    """Return what the database keeps of what was committed."""
    name = str(connection.settings_dict["NAME"])
    return kept(f"{SERVER}/{name}" if SERVER else name)


def folder_bytes(folder: Path) -> dict[Path, bytes]:
    """Return the bytes of every file below a folder."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
