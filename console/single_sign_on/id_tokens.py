"""ID tokens: what is checked of one before a word of it is believed."""

from typing import Any

from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from django.conf import settings
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from console.single_sign_on import provider
from console.single_sign_on.provider import Tokens
from console.single_sign_on.refusals import AnswerRefused

LEEWAY_SECONDS = 60  # by which the provider's clock may be wrong
MAX_SUBJECT = 255  # characters of ASCII
# With a public key each: what is signed with a shared secret, or not at all, is refused.
ALGORITHMS = [f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512)]
SEVERAL_FACTORS = "mfa"  # among the methods of RFC 8176

Claims = dict[str, Any]


@sensitive_variables()
def claims_of(tokens: Tokens, nonce: str) -> Claims:
    """Return what a provider says of a person. Raises AnswerRefused, which names the check; ProviderUnavailable.

    Checked are the signature by one of the provider's keys, issuer, audience, authorised party, expiry, moment of
    issue, nonce, and the hash of the access token where there is one.
    """
    known = provider.keys()
    try:
        try:
            token = _opened(tokens.id_token, known)
        except InvalidKeyIdError:
            token = _opened(tokens.id_token, provider.keys(unlike=known))
        claims = CodeIDToken(
            token.claims,
            token.header,
            {
                "iss": {"essential": True, "value": settings.OIDC_ISSUER},
                "aud": {"essential": True, "value": settings.OIDC_CLIENT_ID},
                "nonce": {"essential": True},
            },
            {"nonce": nonce, "client_id": settings.OIDC_CLIENT_ID, "access_token": tokens.access_token},
        )
        claims.validate(leeway=LEEWAY_SECONDS)
    except JoseError as exc:
        raise AnswerRefused(f"ID token: {exc.error} {getattr(exc, 'claim', '')}".strip()) from None
    except (ValueError, TypeError, RecursionError) as exc:
        raise AnswerRefused(f"ID token: {type(exc).__name__}") from None
    if not constant_time_compare(str(claims["nonce"]), nonce):
        raise AnswerRefused("ID token: nonce")
    subject = claims["sub"]
    if not (
        isinstance(subject, str) and subject.isascii() and subject.isprintable() and 0 < len(subject) <= MAX_SUBJECT
    ):
        raise AnswerRefused("ID token: sub")
    return dict(claims)


def authenticated_at(claims: Claims) -> float | None:
    """Return when the provider last asked the person who they are, in unix seconds, None where it does not tell."""
    moment = claims.get("auth_time")
    return float(moment) if isinstance(moment, int | float) and not isinstance(moment, bool) else None


def check_age(claims: Claims, since: float) -> None:
    """Raise AnswerRefused where the provider tells that it last asked the person before then, in unix seconds."""
    asked_at = authenticated_at(claims)
    if asked_at is not None and asked_at < since - LEEWAY_SECONDS:
        raise AnswerRefused("ID token: auth_time")


def had_two_factors(claims: Claims) -> bool:
    """Tell whether the provider says that the log-in there needed more than one factor."""
    methods, level = claims.get("amr"), claims.get("acr")
    has_many = isinstance(methods, list) and SEVERAL_FACTORS in methods
    return has_many or (isinstance(level, str) and level in settings.OIDC_TWO_FACTOR_ACR)


@sensitive_variables()
def _opened(id_token: str, keys: KeySet) -> jwt.Token:
    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    return jwt.decode(id_token, keys, ALGORITHMS, registry)
