"""From an Authorization header to the caller that services want."""

import base64
from urllib.parse import unquote_plus

from django.http import HttpRequest

from apikeys import networks, scopes
from apikeys.domain import Caller
from apikeys.exceptions import BadRequest, ScopeInsufficient, Unauthenticated
from apikeys.exceptions import gettext_noop as _
from apikeys.identity import tokens
from apikeys.identity.callers import caller_for, origin_of
from apikeys.identity.request import Request
from apikeys.identity.tokens import Bearer
from apikeys.storage.statements import Row

NO_ADDRESS = _("This is no IP address.")


def bearer_token(request: HttpRequest) -> str:
    """Return the access token of the request. Raises Unauthenticated."""
    scheme, _space, token = str(request.META.get("HTTP_AUTHORIZATION", "")).partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated
    return token.strip()


def caller_of_token(request: Request) -> Caller:
    """Return whom the request's access token stands for. Raises Unauthenticated, ScopeInsufficient."""
    return _caller_of(request, tokens.identify(bearer_token(request), origin_of(request)))


def caller_and_record(request: Request, value: str, address: str) -> tuple[Caller, Row | None]:
    """Return whom the request's access token stands for, and the record of a value that is asked about for an address.

    Raises Unauthenticated, ScopeInsufficient.
    """
    bearer, record = tokens.identify_and_find(bearer_token(request), value, origin_of(request, address))
    return _caller_of(request, bearer), record


def _caller_of(request: Request, bearer: Bearer) -> Caller:
    method = request.method or ""
    request.caller = caller_for(request, bearer.identity, scope=bearer.scope, networks=bearer.networks)
    if not scopes.permits(bearer.scope, method):
        raise ScopeInsufficient(scopes.needed(method))  # the event of which names the caller
    return request.caller


def client_address(request: HttpRequest) -> str:
    """Return the address that a service passes on in a header, "" without it. Raises BadRequest for no address."""
    name = "IAM-Client-Address"
    found = request.headers.get(name)
    if found is not None and networks.address_of(found) is None:
        raise BadRequest(name, NO_ADDRESS)
    return found or ""


def check_account(caller: Caller, account_id: str) -> None:
    """Raise BadRequest where a request names another account than its token does."""
    if account_id and account_id != caller.identity.account_id:
        raise BadRequest("account_id", _("The specified account does not match the account in the token."))


def basic_credentials(request: HttpRequest) -> list[tuple[str, str]]:
    """Return user and password of a Basic header: as they came, then form-decoded where that is something else.

    RFC 6749, section 2.3.1, lets clients encode both as in a form; most of them do not.
    Returns nothing without the header. Raises Unauthenticated for a broken one.
    """
    header = request.META.get("HTTP_AUTHORIZATION", "")
    scheme, _space, encoded = header.partition(" ")
    if not header:
        return []
    if scheme.lower() != "basic":
        raise Unauthenticated
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except ValueError:
        raise Unauthenticated from None
    if not colon:
        raise Unauthenticated
    return list(dict.fromkeys([(user, password), (unquote_plus(user), unquote_plus(password))]))
