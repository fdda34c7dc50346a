"""Refuses a person, and all that hangs on them, from now on."""

from typing import Any

from apikeys.domain import Caller
from console.people import changes
from console.people.commands import PeopleCommand, find


class Command(PeopleCommand):
    help = "Refuse a user from now on, with their sessions, API keys, tokens and service IDs."

    def act(self, caller: Caller, options: dict[str, Any]) -> None:
        person = changes.set_active(caller, find(options["user"]).iam_id, active=False)
        self.stdout.write(
            f"{person.username} is deactivated. Sessions, API keys, tokens and service IDs are refused from now on."
        )
