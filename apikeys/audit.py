"""Audit events: a change that can't be audited does not happen; apikeys/changes.py says in which order."""

from apikeys.domain import ApiKey, Caller, ServiceId
from apikeys.models import AuditEvent

CREATE = "iam-identity.user-apikey.create"
UPDATE = "iam-identity.user-apikey.update"
DELETE = "iam-identity.user-apikey.delete"

SERVICE_ID_CREATE = "iam-identity.account-serviceid.create"
SERVICE_ID_UPDATE = "iam-identity.account-serviceid.update"
SERVICE_ID_DELETE = "iam-identity.account-serviceid.delete"

SUCCESS, FAILURE = "success", "failure"
# Of a store elsewhere: what is about to be asked, and what nobody knows the end of.
PENDING, UNKNOWN = "pending", "unknown"
SEVERITIES = {"create": "critical", "update": "warning", "delete": "critical"}


def record(
    caller: Caller,
    action: str,
    *,
    target: ApiKey | ServiceId | None = None,
    target_id: str = "",
    target_name: str = "",
    reason: str = "",
    outcome: str = "",
    **data: object,
) -> None:
    """Write one event. `reason` says why the action was refused; without one, and without `outcome`, it succeeded.

    The events of one attempt have the same correlation id.
    """
    AuditEvent.objects.create(
        action=action,
        outcome=outcome or (FAILURE if reason else SUCCESS),
        severity="warning" if reason else SEVERITIES[action.rpartition(".")[2]],
        reason=reason,
        initiator_id=caller.identity.iam_id,
        initiator_name=caller.identity.name[:255],
        address=caller.address,
        agent=caller.agent[:255],
        correlation_id=caller.correlation_id,
        target_id=target.crn if target else target_id[:255].replace("\0", "\ufffd"),  # PostgreSQL takes no NUL
        target_name=(target.name if target else target_name).replace("\0", "\ufffd"),
        request_data=data,
    )


def recent(iam_id: str, limit: int) -> list[AuditEvent]:
    """Return what an identity's newest attempts came to, newest first."""
    events = AuditEvent.objects.filter(initiator_id=iam_id).exclude(outcome=PENDING)
    return list(events.order_by("-event_time")[:limit])
