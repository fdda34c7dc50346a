"""Makes a link by which a person chooses another password."""

from typing import Any

from apikeys.domain import Caller
from console.people import changes
from console.people.changes import Invited
from console.people.commands import LinkCommand, find


class Command(LinkCommand):
    help = (
        "Print a link by which a user chooses another password: it works once, and ends after a day. The present "
        "password works until then; an earlier link ends."
    )

    def invite(self, caller: Caller, options: dict[str, Any]) -> Invited:
        return changes.new_link(caller, find(options["user"]).iam_id)
