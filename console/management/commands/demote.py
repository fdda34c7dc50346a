"""Makes a person no administrator any more."""

from typing import Any

from apikeys.domain import Caller
from console.people import changes
from console.people.commands import PeopleCommand, find


class Command(PeopleCommand):
    help = "Make a user no administrator any more. The last one who can log in stays one."

    def act(self, caller: Caller, options: dict[str, Any]) -> None:
        person = changes.change(caller, find(options["user"]).iam_id, is_superuser=False)
        self.stdout.write(f"{person.username} is no administrator.")
