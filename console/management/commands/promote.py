"""Makes a person an administrator."""

from typing import Any

from apikeys.domain import Caller
from console.people import changes
from console.people.commands import PeopleCommand, find


class Command(PeopleCommand):
    help = "Make a user an administrator."

    def act(self, caller: Caller, options: dict[str, Any]) -> None:
        person = changes.change(caller, find(options["user"]).iam_id, is_superuser=True)
        self.stdout.write(f"{person.username} is an administrator.")
