"""Signed access tokens: keys of the server, their rotation, and JWTs made and read with them."""

import math
import re
import secrets
import uuid
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.utils import timezone

from apikeys.clocks import CLOCK_SET_BACK
from apikeys.exceptions import Unauthenticated
from apikeys.models import SigningKey
from apikeys.sealing import InvalidTag, cipher, seal, unseal

ALGORITHMS = ("RS256", "ES256")
LIFETIME = timedelta(minutes=60)
LEEWAY_SECONDS = 5
# Verifiers cache the key set for five to ten minutes, and many do not refetch it when a token names an unknown key.
PUBLISHED_AHEAD = timedelta(minutes=10)
RSA_BITS = 3072
KID = re.compile(r"[0-9a-f]{32}")

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def issuer() -> str:
    """Return the URL that tokens name as their issuer."""
    return f"{settings.PUBLIC_URL}/identity"


def sign(claims: dict[str, Any]) -> str:
    """Return a JWT of the claims. Makes a key where there is none, or none of TOKEN_ALGORITHM's algorithm."""
    keys = _usable_keys()
    if not any(record.algorithm == settings.TOKEN_ALGORITHM for record, _key in keys):
        rotate()
        keys = _usable_keys()
    record, key = _signer(keys, timezone.now())
    return jwt.encode(claims, key, algorithm=record.algorithm, headers={"kid": record.kid, "typ": "JWT"})


def _usable_keys() -> list[tuple[SigningKey, PrivateKey]]:
    """Return the keys that this SECRET_KEY opens, newest first."""
    records = SigningKey.objects.order_by("-signs_from")
    return [(record, key) for record in records if (key := _open(record)) is not None]


def _signer(keys: list[tuple[SigningKey, PrivateKey]], moment: datetime) -> tuple[SigningKey, PrivateKey]:
    """Return which of the keys, newest first and at least one, signs at that moment."""
    begun = [pair for pair in keys if pair[0].signs_from <= moment]
    # After a change of TOKEN_ALGORITHM the old key signs until the new one has been published for long enough.
    wanted = [pair for pair in begun if pair[0].algorithm == settings.TOKEN_ALGORITHM]
    return (wanted or begun or keys[-1:])[0]


def read(token: str) -> dict[str, Any]:
    """Return the claims of a token that this server signed and that has not run out. Raises Unauthenticated."""
    try:
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        record = SigningKey.objects.filter(kid=kid).first() if isinstance(kid, str) and KID.fullmatch(kid) else None
        key = _open(record) if record else None
        if record is None or key is None or header.get("alg") != record.algorithm or header.get("typ") != "JWT":
            raise Unauthenticated
        claims: dict[str, Any] = jwt.decode(
            token,
            key.public_key(),
            algorithms=[record.algorithm],
            issuer=issuer(),
            leeway=LEEWAY_SECONDS,
            # Tokens have no audience, since libraries refuse one that they do not expect; older servers' tokens have.
            # `iat` is checked below: after a clock was set back, tokens from before are from the near future.
            options={"require": ["exp", "iat", "iss", "jti", "iam_id"], "verify_aud": False, "verify_iat": False},
        )
        latest = (timezone.now() + CLOCK_SET_BACK).timestamp()
        if not is_moment(claims["iat"], latest) or claims["exp"] > latest + LIFETIME.total_seconds():
            raise Unauthenticated
        for name in {"jti", "session_id"} & claims.keys():
            uuid.UUID(str(claims[name]))
    except (jwt.PyJWTError, ValueError, OverflowError, RecursionError):
        raise Unauthenticated from None
    return claims


def is_moment(claim: object, latest: float) -> bool:
    """Tell whether a claim is a number of unix seconds, `latest` at most."""
    return isinstance(claim, int | float) and math.isfinite(claim) and claim <= latest


def public_keys() -> list[dict[str, Any]]:
    """Return the public halves as a JSON Web Key Set lists them, newest first."""
    found = []
    for record, key in _usable_keys():
        public = jwt.get_algorithm_by_name(record.algorithm).to_jwk(key.public_key(), as_dict=True)
        public.pop("key_ops", None)
        found.append({**public, "alg": record.algorithm, "kid": record.kid, "use": "sig"})
    return found


def rotate() -> SigningKey:
    """Publish a new signing key and return it; it signs after PUBLISHED_AHEAD, at once where there is no other.

    Keys whose last token has run out are removed.
    """
    algorithm = settings.TOKEN_ALGORITHM
    key: PrivateKey = (
        rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        if algorithm == "RS256"
        else ec.generate_private_key(ec.SECP256R1())
    )
    now = timezone.now()  # after the key was generated, which may take seconds: its time counts from its publication
    keys = _usable_keys()
    if keys:
        used_lately, _key = _signer(keys, now - LIFETIME - timedelta(seconds=LEEWAY_SECONDS))
        SigningKey.objects.filter(signs_from__lt=used_lately.signs_from).delete()
    kid = secrets.token_hex(16)
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return SigningKey.objects.create(
        kid=kid,
        algorithm=algorithm,
        sealed_private_key=seal(_cipher(), der, kid),
        signs_from=now + PUBLISHED_AHEAD if keys else now,
    )


def _open(record: SigningKey) -> PrivateKey | None:
    """Return the private key, or None where SECRET_KEY is no longer the one that sealed it."""
    return _opened(record.kid, bytes(record.sealed_private_key))


@cache
def _opened(kid: str, sealed: bytes) -> PrivateKey | None:
    try:
        der = unseal(_cipher(), sealed, kid)
    except InvalidTag:
        return None
    key = serialization.load_der_private_key(der, password=None)
    return key if isinstance(key, PrivateKey) else None


@cache
def _cipher() -> AESGCM:
    return cipher(settings.SECRET_KEY, "apikeys signing keys v1")
