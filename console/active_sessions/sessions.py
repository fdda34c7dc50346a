"""Sessions of a person's browsers and log-ins of their command line: which there are, and how they end."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from apikeys import audit
from apikeys.domain import Caller
from apikeys.identity import log_ins
from apikeys.storage.reserve import revocation
from apikeys.upstream import sessions as upstream
from console.active_sessions.devices import command_line_of, device_of
from console.models import Passcode, Session, User


@dataclass(frozen=True, slots=True)
class Listed:
    """A session of a browser, or a log-in of the command line; `id` names it to `end`."""

    id: str
    device: str
    address: str
    began_at: datetime | None
    last_used_at: datetime | None
    is_this: bool = False


def sessions_of(person: User, this: str = "") -> list[Listed]:
    """Return a person's, the latest first; `this` is how the store calls the session that asks, which comes before all.

    A session that the release before wrote is not among them until its next request.
    """
    now = timezone.now()
    rows = [row for row in Session.objects.filter(user_id=person.pk) if row.lives_at(now)]
    found = [_of_browser(row, this) for row in rows]
    found += [_of_command_line(log_in) for log_in in log_ins.log_ins_of(person)]
    return sorted(found, key=lambda listed: (listed.is_this, listed.last_used_at or now), reverse=True)


@revocation
def end(caller: Caller, person: User, session_id: str) -> None:
    """End one session or log-in of a person; nothing happens where they have it no more."""
    with transaction.atomic():
        number = _end_browsers(person, [session_id]) or log_ins.end(person.iam_id, _family(session_id))
        if number:
            audit.record_person(caller, audit.SESSION_DELETE, person.iam_id, person.username, sessions=number)


@revocation
def end_all(caller: Caller, person: User, *, but: str = "") -> int:
    """End all sessions and log-ins of a person but one, which is how the store calls it; return how many were ended.

    A passcode that could begin another one ends with them.
    """
    with transaction.atomic():
        person.locked()  # a passcode that is being exchanged has brought a log-in, or brings none
        Passcode.objects.filter(user=person).delete()
        keys = Session.objects.filter(user_id=person.pk).exclude(session_key=but).values_list("session_key", flat=True)
        number = _end_browsers(person, list(keys)) + log_ins.end(person.iam_id)
        if number:
            audit.record_person(caller, audit.SESSION_DELETE, person.iam_id, person.username, sessions=number)
    return number


def _end_browsers(person: User, keys: list[str]) -> int:
    number, _by_model = Session.objects.filter(user_id=person.pk, session_key__in=keys).delete()
    if number:
        for key in keys:
            upstream.end_stored(key)
    return number


def _family(session_id: str) -> uuid.UUID:
    """Return the log-in that is called so, one that nobody has for what is no name of one."""
    try:
        return uuid.UUID(session_id)
    except ValueError:
        return uuid.UUID(int=0)


def _of_browser(row: Session, this: str) -> Listed:
    device = device_of(row.agent or "")
    return Listed(row.session_key, device, row.address or "", row.began_at, row.last_used_at, row.session_key == this)


def _of_command_line(log_in: log_ins.LogIn) -> Listed:
    device = command_line_of(log_in.agent)
    return Listed(str(log_in.id), device, log_in.address, log_in.began_at, log_in.renewed_at)
