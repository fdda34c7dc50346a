"""Ends that a person logs in with single sign-on."""

from typing import Any

from apikeys.domain import Caller
from console.people.commands import PeopleCommand, find
from console.single_sign_on import identities


class Command(PeopleCommand):
    help = "End that a user logs in with single sign-on, and their sessions."

    def act(self, caller: Caller, options: dict[str, Any]) -> None:
        person = find(options["user"])
        identities.disconnect(caller, person, may_lock_out=True)
        self.stdout.write(f"{person.username} does not log in with single sign-on any more.")
