"""Makes an empty installation whole with a backup."""

from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser, call_command
from django.db import Error

from apikeys.storage.errors import first_line
from console import resealing
from console.backup import container, rows
from console.backup.passphrase import known_passphrase
from console.copy_store import copying, holding
from console.copy_store.progress import Progress
from console.exceptions import Unfit

# What a file raises that somebody else made: whoever writes one can give it digests that are right.
NO_ROWS = (AttributeError, LookupError, OverflowError, RecursionError, StopIteration, TypeError, ValueError)


class Command(BaseCommand):
    help = (
        "Restore a backup into an empty database, before the first start of the console there. The peppers and the "
        "secret_key of its time must be in place. Whatever fails, nothing is restored in part."
    )
    # They would look at a database that is not there yet.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="what manage.py backup wrote")
        parser.add_argument("--passphrase-file", type=Path, help="its passphrase, in place of asking for it")

    def handle(self, *args: Any, file: Path, passphrase_file: Path | None, **options: Any) -> None:
        try:
            self.restore(file, passphrase_file)
        except Unfit as exc:
            raise CommandError(f"{exc} Nothing was restored.") from exc
        except OSError as exc:
            raise CommandError(f"{exc.filename or file} can't be used: {exc.strerror}. Nothing was restored.") from exc
        except Error as exc:
            raise CommandError(f"The database refused: {first_line(exc)}. Nothing was restored.") from exc

    def waits(self) -> None:
        self.stdout.write("Another start or copy has the database: waiting for it.")

    def restore(self, file: Path, passphrase_file: Path | None) -> None:
        with file.open("rb") as backup, holding.target(self.waits):
            passphrase = known_passphrase(passphrase_file) if container.is_sealed(backup) else ""
            if copying.is_unfinished():
                raise Unfit("The database holds a part of a copy: use an empty one.")
            call_command("migrate", interactive=False, verbosity=0)
            if copying.holds_data():
                raise Unfit("The database holds data already: use an empty one, before the console's first start.")
            try:
                number, made_at = rows.restore(container.read(backup, passphrase), Progress(self.stdout, 0).passed)
            except NO_ROWS as exc:
                raise Unfit(container.DAMAGED) from exc
        self.stdout.write(
            f"Done: {number:,} rows, as of {made_at:%Y-%m-%d %H:%M:%S} UTC. What was done since then is undone: keys "
            "that were deleted, disabled or rotated work as they did, people who were deactivated can log in, and keys "
            "that were created are missing, and passwords are those of then. Review Manage > Security > API keys, and "
            "Manage > Access > Users. Everybody has to log in again. Recovery codes are gone: whoever had some makes "
            "new ones under Account > Second factors."
        )
        if lost := resealing.unreadable():
            self.stdout.write(
                self.style.WARNING(
                    f"{lost} authenticator apps or webhooks can't be used: another SECRET_KEY sealed their secrets. "
                    "Put secret_key of that time into DATA_DIR, or set SECRET_KEY, before the start. Without it remove "
                    "the factors of these people (manage.py reset_factors), and type the addresses of webhooks again."
                )
            )
