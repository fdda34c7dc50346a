"""Whom an audit event concerns, and which kind of mail tells them; of what is routine, and of most refusals, none."""

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from apikeys import audit
from apikeys.audit.recording import PERSON
from apikeys.domain import SERVICE_ID
from apikeys.identity.tokens import REUSED
from apikeys.models import AuditEvent
from apikeys.services.activity_details import OF_FACTORS
from apikeys.services.leaks import REPORTER
from console.factors.proofs import RECOVERY
from console.mails.kinds import MailKind

ADMINISTRATORS = "administrators"  # in place of an IAM ID
OF_KEYS = {audit.CREATE: MailKind.CREATED, audit.ROTATE: MailKind.ROTATED, audit.DELETE: MailKind.DELETED}
BY_OTHERS = (audit.UPDATE, audit.RESTORE, audit.REVOKE)
OF_PERSONS = (audit.PERSON_UPDATE, audit.PERSON_PASSWORD, audit.SESSION_DELETE, *OF_FACTORS)
ACTIONS = (*OF_KEYS, *BY_OTHERS, *OF_PERSONS, audit.DECOY, audit.LOG_IN, audit.PROOF, audit.LIMIT)
BY_GRANT = ("password grant", "passcode grant")  # log-ins of the command line
LOOKS_BACK = timedelta(days=180)  # as long as a browser is remembered
LOOKED_AT = 1000  # earlier events of a person, the latest first


class Concern(NamedTuple):
    """Who is told, and of which kind that is. `to` is the IAM ID of a person or a service ID, or ADMINISTRATORS."""

    to: str
    kind: MailKind


def concerned(event: AuditEvent) -> Iterator[Concern]:
    """Yield who is told of an event; of a service ID's key that is its service ID."""
    is_success = event.outcome == audit.SUCCESS
    whom = event.concerns or event.initiator_id
    if SERVICE_ID.fullmatch(whom):  # all keys of one were revoked, which has it as the target
        whom = f"iam-{whom}"
    if audit.plain(event.action) == audit.DECOY:
        yield Concern(whom, MailKind.DECOY)
        yield Concern(ADMINISTRATORS, MailKind.ALARMS)
    elif audit.plain(event.action) == audit.LIMIT and PERSON.fullmatch(event.target_id):
        yield Concern(event.target_id, MailKind.ATTEMPTS)
    elif event.reason == REUSED and PERSON.fullmatch(event.target_id):
        yield Concern(event.target_id, MailKind.SECURITY)
    elif not is_success:
        return
    elif audit.plain(event.action) in OF_PERSONS:
        yield from _of_person(event, whom)
    elif audit.plain(event.action) in (audit.LOG_IN, audit.PROOF):
        yield from _of_log_in(event)
    elif audit.plain(event.action) in (audit.UPDATE, audit.DELETE) and is_leak(event):
        yield Concern(whom, MailKind.LEAKED)
        yield Concern(ADMINISTRATORS, MailKind.ALARMS)
    elif audit.plain(event.action) in OF_KEYS:
        yield Concern(whom, OF_KEYS[audit.plain(event.action)])
    elif audit.plain(event.action) in BY_OTHERS and event.concerns and not _is_a_look(event):
        yield Concern(whom, MailKind.CHANGED)


def _of_person(event: AuditEvent, whom: str) -> Iterator[Concern]:
    """Yield whom a change of a person concerns. Who ends sessions of their own knows it."""
    is_told_otherwise = audit.plain(event.action) == audit.SESSION_DELETE and not event.concerns
    if not is_told_otherwise and event.request_data.get("active") is not False:  # who can't log in gets no mails
        yield Concern(whom, MailKind.SECURITY)


def _of_log_in(event: AuditEvent) -> Iterator[Concern]:
    """Yield who came in, where that is news: somebody with a code from where it was kept, or on another device."""
    if event.request_data.get("factor") == RECOVERY:
        yield Concern(event.initiator_id, MailKind.SECURITY)
    if audit.plain(event.action) == audit.LOG_IN and is_from_new_device(event):
        yield Concern(event.initiator_id, MailKind.NEW_DEVICE)


def is_leak(event: AuditEvent) -> bool:
    """Tell whether an event is about a value in the wrong hands: of a leak report, or brought by whoever found it."""
    return event.initiator_id == REPORTER.iam_id or "found_value" in event.request_data


def _is_a_look(event: AuditEvent) -> bool:
    """Tell whether a key is as it was: somebody has seen its alarm."""
    return "alarm" in event.request_data


def is_from_new_device(event: AuditEvent) -> bool:
    """Tell whether a person had not logged in so before: with this browser, or by command line from this address."""
    if event.request_data.get("by") not in BY_GRANT:
        return "new_device" in event.request_data
    since = event.event_time - LOOKS_BACK
    earlier = AuditEvent.objects.filter(
        initiator_id=event.initiator_id, event_time__gte=since, event_time__lt=event.event_time
    )
    told = earlier.order_by("-event_time").values_list("action", "outcome", "address")[:LOOKED_AT]
    return (audit.LOG_IN, audit.SUCCESS, event.address) not in set(told)
