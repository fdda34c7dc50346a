"""Where the suite keeps its databases: each in a file, or each on the PostgreSQL server that the environment names."""

import hashlib
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

SERVER_VARIABLE = "POSTGRES_OF_TESTS"
SERVER = os.environ.get(SERVER_VARIABLE, "")  # postgresql://user:password@host:port; make test-postgres sets it
EVERYTHING = sql.SQL("SELECT * FROM {}")


def url_for(data_dir: Path) -> str:
    """Return DATABASE_URL for the console of this folder: a database of its own, blank for a file in the folder."""
    if not SERVER:
        return ""
    return make_database(SERVER, name_for(data_dir))


def name_for(data_dir: Path) -> str:
    """Return the name of that database on the server."""
    return f"console_{hashlib.sha256(bytes(data_dir)).hexdigest()[:16]}"


def make_again(name: str, like: str) -> None:
    """Make the database of the tests' server anew, like another one that nobody is connected to."""
    with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(like)))


def make_database(server: str, name: str, like: str = "template1") -> str:
    """Make a database, unless it is there, and return its URL: like another one, or else an empty one."""
    with (
        psycopg.connect(f"{server}/postgres", autocommit=True) as connection,
        suppress(psycopg.errors.DuplicateDatabase),
    ):
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(like)))
    return f"{server}/{name}"


class Look:
    """A connection to the database of a running console, beside it: at a URL, or in a file."""

    def __init__(self, at: str) -> None:
        self.is_postgres = at.startswith("postgresql:")
        self.connection: Any = (
            psycopg.connect(at, autocommit=True)
            if self.is_postgres
            else sqlite3.connect(at, timeout=10, isolation_level=None)
        )

    def sql(self, statement: str, *parameters: object) -> list[tuple]:
        """Run a statement, in which `?` stands for a parameter, and return its rows."""
        if self.is_postgres:
            cursor = self.connection.execute(statement.replace("?", "%s"), parameters)
            return cursor.fetchall() if cursor.description else []
        return self.connection.execute(statement, parameters).fetchall()

    def version(self) -> object:
        """Return what is another after anybody else has written; on a server, perhaps to another of its databases."""
        if self.is_postgres:
            return self.sql("SELECT pg_snapshot_xmax(pg_current_snapshot())")
        return self.sql("PRAGMA data_version")

    def close(self) -> None:
        self.connection.close()


def rows(url: str) -> bytes:
    """Return every cell of every table of a database on the server."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        found = [row for (table,) in tables for row in connection.execute(EVERYTHING.format(sql.Identifier(table)))]
    return b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for row in found for cell in row)
