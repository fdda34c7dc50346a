"""Gives the console another pepper in steps, of which none refuses a key."""

import secrets
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser
from django.db import transaction

from apikeys import audit
from apikeys.audit import chain
from apikeys.identity import peppers
from apikeys.values import Peppers
from console.env import read_private, write_private
from console.locks import folder_locked
from console.people.commands import operator

BYTES = 32
RESTART = "Restart every console, one after the other"


class Command(BaseCommand):
    help = (
        "Begin to rotate the peppers in DATA_DIR or, once every console was restarted, store keys under the new one. "
        "Keys move to it when they are used; --forget removes the peppers that no key needs any more."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        steps = parser.add_mutually_exclusive_group()
        steps.add_argument("--at-once", action="store_true", help="both steps, where there is one console only")
        steps.add_argument("--forget", action="store_true", help="remove older peppers that no key is stored under")

    def handle(self, *args: Any, at_once: bool, forget: bool, **options: Any) -> None:
        if not settings.PEPPERS_ARE_GENERATED:
            raise CommandError(
                "APIKEYS_PEPPERS is set: add ,next:NUMBER:HEX with a higher number and restart every console, then "
                "take out next: and restart every console again. manage.py peppers says when an older one can go."
            )
        path = settings.PEPPERS_FILE
        with folder_locked(settings.DATA_DIR), transaction.atomic():  # no change without its event
            known = Peppers.parse(read_private(path, path.name))
            before = known
            known, done = self.forget(known) if forget else self.step(known, at_once)
            for number in known.by_number.keys() - before.by_number.keys():
                audit.record(operator(), audit.PEPPER_CREATE, target_name=str(number))
            for number in before.by_number.keys() - known.by_number.keys():
                audit.record(operator(), audit.PEPPER_DELETE, target_name=str(number))
            write_private(path, known.line() + "\n")
        self.stdout.write(done)

    def step(self, known: Peppers, at_once: bool) -> tuple[Peppers, str]:
        """Return what the file is to hold, and what is to be done then."""
        if not known.coming:
            number = known.newest + 1
            known = Peppers(known.by_number | {number: secrets.token_bytes(BYTES)}, frozenset({number}))
            if not at_once:
                return known, f"Pepper {number} is known, and nothing stored under it. {RESTART}, then run this again."
        known = Peppers(known.by_number)
        return known, (
            f"Pepper {known.newest} is the newest. {RESTART}. Back it up. Keys move to it when they are used: "
            "`manage.py peppers` counts the others, and --forget removes peppers without keys."
        )

    def forget(self, known: Peppers) -> tuple[Peppers, str]:
        keys = peppers.usage()
        needed = {number for number in known.by_number if number >= known.newest or keys.get(number)}
        gone = sorted(known.by_number.keys() - needed)
        chain.move_key()
        if not gone:
            return known, "Each pepper is needed: `manage.py peppers` counts the keys under it."
        numbers = ", ".join(map(str, gone))
        left = Peppers({number: known.by_number[number] for number in sorted(needed)}, known.coming)
        return left, f"Removed: {numbers}. Backups from before need what was removed. {RESTART}."
