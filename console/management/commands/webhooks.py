"""Webhooks for operators; with keys upstream, where nobody administers this console on its pages, the only way."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.management import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from apikeys.audit.catalogue import EventKind
from apikeys.exceptions import ApiKeyError
from console.people.commands import operator
from console.webhooks import changes
from console.webhooks.changes import Draft, Signing
from console.webhooks.models import Webhook


class Command(BaseCommand):
    help = "List webhooks, or make, test, repeat, disable, enable and delete one; docs/webhooks.md."

    def add_arguments(self, parser: CommandParser) -> None:
        steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
        steps.add_parser("list", help="each webhook with its id, receiver and state")
        create = steps.add_parser("create", help="make a webhook, and print its secret, which is told only now")
        create.add_argument("name", metavar="NAME")
        create.add_argument("url", metavar="URL")
        create.add_argument(
            "--kind", action="append", default=[], choices=[*map(str, EventKind)], help="of events; all, without it"
        )
        for step, words in (
            ("test", "send a test"),
            ("secret", "make another secret, and print it; the one before signs, too, for a day"),
            ("since", "send everything again that happened since a moment"),
            ("disable", "send nothing any more"),
            ("enable", "send again, from now on"),
            ("delete", "delete a webhook, and what waits for it"),
        ):
            one = steps.add_parser(step, help=words)
            one.add_argument("id", metavar="ID", type=UUID)
            if step == "secret":
                one.add_argument("--at-once", action="store_true", help="the secret before stops signing at once")
            if step == "since":
                one.add_argument("moment", metavar="MOMENT", type=moment, help="such as 2026-01-31T09:30")

    def handle(self, *args: Any, step: str, **options: Any) -> None:
        try:
            self.act(step, options)
        except ApiKeyError as exc:
            raise CommandError(str(exc)) from None

    @sensitive_variables("options", "made")
    def act(self, step: str, options: dict[str, Any]) -> None:
        """Do one step. Raises ApiKeyError."""
        caller = operator()
        if step == "list":
            for webhook in changes.listed(caller):
                self.stdout.write(f"{webhook.id}  {state_of(webhook):10}  {webhook.host}  {webhook.name}")
        elif step == "create":
            kinds = tuple(map(EventKind, options["kind"]))
            made = changes.create(caller, Draft(options["name"], options["url"], kinds))
            self.tell(made, "is made")
        elif step == "secret":
            self.tell(changes.new_secret(caller, options["id"], at_once=options["at_once"]), "has another secret")
        else:
            self.stdout.write(f"{self.done(step, options).name}: done.")

    def done(self, step: str, options: dict[str, Any]) -> Webhook:
        """Do a step that tells no secret. Raises ApiKeyError."""
        caller, webhook_id = operator(), options["id"]
        if step == "test":
            return changes.send_test(caller, webhook_id)
        if step == "since":
            return changes.send_again_since(caller, webhook_id, options["moment"])
        if step == "delete":
            return changes.delete(caller, webhook_id)
        return changes.set_enabled(caller, webhook_id, enabled=step == "enable")

    @sensitive_variables("made")
    def tell(self, made: Signing, what: str) -> None:
        self.stdout.write(f"{made.webhook.id} {what}. Give its receiver this secret, which is told only now:")
        self.stdout.write(made.secret)


def moment(text: str) -> datetime:
    """Return a moment in ISO 8601, in UTC where it names no offset. Raises ValueError."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else timezone.make_aware(found)


def state_of(webhook: Webhook) -> str:
    if not webhook.enabled:
        return "disabled"
    return "failing" if webhook.failing_since else "enabled"
