"""Writes a backup of the database while the console runs."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.db import Error

from apikeys.storage.errors import first_line
from console.backup import container, rows
from console.backup.passphrase import new_passphrase
from console.copy_store import copying
from console.copy_store.copying import SOURCE
from console.copy_store.progress import Progress


class Command(BaseCommand):
    help = (
        "Write a backup of the database to a new file, while the console runs or not: people, keys and their history, "
        "as they are at this moment. It has no value of a key and no session, and not the secrets of DATA_DIR."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="a file that is not there yet; it is made with mode 0600")
        parser.add_argument("--encrypt", action="store_true", help="ask for a passphrase, and seal the backup with it")
        parser.add_argument("--passphrase-file", type=Path, help="seal it with the first line of this file")

    def handle(self, *args: Any, file: Path, encrypt: bool, passphrase_file: Path | None, **options: Any) -> None:
        passphrase = new_passphrase(passphrase_file) if encrypt or passphrase_file else ""
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as exc:
            raise CommandError(f"{file} can't be made: {exc.strerror}.") from exc
        try:
            rows_written = self.write(descriptor, passphrase)
        except BaseException as exc:
            with suppress(OSError):
                file.unlink()
            if isinstance(exc, OSError):
                raise CommandError(f"{file} can't be written: {exc.strerror}. Nothing is left of it.") from exc
            if isinstance(exc, Error):
                raise CommandError(
                    f"The database can't be read: {first_line(exc)}. Nothing is left of {file}."
                ) from exc
            raise
        sealed = "sealed with the passphrase" if passphrase else "in clear"
        self.stdout.write(
            f"Done: {rows_written:,} rows in {file}, {sealed}. Keep the peppers and secret_key in another "
            "place: a restore needs them, too."
        )

    def write(self, descriptor: int, passphrase: str) -> int:
        """Write the backup and wait for the disk; return how many rows it has."""
        with os.fdopen(descriptor, "wb") as out, rows.snapshot():
            progress = Progress(self.stdout, sum(copying.rows_of(table, SOURCE).count() for table in rows.tables()))
            container.write(out, rows.lines(progress.passed), passphrase)
            out.flush()
            os.fsync(out.fileno())
        return progress.done
