"""Where the suite keeps its databases: each in a file, or each on the PostgreSQL server that the environment names."""

import hashlib
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import psycopg
from psycopg import sql

SERVER_VARIABLE = "POSTGRES_OF_TESTS"
SERVER = os.environ.get(SERVER_VARIABLE, "")  # postgresql://user:password@host:port; make test-postgres sets it
EVERYTHING = sql.SQL("SELECT * FROM {}")


def url_for(data_dir: Path) -> str:
    """Return DATABASE_URL for the console of this folder: a database of its own, blank for a file in the folder."""
    if not SERVER:
        return ""
    return make_database(SERVER, f"console_{hashlib.sha256(bytes(data_dir)).hexdigest()[:16]}")


def make_database(server: str, name: str) -> str:
    """Make an empty database, unless it is there, and return its URL."""
    with (
        psycopg.connect(f"{server}/postgres", autocommit=True) as connection,
        suppress(psycopg.errors.DuplicateDatabase),
    ):
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"{server}/{name}"


def query(url: str, statement: str, *parameters: object) -> list[tuple]:
    """Run a statement beside a running console and return its rows; `?` stands for a parameter."""
    if url.startswith("postgresql:"):
        with psycopg.connect(url) as connection:
            cursor = connection.execute(statement.replace("?", "%s"), parameters)
            return cursor.fetchall() if cursor.description else []
    with closing(sqlite3.connect(url, timeout=10)) as connection, connection:
        return connection.execute(statement, parameters).fetchall()


def kept(url: str) -> bytes:
    """Return what a database keeps: the bytes of the file and its journals, or of each cell that the server shows."""
    if not url.startswith("postgresql:"):
        file = Path(url)
        files = sorted(file.parent.glob(f"{file.name}*"))
        assert file in files, "there is no such file"
        return b"".join(path.read_bytes() for path in files)
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = [row for (table,) in tables for row in connection.execute(EVERYTHING.format(sql.Identifier(table)))]
    return b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for row in rows for cell in row)
