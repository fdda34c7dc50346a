"""Removes the second factors of a person who lost them."""

from typing import Any

from apikeys.domain import Caller
from console.people import changes
from console.people.commands import PeopleCommand, find


class Command(PeopleCommand):
    help = "Remove all second factors of a user, and end their sessions."

    def act(self, caller: Caller, options: dict[str, Any]) -> None:
        person = changes.reset_factors(caller, find(options["user"]).iam_id)
        self.stdout.write(f"{person.username} has no second factor any more, and is logged out everywhere.")
