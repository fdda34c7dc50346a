"""Audit events: a change that can't be audited does not happen."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from functools import cache
from typing import Any, Protocol

from django.db import transaction

from apikeys import values
from apikeys.audit import chain, lines
from apikeys.audit.catalogue import EventKind, actions_of, of_owner, severity_of
from apikeys.backends import store_traits
from apikeys.domain import API_KEY_ID, IAM_ID, SERVICE_ID, ApiKey, Caller, Identity, ServiceId, api_key_crn
from apikeys.exceptions import ApiKeyError
from apikeys.models import AuditEvent
from apikeys.storage.reserve import revocation
from apikeys.storage.statements import Columns, Row, Statement, table

NOBODY = Identity(iam_id="", account_id="", name="", email="")  # who has not shown who they are

SUCCESS, FAILURE = "success", "failure"
# Of an upstream store: what is about to be asked, and a change that may have been made although no answer came.
PENDING, UNKNOWN = "pending", "unknown"
NOT_AN_ID = "(not an id)"
NAMES = ("instance_name", "prev_instance_name")
RECENT = ("id", "event_time", "action", "outcome", "address", "target_name")
PERSON = re.compile(r"IBMid-[A-Z0-9]{10}")


class Person(Protocol):
    """A person as the project around this app keeps them."""

    @property
    def iam_id(self) -> str: ...

    @property
    def username(self) -> str: ...


class Step:
    """One change under way. It ends with `record`, or says by `record_nothing` why not."""

    def __init__(self, caller: Caller, action: str, *, revokes: bool, told: dict[str, Any]) -> None:
        self.caller, self.action, self.revokes, self.told = caller, action, revokes, told
        self.is_accounted_for = False

    def record(self, target: ApiKey | ServiceId | None, **data: Any) -> None:
        """Write the event of the change, which was made to `target`, None where that is the account."""
        self.is_accounted_for = True
        write = revocation(record) if self.revokes else record
        write(self.caller, self.action, target=target, **self.told, **data)

    def record_person(self, person: Person, **data: Any) -> None:
        """Write the event of the change, which was made to a person."""
        self.record(None, target_id=person.iam_id, target_name=person.username, **data)

    def record_nothing(self) -> None:
        """End without an event: an earlier request recorded the change, or it could only be logged."""
        self.is_accounted_for = True


@contextmanager
def change(
    caller: Caller,
    action: str,
    target_id: str = "",
    target_name: str = "",
    *,
    revokes: bool = False,
    is_here: bool = False,
    **told: Any,
) -> Iterator[Step]:
    """Make one change together with its audit event, and audit its refusal; both events have what is `told`.

    The code inside hands what was changed to the step. Leaving without that is an error of the program: RuntimeError.
    Where the store is this database, change and event are one transaction. Where it is upstream no transaction can
    hold both, and none is held open while it is waited for: an event that says what is about to be asked comes
    first, so that a change that can't be audited does not happen. What `is_here` is in this database anyway.
    The event of a change that `revokes` access finds room on a full disk, without the change being made again.
    """
    step, is_upstream = Step(caller, action, revokes=revokes, told=told), store_traits().is_upstream and not is_here
    try:
        with nullcontext() if is_upstream else transaction.atomic():
            if is_upstream:
                record(caller, action, target_id=target_id, target_name=target_name, outcome=PENDING)
            yield step
            if not step.is_accounted_for:
                raise RuntimeError(f"{action} ended without its audit event.")
    except ApiKeyError as exc:
        exc.is_audited = True
        outcome = UNKNOWN if exc.may_have_happened else FAILURE
        reason = type(exc).__name__
        record(caller, action, target_id=target_id, target_name=target_name, reason=reason, outcome=outcome, **told)
        raise


def record(
    caller: Caller,
    action: str,
    *,
    target: ApiKey | ServiceId | None = None,
    target_id: str = "",
    target_name: str = "",
    reason: str = "",
    outcome: str = "",
    concerns: str = "",
    when: datetime | None = None,
    **data: object,
) -> None:
    """Write one event. `reason` says why the action was refused; without one, and without `outcome`, it succeeded.

    It happened now, unless `when` says otherwise. `concerns` is the IAM ID of whom it concerns, where the target does
    not tell that.

    The events of one attempt have the same correlation id. Whatever a client sent is masked: values come to be where
    nobody expects them, in an id, a header or a name.
    """
    event = event_of(
        caller,
        action,
        target=target,
        target_id=target_id,
        target_name=target_name,
        reason=reason,
        outcome=outcome,
        **data,
    )
    event.event_time = when or event.event_time
    event.concerns = _concerned(caller, target, concerns or event.target_id)
    event.code = chain.code_of(event)
    event.save(force_insert=True)
    lines.emit(event)


def tell(caller: Caller, action: str, *, target_id: str, target_name: str) -> None:
    """Tell of something with the caller's own key that is too frequent for a row: one line, where AUDIT_LOG says."""
    action = of_owner(action, caller.identity.iam_id)
    lines.emit(event_of(caller, action, target_id=target_id, target_name=target_name))


def event_of(
    caller: Caller,
    action: str,
    *,
    target: ApiKey | ServiceId | None = None,
    target_id: str = "",
    target_name: str = "",
    reason: str = "",
    outcome: str = "",
    **data: object,
) -> AuditEvent:
    """Return what `record` writes, with everything masked that a client sent."""
    told = {name: _masked(name, value) for name, value in data.items()}
    if caller.client_correlation_id:
        told["client_correlation_id"] = values.mask_correlation_id(caller.client_correlation_id)
    if isinstance(target, ApiKey):
        action = of_owner(action, target.iam_id)
    return AuditEvent(
        action=action,
        outcome=outcome or (FAILURE if reason else SUCCESS),
        severity=severity_of(action, failed=bool(reason)),
        reason=reason,
        initiator_id=caller.identity.iam_id,
        initiator_name=values.mask(caller.identity.name)[:255],
        address=caller.address,
        agent=values.mask_agent(caller.agent)[:255],
        correlation_id=caller.correlation_id,
        target_id=target.crn if target else _as_stored(caller, target_id),
        target_name=values.mask(target.name if target else target_name).replace("\0", "\ufffd"),  # for PostgreSQL
        request_data=told,
    )


def record_person(
    caller: Caller, action: str, iam_id: str, user_id: str = "", *, reason: str = "", **data: Any
) -> None:
    """Write one event about a person; `reason` says why a change was refused."""
    record(caller, action, target_id=iam_id, target_name=user_id, reason=reason, **data)


def _concerned(caller: Caller, target: ApiKey | ServiceId | None, otherwise: str) -> str | None:
    """Return the IAM ID of somebody else than the caller whom an event concerns, None where it concerns nobody else."""
    owner = target.managed_by if isinstance(target, ServiceId) else target.iam_id if target else ""
    found = owner or otherwise
    is_somebody = IAM_ID.fullmatch(found) is not None
    return found if is_somebody and found != caller.identity.iam_id else None


def _as_stored(caller: Caller, object_id: str) -> str:
    """Return what stands for an object that a client asked for; a text that is no id may be a value."""
    if API_KEY_ID.fullmatch(object_id):
        return api_key_crn(caller.identity.account_id, object_id)
    if PERSON.fullmatch(object_id):
        return object_id
    return object_id if not object_id or SERVICE_ID.fullmatch(object_id) else NOT_AN_ID


def _masked(name: str, told: object) -> object:
    if not isinstance(told, str):
        return told
    # People give names long words, and see them in the list all the same.
    return values.mask(told) if name in NAMES else values.mask_sent(told)


def recent(iam_id: str, limit: int) -> list[Row]:
    """Return what an identity did lately, newest first, without log-ins, and what is only about to be asked.

    Of each there is what RECENT names.
    """
    statement, events = _of_initiator()
    return [events.row(part) for [part] in statement.rows([iam_id, PENDING, *actions_of(EventKind.LOG_INS), limit])]


@cache
def _of_initiator() -> tuple[Statement, Columns]:
    events = Columns(AuditEvent, "event", RECENT)
    log_ins = ", ".join("%s" for _action in actions_of(EventKind.LOG_INS))
    sql = (
        f"SELECT {events} FROM {table(AuditEvent, 'event')} "  # nosec B608  # names of the model
        "WHERE event.initiator_id = %s AND event.outcome <> %s "
        f"AND event.action NOT IN ({log_ins}) ORDER BY event.event_time DESC LIMIT %s"
    )
    return Statement(sql, events), events
