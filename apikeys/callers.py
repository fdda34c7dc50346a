"""From a request of a logged-in person to the caller that services want."""

from django.http import HttpRequest

from apikeys.domain import Caller, Identity


def caller_of(request: HttpRequest) -> Caller:
    """Return who asks and from where. The request has passed the log-in and the gate of console/middleware.py."""
    user = request.user
    return Caller(
        identity=Identity(
            iam_id=user.iam_id,  # type: ignore[union-attr]
            account_id=user.account_id,  # type: ignore[union-attr]
            name=user.get_full_name() or user.get_username(),  # type: ignore[union-attr]
            email=user.email,  # type: ignore[union-attr]
            is_administrator=user.is_superuser,
        ),
        address=request.client_address,  # type: ignore[attr-defined]
        agent=request.headers.get("User-Agent", ""),
        correlation_id=request.correlation_id,  # type: ignore[attr-defined]
    )
