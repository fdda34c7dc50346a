"""What somebody chooses to be told by mail; each change with its audit event, which is told by mail in turn."""

from collections.abc import Collection
from typing import NamedTuple

from django.db import transaction

from apikeys import audit
from apikeys.domain import Caller
from console.mails.kinds import ABOUT, MailKind, chosen, offered
from console.mails.models import MailRefusal
from console.models import User


def choose(caller: Caller, person: User, wanted: Collection[str]) -> None:
    """Let a person get these kinds, and no others but those that nobody can turn off."""
    kinds = [kind for kind in offered(person) if not ABOUT[kind].is_fixed]
    changed = [kind for kind in kinds if chosen(person, kind) != (kind in wanted)]
    if not changed:
        return
    with transaction.atomic():
        person.mail_choices = (person.mail_choices or {}) | {kind.value: kind in wanted for kind in kinds}
        person.save(update_fields=["mail_choices"])
        on = ", ".join(kind for kind in changed if kind in wanted)
        off = ", ".join(kind for kind in changed if kind not in wanted)
        audit.record_person(
            caller, audit.PERSON_UPDATE, person.iam_id, person.username, changed="mails", on=on, off=off
        )


def refusal_of(person: User) -> MailRefusal | None:
    """Return that the mail server refused the address which somebody has now, None where it did not."""
    return MailRefusal.objects.filter(person=person.iam_id, address=person.email).first()


class Box(NamedTuple):
    """What the page offers of a kind."""

    kind: MailKind
    title: str
    is_on: bool
    is_fixed: bool


def boxes(person: User) -> list[Box]:
    """Return the kinds that somebody can get, as they are chosen now."""
    return [
        Box(kind, str(about.title), about.is_fixed or chosen(person, kind), about.is_fixed)
        for kind in offered(person)
        for about in (ABOUT[kind],)
    ]
