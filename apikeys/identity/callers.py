"""From a request to the caller that services want."""

import time
from dataclasses import replace
from functools import partial

from django.conf import settings

from apikeys import audit
from apikeys.audit import counted
from apikeys.backends import store_traits, value_store_for
from apikeys.domain import Access, Caller, Identity, Origin
from apikeys.exceptions import AccountNeeded, ApiKeyError, LogInAgain, NotAuthorized, TooManyAttempts
from apikeys.identity.request import Request
from apikeys.identity.users import identity_of
from apikeys.upstream.sessions import IAMAccess
from apikeys.upstream.timeouts import REQUEST_SECONDS
from apikeys.values import mask_path


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


def note_refusal(request: Request, error: ApiKeyError) -> None:
    """Note for the audit that a request was not allowed, or one attempt too many, unless an event says so already."""
    if isinstance(error, NotAuthorized):
        action = audit.DENIED
    elif isinstance(error, TooManyAttempts):
        action = audit.LIMIT
    else:
        return
    if error.is_audited:
        return
    error.is_audited = True
    what = f"{request.method} {mask_path(request.path)}"[:255]
    find = partial(counted.Target, "", what)
    counted.note(_caller_known(request), action, reason=type(error).__name__, subject=what, find=find)


def _caller_known(request: Request) -> Caller:
    """Return who asks as far as that is known already; nothing is looked up."""
    known: Caller | None = getattr(request, "caller", None)
    user = getattr(request, "user", None)
    if known is None and user is not None and user.is_authenticated:
        return caller_for(request, identity_of(user))
    return known or caller_for(request, audit.NOBODY)
