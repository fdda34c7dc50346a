"""What the manage.py commands about people share: an operator does what an administrator does on the pages."""

import os
import pwd
import secrets
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.views.decorators.debug import sensitive_variables

from apikeys.backends import store_traits
from apikeys.cli import keyfile
from apikeys.domain import Caller, Identity
from apikeys.exceptions import ApiKeyError, InvalidApiKey
from console.models import User, only_account
from console.people import links
from console.people.changes import Invited


def operator() -> Caller:
    """Return who runs a command as the caller of its change: nobody among the people, by the name at this machine."""
    identity = Identity("", only_account(), name=operator_name(), email="", is_administrator=True)
    return Caller(identity, agent="manage.py", correlation_id=secrets.token_hex(16))


def operator_name() -> str:
    """Return what events call whoever runs a command at this machine."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as somebody whom the system does not know
        name = str(os.getuid())
    return f"operator {name}"


class PeopleCommand(BaseCommand):
    """A command about one person; what is refused ends it with its sentence."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="USER", help="the user ID: what the person logs in with")

    def handle(self, *args: Any, **options: Any) -> None:
        if not store_traits().knows_values:
            raise CommandError("People are where the keys are: with APIKEYS_BACKEND=ibm-cloud this console has none.")
        try:
            self.act(operator(), options)
        except InvalidApiKey as exc:
            raise CommandError(f"{exc.field}: {exc}") from None
        except (ApiKeyError, keyfile.KeyFileError) as exc:
            raise CommandError(str(exc)) from None

    def act(self, caller: Caller, options: dict[str, Any]) -> None:
        """Do what the command is for. Raises ApiKeyError, KeyFileError, CommandError."""
        raise NotImplementedError


class LinkCommand(PeopleCommand):
    """A command whose result is a link to choose a password, which is told once."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--link-file",
            metavar="FILE",
            help="write the link to FILE, which must not exist and which only its owner can read",
        )

    @sensitive_variables("invited")
    def act(self, caller: Caller, options: dict[str, Any]) -> None:
        file = keyfile.reserve(options["link_file"]) if options["link_file"] else None
        try:
            invited = self.invite(caller, options)
        except BaseException:
            if file:
                file.remove()
            raise
        self.tell(invited, file)

    def invite(self, caller: Caller, options: dict[str, Any]) -> Invited:
        """Return the person, and the code of a new link for them. Raises ApiKeyError, CommandError."""
        raise NotImplementedError

    @sensitive_variables("invited", "link")
    def tell(self, invited: Invited, file: keyfile.ReservedFile | None) -> None:
        """Write the link, alone, to the file or to standard output, and what it is for to standard error."""
        link, user_id = links.url_of(invited.code), invited.person.username
        try:
            if file:
                file.write_text(f"{link}\n")
            else:
                self.stdout.write(link)
                self.stdout.flush()
        except OSError as exc:
            told = f"The link could not be written: {exc.strerror}. For another one: manage.py reset_password {user_id}"
            raise CommandError(told) from None
        told = f"With this link {user_id} chooses a password. It works once, and ends after a day."
        self.stderr.write(told, style_func=str)
        if not invited.person.is_active:
            self.stderr.write(f"{user_id} is deactivated: until that ends the link opens nothing.", style_func=str)


def find(user_id: str) -> User:
    """Return the person of a user ID. Raises CommandError for nobody."""
    person = User.objects.filter(username=User.normalize_username(user_id)).first()
    if person is None:
        raise CommandError(f"Nobody has the user ID {user_id}.")
    return person
