"""/identity: access tokens, their public keys, discovery, introspection, revocation."""

from datetime import timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from apikeys import audit, exceptions, networks, scopes
from apikeys.api.answers import JsonAnswer
from apikeys.api.auth import NO_ADDRESS, basic_credentials, bearer_token
from apikeys.api.bad_values import Judged
from apikeys.api.decorators import resource
from apikeys.api.errors import UNREADABLE
from apikeys.api.fields import form_values
from apikeys.domain import Origin
from apikeys.exceptions import gettext_noop as _
from apikeys.iam import oauth
from apikeys.iam.payloads import format_second
from apikeys.identity import signing, tokens
from apikeys.identity.callers import caller_for, origin_of
from apikeys.identity.request import Request
from apikeys.identity.tokens import Subject

# What /userinfo repeats of the claims; the rest is about the token.
ABOUT_PERSON = ("sub", "iam_id", "realmid", "identifier", "given_name", "family_name", "name", "email", "account")
SOON = timedelta(days=14)
NO_PASSWORDS = _("This console takes no passwords from programs. Use an API key, or a one-time passcode.")
CLIENT_METHODS = ["client_secret_basic", "none"]


@sensitive_post_parameters("apikey", "password", "passcode", "refresh_token")
@sensitive_variables("issued", "answer", "value", "passcode")
def token(request: Request) -> JsonAnswer:
    """Exchange a key's value, a password, a one-time passcode or a refresh token for an access token.

    Raises PropertyMissing, PropertyRefused, ValueNotFound, PasscodeRefused, RefreshTokenInvalid and RefreshTokenExpired
    (400), ClientRefused, PasswordRefused and PasscodeNeeded (401), TooManyAttempts (429).
    """
    is_client = client_is_known(request)
    client_id = oauth.PUBLIC_CLIENT[0] if is_client else "default"
    grant, scope = form_field(request, "grant_type"), optional_field(request, "scope")
    if grant == oauth.GRANT_API_KEY:
        value = form_field(request, "apikey")
        with Judged(value, request.client_address):
            subject = tokens.authenticate(value, origin_of(request))
        subject = tokens.narrowed(subject, scope)
        issued = tokens.issue(subject, client_id=client_id, with_refresh=is_client)
        if settings.AUDIT_EXCHANGES and (key := subject.api_key):
            audit.tell(caller_for(request, subject.identity), audit.EXCHANGE, target_id=key.id, target_name=key.name)
    elif grant == oauth.GRANT_PASSWORD:
        if not settings.PASSWORD_GRANT:
            raise exceptions.PropertyRefused("grant_type", NO_PASSWORDS)
        require_client(is_client)
        username, password = form_field(request, "username"), form_field(request, "password")
        subject = tokens.narrowed(tokens.authenticate_person(request, username, password), scope)
        issued = tokens.issue(subject, client_id=client_id, with_refresh=True, origin=origin_of(request))
    elif grant == oauth.GRANT_REFRESH:
        require_client(is_client)
        refresh_token, origin = form_field(request, "refresh_token"), origin_of(request)
        issued = tokens.refresh(refresh_token, client_id=client_id, origin=origin, scope=scope)
    elif grant == oauth.GRANT_PASSCODE:
        require_client(is_client)
        passcode, origin = form_field(request, "passcode"), origin_of(request)
        subject, issued = tokens.exchange_passcode(request, passcode, client_id=client_id, scope=scope, origin=origin)
    else:
        raise exceptions.PropertyRefused("grant_type", _("This grant_type is not supported."))
    if grant in (oauth.GRANT_PASSWORD, oauth.GRANT_PASSCODE):
        person, by = subject.identity, "password grant" if grant == oauth.GRANT_PASSWORD else "passcode grant"
        audit.record(caller_for(request, person), audit.LOG_IN, target_id=person.iam_id, by=by)
    answer = {
        "access_token": issued.access_token,
        "refresh_token": issued.refresh_token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "expiration": issued.expiration,
        "scope": issued.scope,
    }
    return JsonAnswer(answer, headers=headers_about_end(subject) if grant == oauth.GRANT_API_KEY else {})


def headers_about_end(subject: Subject) -> dict[str, str]:
    """Return the header of a good answer to a value that ends within 14 days, none for any other."""
    ends_at = subject.value_ends_at
    # What has come is the end of a previous value that works on until its owner answers.
    if ends_at is None or not timedelta() < ends_at - timezone.now() <= SOON:
        return {}
    return {"Warning": f'299 - "This API key can be used until {format_second(ends_at)}."'}


def form_field(request: Request, name: str) -> str:
    """Return a form field. Raises PropertyMissing, also where the body is no form; PropertyRefused if repeated."""
    found = optional_field(request, name)
    if not found:
        raise exceptions.PropertyMissing(name)
    return found


def optional_field(request: Request, name: str) -> str:
    """Return a form field, "" where it is absent. Raises PropertyRefused if repeated: which one is meant?"""
    found = form_values(request, name)
    if len(found) > 1:
        raise exceptions.PropertyRefused(name, _("A property appears more than once."))
    return found[0] if found else ""


def client_is_known(request: Request) -> bool:
    """Tell whether the request names the public client `bx`. Raises ClientRefused for any other."""
    try:
        credentials = basic_credentials(request)
    except exceptions.Unauthenticated:
        credentials = [("", "")]
    if not credentials:
        return False
    if oauth.PUBLIC_CLIENT not in credentials:
        raise exceptions.ClientRefused(_("The client in the Authorization header is unknown."))
    return True


def require_client(is_client: bool) -> None:
    if not is_client:
        raise exceptions.ClientRefused


def keys(request: Request) -> JsonAnswer:
    """Return the public keys that access tokens are verified with."""
    return JsonAnswer({"keys": signing.public_keys()})


def discovery(request: Request) -> JsonAnswer:
    """Return where everything is (OpenID Connect Discovery, and RFC 8414)."""
    base = signing.issuer()
    by_password = [oauth.GRANT_PASSWORD] if settings.PASSWORD_GRANT else []
    grants = [oauth.GRANT_API_KEY, *by_password, oauth.GRANT_PASSCODE, oauth.GRANT_REFRESH]
    return JsonAnswer(
        {
            "issuer": base,
            "token_endpoint": f"{base}/token",
            "introspection_endpoint": f"{base}/introspect",
            "revocation_endpoint": f"{base}/revoke",
            "userinfo_endpoint": f"{base}/userinfo",
            "passcode_endpoint": f"{settings.PUBLIC_URL}{reverse('passcode')}",
            "jwks_uri": f"{base}/keys",
            "grant_types_supported": grants,
            "response_types_supported": [oauth.RESPONSE_TYPE],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [settings.TOKEN_ALGORITHM],
            "token_endpoint_auth_methods_supported": CLIENT_METHODS,
            "revocation_endpoint_auth_methods_supported": CLIENT_METHODS,
            "scopes_supported": [*scopes.EVERYTHING.split(), *scopes.BUILT_IN],
        }
    )


def userinfo(request: Request) -> JsonAnswer:
    """Return whom the request's access token stands for (OpenID Connect). Raises Unauthenticated (401)."""
    bearer = tokens.identify(bearer_token(request), origin_of(request))
    identity = bearer.identity
    told = {name: bearer.claims[name] for name in ABOUT_PERSON if name in bearer.claims}
    return JsonAnswer(told | {"iam_id": identity.iam_id, "name": identity.name, "email": identity.email})


@sensitive_post_parameters("apikey", "token")
@sensitive_variables("value")
def introspect(request: Request) -> JsonAnswer:
    """Tell whether a token or a key's value is valid (RFC 7662). The caller must show who it is.

    Raises PropertyMissing and PropertyRefused (400), IntrospectionRefused (401), TooManyAttempts (429).
    """
    try:
        value, origin = optional_field(request, "apikey"), passed_on(request)
    except (exceptions.ApiKeyError, *UNREADABLE):
        require_introspection_caller(request)  # who may not ask is not told what is wrong with the question
        raise
    if value:
        try:
            subject = subject_for_caller(request, value, origin)
        except exceptions.ValueNotFound:
            return JsonAnswer({"active": False})
        key = subject.api_key
        found = {"active": True, "iam_id": subject.identity.iam_id, "account": {"bss": subject.identity.account_id}}
        if key is not None:
            found |= {"apikey_id": key.id, "apikey_name": key.name}
            if subject.value_ends_at is not None and subject.value_ends_at > timezone.now():
                found["exp"] = int(subject.value_ends_at.timestamp())
            if subject.scope:
                found["scope"] = subject.scope
        return JsonAnswer(found, headers=headers_about_end(subject))
    require_introspection_caller(request)
    try:
        bearer = tokens.identify(form_field(request, "token"), origin)
    except exceptions.Unauthenticated:
        return JsonAnswer({"active": False})
    public = {name: claim for name, claim in bearer.claims.items() if name != "password_stamp"}
    public["scope"] = scopes.to_claim(bearer.scope)
    return JsonAnswer({"active": True, "token_type": "Bearer", **public})


def passed_on(request: Request) -> Origin:
    """Return where a service asks from about a key or token, with the address of whom it asks for.

    Raises PropertyRefused for a field `client_address` that is no address.
    """
    address = optional_field(request, "client_address")
    if address and networks.address_of(address) is None:
        raise exceptions.PropertyRefused("client_address", NO_ADDRESS)
    return origin_of(request, address)


@sensitive_post_parameters("token")
def revoke(request: Request) -> JsonAnswer:
    """End an access token or a refresh token (RFC 7009); what is neither is no error. The token itself is the proof.

    Raises PropertyMissing and PropertyRefused (400), ClientRefused (401).
    """
    client_is_known(request)
    tokens.revoke(form_field(request, "token"), origin_of(request))
    return JsonAnswer({})


@sensitive_variables("value")
def subject_for_caller(request: Request, value: str, origin: Origin) -> Subject:
    """Return whom a value stands for, to a caller who shows who it is. Raises IntrospectionRefused, ValueNotFound."""
    is_of_caller = is_basic(request)
    if is_of_caller:
        require_introspection_caller(request)
    try:
        with Judged(value, request.client_address, origin.used_from or ""):
            if is_of_caller:
                return tokens.authenticate(value, origin)
            return tokens.authenticate_for(bearer_token(request), value, origin)
    except exceptions.Unauthenticated:
        raise exceptions.IntrospectionRefused from None


def is_basic(request: Request) -> bool:
    return str(request.META.get("HTTP_AUTHORIZATION", "")).lower().startswith("basic ")


def require_introspection_caller(request: Request) -> None:
    """Raise IntrospectionRefused unless a bearer token, or Basic `apikey` and a value, names the caller."""
    try:
        if is_basic(request):
            values = [value for user, value in basic_credentials(request) if user == "apikey"]
            with Judged(values[0] if values else "", request.client_address):
                tokens.authenticate_any(values, origin_of(request))
        else:
            tokens.identify(bearer_token(request), origin_of(request))
    except exceptions.TooManyAttempts:
        raise
    except exceptions.ApiKeyError:
        raise exceptions.IntrospectionRefused from None


token_view = resource(POST=token)
keys_view = resource(GET=keys)
discovery_view = resource(GET=discovery)
introspect_view = resource(POST=introspect)
userinfo_view = resource(GET=userinfo, POST=userinfo)
revoke_view = resource(POST=revoke)
