"""Moves an installation from SQLite to PostgreSQL, or back."""

import time
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import BaseCommand, CommandError, CommandParser, call_command

from apikeys.identity import peppers
from console.copy_store import copying, holding
from console.copy_store.copying import SOURCE, TARGET
from console.copy_store.progress import Progress
from console.database import database
from console.env import env_secret
from console.exceptions import Unfit


class Command(BaseCommand):
    help = (
        "Copy a whole store from the database that COPY_FROM names, console.sqlite3 in DATA_DIR unless set, to that of "
        "DATABASE_URL. Interrupted, it goes on where it was; at the end both are compared by counts and digests."
    )
    # They would look at a target that is not there yet.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--afresh", action="store_true", help="empty a target that holds an unfinished copy, and begin again"
        )

    def handle(self, *args: Any, afresh: bool, **options: Any) -> None:
        began = time.monotonic()
        try:
            with holding.source(source_setting()), holding.target(self.waits):
                done = self.copy(afresh)
        except Unfit as exc:
            raise CommandError(str(exc)) from exc
        self.say(f"{done} ({time.monotonic() - began:,.0f} s)")

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def waits(self) -> None:
        self.say("Another start or copy has the target: waiting for it.")

    def copy(self, afresh: bool) -> str:
        """Copy what is left to copy, compare everything, and return what was done."""
        self.say(f"From {holding.place(SOURCE)} to {holding.place(TARGET)}")
        refuse_foreign_source()
        if not self.begun(afresh):
            call_command("migrate", interactive=False, verbosity=0)
            if copying.holds_data():
                return self.nothing_left()
            copying.begin()
        self.copy_rows()
        rows = self.compare("Was the source changed between two runs? Then run this again with --afresh.")
        copying.finish()
        return (
            f"Done: {rows:,} rows, the same in both. The secrets of DATA_DIR and of the settings were not copied: the "
            "console needs them as before. Keep the source until you have seen the console on the target."
        )

    def begun(self, afresh: bool) -> bool:
        """Tell whether the target holds a part of this copy, to which the rest is added."""
        copied = copying.reached().get(SOURCE)
        if copied is None:
            return False
        if afresh:
            call_command("migrate", interactive=False, verbosity=0)
            copying.forget()
            call_command("flush", interactive=False, verbosity=0)
            return False
        if copied != copying.installation() or not copying.is_of_this_release(TARGET):
            raise Unfit(
                "The target holds an unfinished copy of another console, or by another release: use another target, or "
                "--afresh."
            )
        self.say("An interrupted copy goes on.")
        return True

    def copy_rows(self) -> None:
        there, here = copying.counts(SOURCE), copying.counts(TARGET)
        progress = Progress(self.stdout, sum(there.values()))
        copying.hurry()
        for table, rows in there.items():
            progress.skip(here[table])
            copying.copy_table(table, progress.passed)
            if rows:
                progress.say(f"Copied {rows:,} of {copying.name_of(table)}")

    def nothing_left(self) -> str:
        """Return that the target is a copy already. Raises Unfit where it is not."""
        advice = "The target holds other data: use an empty database."
        if copying.counts(SOURCE) != copying.counts(TARGET):
            raise Unfit(advice)
        rows = self.compare(advice)
        return f"Nothing is left to do: {rows:,} rows are the same in both."

    def compare(self, advice: str) -> int:
        """Return how many rows are the same in both. Raises Unfit, with `advice`, where any is not."""
        progress = Progress(self.stdout, 2 * sum(copying.counts(SOURCE).values()))
        different = []
        for table in copying.tables():
            there, here = (copying.content(table, alias, progress.passed) for alias in (SOURCE, TARGET))
            name = copying.name_of(table)
            if there != here:
                different.append(name)
            elif there.rows:
                progress.say(f"Compared {there.rows:,} of {name}: digest {there}")
        if different:
            raise Unfit(f"Source and target differ in {', '.join(different)}. {advice}")
        return progress.done // 2


def source_setting() -> dict[str, Any]:
    try:
        return database(env_secret("COPY_FROM"), settings.SQLITE_FILE)
    except ImproperlyConfigured as exc:
        raise CommandError(str(exc).replace("DATABASE_URL", "COPY_FROM")) from exc


def refuse_foreign_source() -> None:
    """Raise Unfit where this release, or these secrets, are not those of the source."""
    if not copying.is_of_this_release(SOURCE):
        raise Unfit(
            "The source is no store of this release: start the console of this release on it once and stop it, then "
            "run this again."
        )
    if missing := peppers.contradicted(SOURCE):
        numbers = ", ".join(map(str, missing))
        raise Unfit(
            f"Pepper {numbers} of the source is missing, or is another one: with these no key would work. Restore "
            "DATA_DIR/peppers or APIKEYS_PEPPERS."
        )
