"""From a request to the caller that services want."""

from django.http import HttpRequest

from apikeys.domain import Caller, Identity
from apikeys.people import identity_of


def caller_of(request: HttpRequest) -> Caller:
    """Return the person who is logged in. The request has passed the gate of console/middleware.py."""
    return caller_for(request, identity_of(request.user))


def caller_for(request: HttpRequest, identity: Identity) -> Caller:
    """Return `identity` as the caller of this request."""
    return Caller(
        identity=identity,
        address=request.client_address,  # type: ignore[attr-defined]
        agent=request.headers.get("User-Agent", ""),
        correlation_id=request.correlation_id,  # type: ignore[attr-defined]
    )
