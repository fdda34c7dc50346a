"""Makes the tables of a peer and fills them: `python fill.py 1000000`, in the peers' environment."""

import hashlib
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from values import drf_api_key, knox_token

PER_USER = 1000  # tokens; knox reads all of a user's with each look-up
Row = tuple[object, ...]
MADE_AT = datetime(2024, 1, 1, tzinfo=UTC)


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import transaction

    call_command("migrate", verbosity=0)
    with transaction.atomic():
        (fill_knox if settings.PEER == "knox" else fill_drf_api_key)(int(sys.argv[1]))


def fill_drf_api_key(count: int) -> None:
    from rest_framework_api_key.crypto import Sha512ApiKeyHasher
    from rest_framework_api_key.models import APIKey

    hasher = Sha512ApiKeyHasher()

    def rows() -> Iterator[Row]:
        for number in range(count):
            value = drf_api_key(number)
            prefix, digest = value.partition(".")[0], hasher.encode(value, "")
            yield f"{prefix}.{digest}", prefix, digest, MADE_AT, f"key {number}", False, None

    columns = ("id", "prefix", "hashed_key", "created", "name", "revoked", "expiry_date")
    insert(APIKey._meta.db_table, columns, rows())


def fill_knox(count: int) -> None:
    from django.contrib.auth import get_user_model
    from knox.models import AuthToken

    users = [get_user_model()(username=f"user{number}") for number in range(-(-count // PER_USER))]
    ids = [user.pk for user in get_user_model().objects.bulk_create(users)]

    def rows() -> Iterator[Row]:
        for number in range(count):
            token = knox_token(number)
            digest = hashlib.sha512(token.encode()).hexdigest()
            yield digest, token[:15], ids[number // PER_USER], MADE_AT, None

    insert(AuthToken._meta.db_table, ("digest", "token_key", "user_id", "created", "expiry"), rows())


def insert(table: str, columns: tuple[str, ...], rows: Iterator[Row]) -> None:
    from django.db import connection

    names = ", ".join(columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        places = ", ".join("%s" for _column in columns)
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows)  # nosec B608  # names of this file


if __name__ == "__main__":
    main()
