"""Makes a person, and a link by which they choose a password."""

from typing import Any

from django.core.management import CommandParser

from apikeys.domain import Caller
from console.people import changes
from console.people.changes import Invited
from console.people.commands import LinkCommand


class Command(LinkCommand):
    help = "Create a user, and print a link by which they choose a password: it works once, and ends after a day."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--first-name", default="")
        parser.add_argument("--last-name", default="")
        parser.add_argument("--email", default="")
        parser.add_argument("--administrator", action="store_true", help="make them an administrator")
        parser.add_argument(
            "--no-keys", action="store_true", help="let them create no API keys where the rules leave that to some"
        )

    def invite(self, caller: Caller, options: dict[str, Any]) -> Invited:
        return changes.create(
            caller,
            username=options["user"],
            **{name: options[name] for name in ("first_name", "last_name", "email")},
            is_superuser=options["administrator"],
            may_create_keys=not options["no_keys"],
        )
