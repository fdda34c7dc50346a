"""The provider: what it says of itself, its keys, and the exchange of a code for tokens. Authlib speaks to it.

Whoever waits for it holds a thread of the server, so no more than some may, each call has a deadline from its first
packet to its last, and a provider that did not answer is left alone for a while. What it says of itself and its keys is
known to each process for an hour.
"""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlsplit

from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped]
from authlib.integrations.requests_client import OAuth2Session  # type: ignore[import-untyped]
from django.conf import settings
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, KeySet, RSAKey

from apikeys import VERSION
from apikeys.iam.bounded import BoundedAdapter, without_credentials
from console.env import is_loopback
from console.single_sign_on.refusals import AnswerRefused, ProviderBusy, ProviderUnavailable
from console.single_sign_on.trips import Purpose, Trip

CALL_SECONDS = 5.0  # for one call, from the first packet to the last
MAX_BYTES = 256 * 1024  # of one answer
KNOWN_SECONDS = 3600.0  # what it says of itself, and its keys
AGAIN_SECONDS = 10.0  # after it did not answer
KEYS_AGAIN_SECONDS = 60.0  # for a key that is not known: whoever forges tokens must not make the console ask on
BASIC, POST, NONE = "client_secret_basic", "client_secret_post", "none"

_ERROR = re.compile(r"[a-z_]{1,40}")
_slots = BoundedSemaphore(settings.OIDC_SLOTS)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a provider says of itself. `names_itself` is whether its answers to browsers name its issuer (RFC 9207)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    names_itself: bool
    client_auth: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a code was exchanged for."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)


class _Memory:
    """What this process knows of the provider, and since when by its clock that never goes back."""

    def __init__(self) -> None:
        self.metadata: Metadata | None = None
        self.metadata_at = self.keys_at = self.failed_at = float("-inf")
        self.keys = KeySet([])


_memory = _Memory()


def forget() -> None:
    """Know nothing of the provider any more."""
    global _memory
    _memory = _Memory()


def redirect_uri() -> str:
    """Return where the provider sends browsers back to; it must know this very address."""
    return f"{settings.PUBLIC_URL}{reverse('single_sign_on_callback')}"


def authorization_url(trip: Trip, state: str) -> str:
    """Return where a browser begins a trip. Raises ProviderUnavailable, ProviderBusy, AnswerRefused."""
    endpoint = metadata().authorization_endpoint
    asked: dict[str, Any] = {"nonce": trip.nonce, "max_age": settings.SESSION_COOKIE_AGE}
    if trip.purpose is not Purpose.LOG_IN:
        asked |= {"prompt": "login", "max_age": 0}
    if settings.OIDC_TWO_FACTOR_ACR:
        asked["acr_values"] = " ".join(settings.OIDC_TWO_FACTOR_ACR)
    url, _state = _session(BASIC).create_authorization_url(endpoint, state=state, code_verifier=trip.verifier, **asked)
    return str(url)


@sensitive_variables()
def exchange(code: str, verifier: str) -> Tokens:
    """Return the tokens for a code. Raises ProviderUnavailable, ProviderBusy, AnswerRefused."""
    found = metadata()
    with _waiting():
        try:
            answer = _session(found.client_auth).fetch_token(
                found.token_endpoint, grant_type="authorization_code", code=code, code_verifier=verifier
            )
        except OAuthError as exc:
            error = exc.error if _ERROR.fullmatch(str(exc.error)) else "an error without a name"
            raise AnswerRefused(f"the token endpoint answered {error}") from None
    id_token, access_token = answer.get("id_token"), answer.get("access_token")
    if not isinstance(id_token, str) or not isinstance(access_token, str):
        raise AnswerRefused("the token endpoint sent no ID token or no access token")
    return Tokens(id_token, access_token)


@sensitive_variables("access_token")
def userinfo(access_token: str) -> dict[str, Any]:
    """Return what the provider tells about the person of a token, {} where it has no endpoint for that."""
    endpoint = metadata().userinfo_endpoint
    return _get(endpoint, access_token) if endpoint else {}


def metadata() -> Metadata:
    """Return what the provider says of itself. Raises ProviderUnavailable, ProviderBusy, AnswerRefused."""
    now, known = time.monotonic(), _memory.metadata
    if known is not None and now - _memory.metadata_at < KNOWN_SECONDS:
        return known
    if now - _memory.failed_at < AGAIN_SECONDS:
        if known is not None:
            return known
        raise ProviderUnavailable
    try:
        found = _metadata_of(_get(f"{settings.OIDC_ISSUER.rstrip('/')}/.well-known/openid-configuration"))
    except ProviderUnavailable:
        _memory.failed_at = time.monotonic()
        if known is None:
            raise
        return known
    _memory.metadata, _memory.metadata_at = found, time.monotonic()
    return found


def keys(*, unlike: KeySet | None = None) -> KeySet:
    """Return the keys that the provider signs with; newer ones than `unlike`, once in a minute.

    Raises ProviderUnavailable, ProviderBusy, AnswerRefused.
    """
    age = time.monotonic() - _memory.keys_at
    is_wanted = unlike is _memory.keys and age > KEYS_AGAIN_SECONDS
    if age < KNOWN_SECONDS and not is_wanted:
        return _memory.keys
    sent = _get(metadata().jwks_uri).get("keys")
    _memory.keys = KeySet([key for item in sent if (key := _key_of(item))] if isinstance(sent, list) else [])
    _memory.keys_at = time.monotonic()
    return _memory.keys


def _key_of(item: Any) -> RSAKey | ECKey | None:
    """Return a public key that may sign, None for any other: with a secret one, anybody who has it could sign."""
    if not isinstance(item, dict) or item.get("kty") not in ("RSA", "EC") or item.get("use", "sig") != "sig":
        return None
    try:
        key = JWKRegistry.import_key(item)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key if isinstance(key, RSAKey | ECKey) else None


def _metadata_of(sent: dict[str, Any]) -> Metadata:
    if sent.get("issuer") != settings.OIDC_ISSUER:
        raise AnswerRefused("the provider calls itself by another issuer than OIDC_ISSUER")
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
    urls = {name: str(sent.get(name) or "") for name in names}
    for name, url in urls.items():
        if not _may_be_asked(url) and (url or name != "userinfo_endpoint"):
            raise AnswerRefused(f"the provider's {name} is no https address")
    return Metadata(
        **urls,
        names_itself=sent.get("authorization_response_iss_parameter_supported") is True,
        client_auth=_client_auth(sent.get("token_endpoint_auth_methods_supported")),
    )


def _client_auth(offered: Any) -> str:
    if not settings.OIDC_CLIENT_SECRET:
        return NONE
    return POST if isinstance(offered, list) and BASIC not in offered and POST in offered else BASIC


def _may_be_asked(url: str) -> bool:
    """Tell whether codes and tokens may go to an address: by https, or on this machine where the issuer is there."""
    try:
        parts, issuer = urlsplit(url), urlsplit(settings.OIDC_ISSUER)
    except ValueError:
        return False
    host = parts.hostname or ""
    is_near = parts.scheme == issuer.scheme == "http" and is_loopback(host)
    return bool(host) and "@" not in parts.netloc and (parts.scheme == "https" or is_near)


@sensitive_variables("access_token")
def _get(url: str, access_token: str = "") -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
    with _waiting():
        answer = _session(NONE).get(url, headers=headers, auth=without_credentials)
        found = answer.json() if answer.status_code == 200 else None
    if not isinstance(found, dict):
        logger.warning(
            "The provider answered %s with status %d and no JSON object.", urlsplit(url).path, answer.status_code
        )
        raise ProviderUnavailable
    return found


def _session(client_auth: str) -> OAuth2Session:
    """Return a session of Authlib, for one call: it keeps nothing, follows nothing, and ends in time."""
    session = OAuth2Session(
        settings.OIDC_CLIENT_ID,
        settings.OIDC_CLIENT_SECRET or None,
        token_endpoint_auth_method=client_auth,
        scope=" ".join(settings.OIDC_SCOPES),
        redirect_uri=redirect_uri(),
        code_challenge_method="S256",
    )
    session.headers.update({"User-Agent": f"apikeys/{VERSION}", "Accept": "application/json"})
    session.max_redirects = 0
    for scheme in ("https://", "http://"):
        session.mount(scheme, BoundedAdapter(seconds=CALL_SECONDS, max_bytes=MAX_BYTES))
    return session


@contextmanager
def _waiting() -> Iterator[None]:
    """Let a call wait for the provider. Raises ProviderBusy where too many do, ProviderUnavailable where it has failed.

    Nothing of the library's text is kept: it may quote what was sent.
    """
    if not _slots.acquire(blocking=False):
        raise ProviderBusy
    try:
        yield
    except OSError as exc:
        logger.warning("The provider did not answer: %s", type(exc).__name__)
        raise ProviderUnavailable from None
    except (ValueError, RecursionError) as exc:
        logger.warning("The provider's answer can't be read: %s", type(exc).__name__)
        raise ProviderUnavailable from None
    finally:
        _slots.release()
