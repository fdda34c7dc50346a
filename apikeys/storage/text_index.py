"""The index of trigrams over folded names, descriptions and hints of keys, for searches of three letters or more.

PostgreSQL keeps two GIN indexes of pg_trgm, which the planner finds by itself. SQLite keeps a table of FTS5, which
backends/finding.py asks, and triggers that change it in the same statement that changes a key, whoever runs it. Where a
database has neither, a search reads the keys themselves.

A row of KEYTEXT has the number of its key in KEYNUMBER: the second of its creation, and its place within that second.
What is found comes in the order of these numbers, and so in that of creation. They are stored because a table without
an integer key may be renumbered by VACUUM.
"""

import logging
from typing import Any

from django.db import Error, OperationalError, transaction

from apikeys.domain import HINT_LENGTH
from apikeys.storage.errors import fault_of, first_line

KEYS, KEYNUMBER, KEYTEXT = "apikeys_apikeyrecord", "apikeys_keynumber", "apikeys_keytext"
WHOLE = "apikeys_keytext_whole"  # a view that is there once every key is indexed
PLACES = 1 << 20  # numbers of each second
TRIGRAM = 3  # letters
BATCH = 5_000  # rows in one transaction, so that another process waits for less than its limit
GIN = {"keys_by_name_text": "name_folded", "keys_by_description_text": "description_folded"}

_SECOND = "max(CAST(strftime('%s', {row}.created_at) AS INTEGER), 0)"
_NUMBER = (
    f"(SELECT coalesce(max(number) + 1, {_SECOND} * {PLACES}) FROM {KEYNUMBER}"  # nosec B608  # words of this module
    f" WHERE number >= {_SECOND} * {PLACES} AND number < ({_SECOND} + 1) * {PLACES})"
)
_WORDS = f"{{row}}.name_folded, {{row}}.description_folded, lower(substr({{row}}.hint, -{HINT_LENGTH}))"
_ADD = (
    f"INSERT INTO {KEYNUMBER} (number, key_id, iam_id, account_id)"  # nosec B608  # words of this module
    f" VALUES ({_NUMBER}, {{row}}.id, {{row}}.iam_id, {{row}}.account_id);"
    f" INSERT INTO {KEYTEXT} (rowid, name, description, hint)"
    f" SELECT number, {_WORDS} FROM {KEYNUMBER} WHERE key_id = {{row}}.id;"
)
_REMOVE = (
    f"INSERT INTO {KEYTEXT} ({KEYTEXT}, rowid, name, description, hint)"  # nosec B608  # words of this module
    f" SELECT 'delete', number, {_WORDS} FROM {KEYNUMBER} WHERE key_id = {{row}}.id;"
    f" DELETE FROM {KEYNUMBER} WHERE key_id = {{row}}.id;"
)
_INDEXED = ("id", "iam_id", "account_id", "created_at", "name_folded", "description_folded", "hint")
_DIFFERS = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in _INDEXED)
TRIGGERS = {
    "keytext_insert": f"CREATE TRIGGER keytext_insert AFTER INSERT ON {KEYS} BEGIN {_ADD.format(row='NEW')} END",
    "keytext_delete": f"CREATE TRIGGER keytext_delete AFTER DELETE ON {KEYS} BEGIN {_REMOVE.format(row='OLD')} END",
    "keytext_update": (
        f"CREATE TRIGGER keytext_update AFTER UPDATE OF {', '.join(_INDEXED)} ON {KEYS} WHEN {_DIFFERS}"
        f" BEGIN {_REMOVE.format(row='OLD')} {_ADD.format(row='NEW')} END"
    ),
}


def _escaped(expression: str) -> str:
    return expression.format(row="k").replace("%", "%%")


TABLES = {
    KEYNUMBER: (
        f"CREATE TABLE {KEYNUMBER} (number INTEGER PRIMARY KEY, key_id TEXT NOT NULL UNIQUE,"
        " iam_id TEXT NOT NULL, account_id TEXT NOT NULL)"
    ),
    KEYTEXT: (
        f"CREATE VIRTUAL TABLE {KEYTEXT} USING fts5(name, description, hint, content='', columnsize=0,"
        ' tokenize="trigram case_sensitive 1")'
    ),
}
MADE = TABLES | TRIGGERS

# Rows that are numbered already were made or changed since the triggers are there. These statements have parameters:
# a "%" that is none is doubled.
_ROWS = "k.rowid > %s AND k.rowid <= %s"
_FILL_NUMBERS = (
    f"INSERT INTO {KEYNUMBER} (number, key_id, iam_id, account_id)"  # nosec B608  # words of this module
    f" SELECT {_escaped(_NUMBER)} - 1 + row_number() OVER (PARTITION BY {_escaped(_SECOND)}),"
    f" k.id, k.iam_id, k.account_id FROM {KEYS} k WHERE {_ROWS}"
    f" AND NOT EXISTS (SELECT 1 FROM {KEYNUMBER} WHERE key_id = k.id)"
)
# In the order of the numbers: FTS5 begins a new segment for each step back.
_FILL_TEXT = (
    f"INSERT INTO {KEYTEXT} (rowid, name, description, hint) SELECT number, {_WORDS.format(row='k')}"  # nosec B608  # words of this module
    f" FROM {KEYS} k JOIN {KEYNUMBER} ON key_id = k.id WHERE {_ROWS} ORDER BY number"
)

logger = logging.getLogger(__name__)


def ensure(connection: Any) -> None:
    """Make the index where it is missing, or may be out of date because its triggers were; for after each migration.

    Outside of a transaction, it is filled in steps that let other processes write between them.
    """
    if connection.vendor == "postgresql":
        _ensure_gin(connection)
    elif connection.vendor == "sqlite":
        _ensure_fts(connection)


def is_whole(connection: Any) -> bool:
    """Tell whether an SQLite database has the index, with every key in it."""
    with connection.cursor() as cursor:
        return cursor.execute("SELECT 1 FROM sqlite_master WHERE name = %s", [WHOLE]).fetchone() is not None


def _ensure_gin(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid"
            " WHERE relname = ANY(%s) AND indisvalid AND indrelid = %s::regclass",
            [list(GIN), KEYS],
        )
        present = {name for (name,) in cursor.fetchall()}
    if present == set(GIN):
        return
    concurrently = "" if connection.in_atomic_block else "CONCURRENTLY"
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except Error as exc:
        logger.warning(
            "Searches read the keys themselves, and end when they take too long: the extension pg_trgm can't be "
            "created (%s). Have it created in this database, then run migrate.",
            first_line(exc),
        )
        return
    with connection.cursor() as cursor:
        for name, column in GIN.items():
            if name not in present:
                cursor.execute(f"DROP INDEX {concurrently} IF EXISTS {name}")
                cursor.execute(f"CREATE INDEX {concurrently} {name} ON {KEYS} USING gin ({column} gin_trgm_ops)")


def _ensure_fts(connection: Any) -> None:
    if is_whole(connection) and _made(connection) == MADE:
        return
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(f"DROP VIEW IF EXISTS {WHOLE}")
            for name in TRIGGERS:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            for table in (KEYTEXT, KEYNUMBER):
                cursor.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in MADE.values():
                cursor.execute(statement)
    except OperationalError as exc:
        if fault_of(exc) is not None:
            raise
        logger.warning("Searches read the keys themselves, and end when they take too long: %s.", exc)
        return
    _fill(connection)


def _made(connection: Any) -> dict[str, str]:
    """Return the tables and triggers of the index that are there, each as it was made."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master")
        return {name: sql for name, sql in cursor.fetchall() if name in MADE}


def _fill(connection: Any) -> None:
    """Index the keys that are there, in batches; the triggers see to those that are made or changed meanwhile."""
    last = 0
    while True:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(f"SELECT max(rowid) FROM (SELECT rowid FROM {KEYS} WHERE rowid > %s LIMIT {BATCH})", [last])  # nosec B608  # words of this module
            (end,) = cursor.fetchone()
            if end is None:
                cursor.execute(f"CREATE VIEW {WHOLE} AS SELECT 1")
                return
            cursor.execute(_FILL_NUMBERS, [last, end])
            cursor.execute(_FILL_TEXT, [last, end])
            last = end
