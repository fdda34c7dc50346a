"""What a mail says: its subject, what happened line by line, and what can be done, in the language that is active.

No subject has anything that somebody typed. The only address in a mail is that of the console's first page: nothing
happens by opening it, and whoever distrusts it types it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from apikeys.identity.tokens import REUSED
from apikeys.models import AuditEvent
from apikeys.services import activity_details
from console.active_sessions.devices import command_line_of, device_of
from console.brand import console_name
from console.mails.concerning import BY_GRANT
from console.mails.everybody import is_of_everybody
from console.mails.kinds import MailKind
from console.mails.quoting import plain, quoted
from console.moments import Moments

Words = tuple[str, str]  # what a line is about, and what it says


@dataclass(frozen=True, slots=True)
class Expiring:
    """A key that expires, or has."""

    key_id: str
    name: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Story:
    """What one mail tells: some of it one by one, `count` in all."""

    kind: MailKind
    count: int
    events: Sequence[AuditEvent] = ()
    keys: Sequence[Expiring] = field(default=())

    @property
    def others(self) -> int:
        """How many are not told one by one."""
        return max(0, self.count - len(self.events) - len(self.keys))


@dataclass(frozen=True, slots=True)
class Mail:
    subject: str
    body: str


def compose(story: Story) -> Mail:
    """Return the mail that tells a story."""
    subject = f"{_subject(story)} – {console_name()}"
    moments = Moments()
    told = [_told(_of_event(story.kind, event, moments)) for event in story.events]
    told += [_told(_of_key(key, moments)) for key in story.keys]
    if story.others:
        told.append(_others(story.others))
    parts = [*told, str(ADVICE[story.kind]), _where(), _why(story.kind)]
    return Mail(subject, "\n\n".join(parts) + "\n")


def of_former_address() -> Mail:
    """Return what the address is told that somebody had before."""
    subject = f"{_('Your e-mail address was changed')} – {console_name()}"
    told = _(
        "From now on mails about your account go to another address. If you did not expect this, tell an administrator "
        "at once."
    )
    return Mail(subject, "\n\n".join([told, _where(), _why(MailKind.SECURITY)]) + "\n")


def _subject(story: Story) -> str:
    one, many = SUBJECTS[story.kind]
    return str(one if story.count == 1 else many) % {"number": _number(story.count)}


def _same(words: Promise) -> tuple[Promise, Promise]:
    return words, words


# Of one, and of several.
SUBJECTS: dict[MailKind, tuple[Promise, Promise]] = {
    MailKind.SECURITY: _same(_lazy("Your account was changed")),
    MailKind.NEW_DEVICE: _same(_lazy("Log-in from a new device")),
    MailKind.ATTEMPTS: _same(_lazy("Too many attempts to log in as you")),
    MailKind.LEAKED: (_lazy("Your API key was found"), _lazy("Your API keys were found: %(number)s")),
    MailKind.DECOY: _same(_lazy("Your decoy was used")),
    MailKind.EXPIRING: (_lazy("Your API key expires"), _lazy("Your API keys expire: %(number)s")),
    MailKind.CREATED: (_lazy("API key created"), _lazy("API keys created: %(number)s")),
    MailKind.ROTATED: (_lazy("API key rotated"), _lazy("API keys rotated: %(number)s")),
    MailKind.DELETED: (_lazy("API key deleted"), _lazy("API keys deleted: %(number)s")),
    MailKind.CHANGED: _same(_lazy("Somebody else changed your API keys")),
    MailKind.ALARMS: _same(_lazy("Alarm: API key found, or decoy used")),
}
ADVICE: dict[MailKind, str | Promise] = {
    MailKind.SECURITY: _lazy(
        "If you did not expect this, change your password, end your other sessions and tell an administrator."
    ),
    MailKind.NEW_DEVICE: _lazy(
        "If that was not you, change your password at once, end your other sessions and tell an administrator."
    ),
    MailKind.ATTEMPTS: _lazy(
        "Nobody came in with these attempts. Where a device is known to be yours, you can still log in. A second "
        "factor keeps out whoever guesses your password."
    ),
    MailKind.LEAKED: _lazy(
        "Whoever has the value can do all that the API key may. Rotate or delete it now, and look at where it was used."
    ),
    MailKind.DECOY: _lazy(
        "No program uses a decoy: whoever did has been where you put it. Rotate what else is there, and look at the "
        "decoy's page for the address."
    ),
    MailKind.EXPIRING: _lazy(
        "What uses an API key is refused once it has expired. Rotate it, let it expire later, or leave it to expire "
        "where nothing uses it."
    ),
    MailKind.CREATED: _lazy("If you did not expect this, delete the API key and look at what else happened."),
    MailKind.ROTATED: _lazy("If you did not expect this, delete the API key and look at what else happened."),
    MailKind.DELETED: _lazy(
        "What used an API key is refused. One that was deleted by mistake can be restored for some time by whoever "
        "deleted it."
    ),
    MailKind.CHANGED: _lazy("If you did not expect this, ask whoever did it."),
    MailKind.ALARMS: _lazy("The owner is told, too, unless they chose otherwise. Look at where the API key was used."),
}


def _where() -> str:
    return _(
        "All that happened is in the console under Manage > Security > Activity. Type its address, or open it here:\n"
        "%(url)s"
    ) % {"url": f"{settings.PUBLIC_URL}/"}


def _why(kind: MailKind) -> str:
    if kind is MailKind.SECURITY:
        return _("Everybody gets mails of this kind. They never ask for a password, a code or the value of an API key.")
    return _(
        "In the console, Account > Mails is where you choose what you are told. They never ask for a password, "
        "a code or the value of an API key."
    )


def _others(number: int) -> str:
    return _("And %(number)s more.") % {"number": _number(number)}


def _number(number: int) -> str:
    return f"{number:,}"


def _told(words: Iterator[Words]) -> str:
    """Return one part of a mail: a line for each of what is told."""
    # Translators: what is told, and what it is, such as "API key: “backup”".
    return "\n".join(_("%(about)s: %(text)s") % {"about": about, "text": text} for about, text in words)


def _of_key(key: Expiring, moments: Moments) -> Iterator[Words]:
    yield _("API key"), f"{quoted(key.name)} ({key.key_id})"
    has_expired = key.expires_at <= moments.now
    yield (_("Expired") if has_expired else _("Expires")), moments.plain(key.expires_at)


def _of_event(kind: MailKind, event: AuditEvent, moments: Moments) -> Iterator[Words]:
    yield _("When"), moments.plain(event.event_time)
    yield _("What"), _what(event)
    if kind not in (MailKind.SECURITY, MailKind.NEW_DEVICE, MailKind.ATTEMPTS) and event.target_name:
        key_id = event.target_id.rpartition(":")[2]
        yield _("API key"), f"{quoted(event.target_name)} ({key_id})" if key_id else quoted(event.target_name)
    if kind is MailKind.NEW_DEVICE:
        is_program = event.request_data.get("by") in BY_GRANT
        yield _("Device"), plain(command_line_of(event.agent) if is_program else device_of(event.agent))
    elif event.initiator_name:
        yield _("By"), plain(event.initiator_name)
    if event.address:
        yield _("From"), plain(event.address)
    if (left := event.request_data.get("codes_left")) is not None:
        yield _("Recovery codes left"), _number(int(left))
    if times := event.request_data.get("times") or event.request_data.get("uses"):
        yield _("How often"), _number(int(times))


def _what(event: AuditEvent) -> str:
    """Return what happened to whoever reads it: how many keys of others there were is not theirs to know."""
    if is_of_everybody(event):
        return _("All API keys of everybody disabled, also yours and those of your service IDs")
    if event.reason == REUSED:
        return activity_details.why(event)
    return activity_details.what(event)
