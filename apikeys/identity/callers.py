"""From a request to the caller that services want."""

import time
from dataclasses import replace

from django.conf import settings

from apikeys.backends import store_traits, value_store_for
from apikeys.domain import Access, Caller, Identity, Origin
from apikeys.exceptions import AccountNeeded, LogInAgain, NotAuthorized
from apikeys.identity.request import Request
from apikeys.identity.users import identity_of
from apikeys.upstream.sessions import IAMAccess
from apikeys.upstream.timeouts import REQUEST_SECONDS


def caller_of(request: Request) -> Caller:
    """Return the person who is logged in: one object for a request, unless a log-in or a choice of account changes it.

    The request has passed the gate of console/middleware.py. With an upstream store raises LogInAgain where the session
    has no tokens for it, and AccountNeeded.
    """
    access = access_of(request) if store_traits().is_upstream else None
    account_id = access.account_id if access else request.user.account_id
    if not account_id:
        raise AccountNeeded
    known: Caller | None = getattr(request, "caller", None)
    if known and (known.identity.iam_id, known.identity.account_id) == (request.user.iam_id, account_id):
        return known
    request.caller = caller_for(request, replace(identity_of(request.user), account_id=account_id), access)
    return request.caller


def access_of(request: Request) -> IAMAccess:
    """Return the request's one access to the upstream store: all its calls share a deadline. Raises LogInAgain."""
    found: IAMAccess | None = getattr(request, "iam_access", None)
    if found is None:
        session_key = request.session.session_key
        if session_key is None:
            raise LogInAgain(host=settings.IAM_HOST)
        found = IAMAccess(session_key, request.user.iam_id, deadline=time.monotonic() + REQUEST_SECONDS)
        request.iam_access = found
    return found


def caller_for(
    request: Request, identity: Identity, access: Access | None = None, scope: str = "", networks: str = ""
) -> Caller:
    """Return `identity` as the caller of this request, limited as the key or token is that the request shows."""
    return Caller(
        identity=identity,
        address=request.client_address,
        agent=request.META.get("HTTP_USER_AGENT", ""),
        correlation_id=request.correlation_id,
        client_correlation_id=request.META.get("HTTP_X_CORRELATION_ID", ""),
        access=access,
        scope=scope,
        networks=networks,
    )


def check_administrator(caller: Caller) -> None:
    """Raise NotAuthorized unless the caller is an administrator, NotOffered where an upstream IAM keeps the keys."""
    if not value_store_for(caller).identity.is_administrator:
        raise NotAuthorized


def origin_of(request: Request, used_from: str | None = None) -> Origin:
    """Return where a request came from, for what is counted of the key that it shows, or asks about for an address."""
    agent = request.META.get("HTTP_USER_AGENT", "")
    return Origin(request.client_address, agent, request.correlation_id, used_from)
