"""Everything that the database holds, for tests that look for what must not be in it."""

from pathlib import Path

from django.db import connection


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


def database_bytes() -> bytes:
    """Return what the database has on disk: the file and its journals."""
    path = Path(connection.settings_dict["NAME"])
    files = sorted(path.parent.glob(f"{path.name}*"))
    assert path in files, "the tests need a database in a file"
    return b"".join(file.read_bytes() for file in files)


def folder_bytes(folder: Path) -> dict[Path, bytes]:
    """Return the bytes of every file below a folder."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
