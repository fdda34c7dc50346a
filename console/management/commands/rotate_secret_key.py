"""Gives the console another SECRET_KEY in steps, of which none refuses a request or ends a session."""

import secrets
import time
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser
from django.db import transaction

from apikeys import audit
from console import resealing
from console.locks import folder_locked
from console.people.commands import operator
from console.secret_keys import SecretKeys

BYTES = 64
RESTART = "Restart every console, one after the other"


class Command(BaseCommand):
    help = (
        "Begin to rotate the SECRET_KEY in DATA_DIR or, once every console was restarted, change to the new one; the "
        "former one goes on opening what it made. A day later --forget removes it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        steps = parser.add_mutually_exclusive_group()
        steps.add_argument("--at-once", action="store_true", help="both steps, where there is one console only")
        steps.add_argument("--forget", action="store_true", help="seal again what former keys sealed, and remove them")

    def handle(self, *args: Any, at_once: bool, forget: bool, **options: Any) -> None:
        with folder_locked(settings.DATA_DIR), transaction.atomic():  # no change without its event
            if forget:
                done = self.forget()
            elif settings.SECRET_KEY_IS_GENERATED:
                done = self.step(at_once)
            else:
                raise CommandError(
                    "SECRET_KEY is set: put a new key into SECRET_KEY_FALLBACKS and restart every console, then let "
                    "the two change places and restart every console again; a day later run this with --forget."
                )
        self.stdout.write(done)

    def step(self, at_once: bool) -> str:
        path = settings.SECRET_KEY_FILE
        keys = SecretKeys.read(path)
        if not keys.coming:
            keys = keys.begin(secrets.token_urlsafe(BYTES))
            if not at_once:
                audit.record(operator(), audit.SECRET_KEY_UPDATE, step="announced")
                keys.write(path)
                return f"A new key is in {path}, and opens what is made with it. {RESTART}, then run this again."
        audit.record(operator(), audit.SECRET_KEY_UPDATE, step="changed")
        keys.change().write(path)
        return f"The new key is the SECRET_KEY. {RESTART}; in a day run this with --forget."

    def forget(self) -> str:
        if not settings.SECRET_KEY_IS_GENERATED:
            return f"{self.sealed_again()} Once SECRET_KEY has been the new one for a day, SECRET_KEY_FALLBACKS can go."
        path = settings.SECRET_KEY_FILE
        keys = SecretKeys.read(path)
        if not keys.former:
            return "There is no former key."
        until = path.stat().st_mtime + settings.SESSION_COOKIE_AGE
        if time.time() < until:
            raise CommandError(
                f"Sessions that the former key made may last until {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} "
                "UTC: run this after that."
            )
        said = self.sealed_again()
        audit.record(operator(), audit.SECRET_KEY_UPDATE, step="former forgotten")
        keys.forget().write(path)
        return f"{said} No former key is left in {path}. {RESTART}."

    def sealed_again(self) -> str:
        return f"Sealed again under the SECRET_KEY: {resealing.seal_again()}."
