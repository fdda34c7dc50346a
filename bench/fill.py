"""Fills an empty database with people and keys: `python -m bench.fill 1000000`, with the console's settings.

The tables are those of one migration, whatever came after it: newer ones bring the rows along, as they do for an
installation that has as many. So what they keep beside a row, such as the index of a search, is as they make it.
"""

import json
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bench import keys

MIGRATIONS = [("apikeys", "0008_handover_states"), ("console", "0001_initial")]
NOTE = "people.json"  # in DATA_DIR: how many keys each person has
COLUMNS = (
    "id", "account_id", "created_by", "created_at", "modified_at", "revision", "entity_tag", "name", "description",
    "name_folded", "description_folded", "locked", "iam_id", "pepper", "digest", "hint", "disabled", "leaked",
    "expires_at", "support_sessions", "action_when_leaked", "last_used_at", "use_count",
)  # fmt: skip
# Nobody loses anything where this is cut off: it is made again.
HURRY = ("PRAGMA synchronous=OFF", "PRAGMA secure_delete=OFF", "PRAGMA cache_size=-1000000")


def main() -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection, transaction
    from django.db.migrations.executor import MigrationExecutor

    count = int(sys.argv[1])
    tables = MigrationExecutor(connection).migrate(MIGRATIONS).apps
    with connection.cursor() as cursor:
        for statement in HURRY if connection.vendor == "sqlite" else ():
            cursor.execute(statement)
    table = tables.get_model("apikeys", "ApiKeyRecord")._meta.db_table
    with transaction.atomic():
        insert(connection, table, rows_of(count, add_people(tables)))
    owners = keys.owners(count)
    (settings.DATA_DIR / NOTE).write_text(json.dumps({name: owners.count(name) for name in keys.PEOPLE}))


def add_people(tables: Any) -> dict[str, Any]:
    """Make everybody and return them by user ID."""
    from django.contrib.auth.hashers import make_password

    from console.models import new_account_id, new_iam_id

    account = tables.get_model("console", "Account").objects.create(id=new_account_id())
    users, password = tables.get_model("console", "User").objects, make_password(keys.PASSWORD)
    return {
        name: users.create(
            username=name,
            first_name=name.title(),
            last_name="Measured",
            email=f"{name}@example.com",
            password=password,
            iam_id=new_iam_id(),
            account=account,
            is_staff=name == keys.ADMINISTRATOR,
            is_superuser=name == keys.ADMINISTRATOR,
        )
        for name in keys.PEOPLE
    }


def rows_of(count: int, people: dict[str, Any]) -> Iterable[tuple[object, ...]]:
    """Return the keys as rows of COLUMNS."""
    from django.conf import settings

    from apikeys.backends.search import fold

    peppers = settings.APIKEYS_PEPPERS
    for key in keys.keys(count):
        owner = people[key.owner]
        digest = peppers.digest(key.value, peppers.newest) if key.value else key.digest
        yield (
            key.id, owner.account_id, owner.iam_id, key.created_at, key.created_at, 1, key.entity_tag, key.name,
            key.description, fold(key.name), fold(key.description), False, owner.iam_id, peppers.newest, digest,
            key.hint, key.disabled, False, key.expires_at, False, "none", key.last_used_at, key.use_count,
        )  # fmt: skip


def insert(connection: Any, table: str, rows: Iterable[tuple[object, ...]]) -> None:
    columns = ", ".join(COLUMNS)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            places = ", ".join("?" for _column in COLUMNS)
            statement = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # nosec B608  # names of this file
            cursor.cursor.connection.executemany(statement, (list(map(as_stored, row)) for row in rows))


def as_stored(cell: object) -> object:
    """Return a cell as Django writes it into SQLite."""
    return str(cell.replace(tzinfo=None)) if isinstance(cell, datetime) else cell


if __name__ == "__main__":
    main()
