"""The kinds of mails: what each is about, whether it is sent unless somebody says otherwise, and how often at most."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apikeys.services.activity_details import VALUES
from console.models import User


class MailKind(StrEnum):
    """What a mail is about, in the order of the page where people choose."""

    SECURITY = "security"
    NEW_DEVICE = "new_device"
    ATTEMPTS = "attempts"
    LEAKED = "leaked"
    DECOY = "decoy"
    EXPIRING = "expiring"
    CREATED = "created"
    ROTATED = "rotated"
    DELETED = "deleted"
    CHANGED = "changed"
    ALARMS = "alarms"


@dataclass(frozen=True, slots=True)
class About:
    """How a kind is sent. Mails of it to one person are `interval` apart: what happens meanwhile is told together.

    The first waits for `delay`, so that what is done at once is one mail.
    """

    title: str | Promise
    is_default: bool = True
    is_fixed: bool = False  # nobody can turn it off: whoever has taken over a session would
    is_for_administrators: bool = False
    delay: timedelta = timedelta(minutes=1)
    interval: timedelta = timedelta(minutes=10)


AT_ONCE = timedelta()

ABOUT = {
    MailKind.SECURITY: About(
        _(
            "My password, my second factors, my user or my choice here was changed, a recovery code was used, or the "
            "log-in of my command line may have been copied"
        ),
        is_fixed=True,
        delay=AT_ONCE,
        interval=timedelta(seconds=10),  # what one act brings about; whoever has a session can't hide more behind it
    ),
    MailKind.NEW_DEVICE: About(_("Somebody logged in as me from a new device"), delay=AT_ONCE),
    MailKind.ATTEMPTS: About(
        _("Too many attempts to log in as me"), delay=AT_ONCE, interval=timedelta(hours=12)
    ),  # by anybody: nobody's mailbox is to be filled so
    MailKind.LEAKED: About(_("One of my API keys was found where it should not be"), delay=AT_ONCE),
    MailKind.DECOY: About(_("Somebody used one of my decoys"), delay=AT_ONCE),
    MailKind.EXPIRING: About(
        _("One of my API keys expires in 14 days, in 3 days, or has expired"), interval=timedelta(hours=1)
    ),
    MailKind.CREATED: About(_("An API key of mine was created")),
    MailKind.ROTATED: About(_("An API key of mine was rotated")),
    MailKind.DELETED: About(_("An API key of mine was deleted")),
    MailKind.CHANGED: About(_("Somebody else, or a rule of the review, changed an API key of mine")),
    MailKind.ALARMS: About(
        _("Anybody's API key was found where it should not be, or anybody's decoy was used"),
        is_default=False,
        is_for_administrators=True,
        delay=AT_ONCE,
    ),
}


def name_in_activity() -> None:
    """Let the page of what happened call kinds of mails as the page where people choose them does."""
    titles = {kind.value: about.title for kind, about in ABOUT.items()}
    VALUES["on"] |= titles
    VALUES["off"] |= titles


def offered(person: User) -> list[MailKind]:
    """Return the kinds that somebody can get."""
    return [kind for kind, about in ABOUT.items() if person.is_superuser or not about.is_for_administrators]


def is_wanted(person: User, kind: MailKind) -> bool:
    """Tell whether somebody is to get a kind: as they chose, else as most people do. Who can't log in gets none."""
    about = ABOUT[kind]
    if not person.is_active or not person.email or (about.is_for_administrators and not person.is_superuser):
        return False
    return about.is_fixed or chosen(person, kind)


def chosen(person: User, kind: MailKind) -> bool:
    """Return what somebody chose of a kind, or what holds for who chose nothing."""
    return bool((person.mail_choices or {}).get(kind.value, ABOUT[kind].is_default))
