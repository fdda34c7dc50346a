"""Lets a person who was deactivated back, with all that hangs on them."""

from typing import Any

from apikeys.domain import Caller
from console.people import changes
from console.people.commands import PeopleCommand, find


class Command(PeopleCommand):
    help = "Let a user who was deactivated log in again; their API keys and service IDs work again."

    def act(self, caller: Caller, options: dict[str, Any]) -> None:
        person = changes.set_active(caller, find(options["user"]).iam_id, active=True)
        self.stdout.write(f"{person.username} can log in again. Their API keys and service IDs work again.")
