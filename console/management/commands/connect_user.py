"""Connects a person with somebody at the provider of single sign-on."""

from typing import Any

from django.conf import settings
from django.core.management import CommandError, CommandParser

from apikeys.domain import Caller
from console.people.commands import PeopleCommand, find
from console.single_sign_on import identities
from console.single_sign_on.refusals import SomebodyElse


class Command(PeopleCommand):
    help = "Let a user log in with single sign-on, as the subject that the provider knows."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("subject", metavar="SUBJECT", help="the claim `sub` of the person at the provider")

    def act(self, caller: Caller, options: dict[str, Any]) -> None:
        if not settings.OIDC_ISSUER:
            raise CommandError("There is no single sign-on: OIDC_ISSUER is not set.")
        person = find(options["user"])
        try:
            identities.connect(caller, person, options["subject"])
        except SomebodyElse:
            raise CommandError("The user or the subject is connected already: manage.py disconnect_user.") from None
        self.stdout.write(f"{person.username} logs in as {options['subject']} of {settings.OIDC_NAME}.")
