"""Signed access tokens: keys of the server, their rotation, and JWTs made and read with them."""

import re
import secrets
import uuid
from datetime import timedelta
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from django.conf import settings
from django.utils import timezone

from apikeys.exceptions import Unauthenticated
from apikeys.models import SigningKey
from apikeys.sealing import InvalidTag, cipher, seal, unseal

ALGORITHMS = ("RS256", "ES256")
LIFETIME = timedelta(minutes=60)
LEEWAY_SECONDS = 5
RSA_BITS = 3072
KID = re.compile(r"[0-9a-f]{32}")

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def issuer() -> str:
    return f"{settings.PUBLIC_URL}/identity"


def sign(claims: dict[str, Any]) -> str:
    """Return a JWT of the claims, signed with the newest key; the first call makes that key."""
    record = SigningKey.objects.filter(algorithm=settings.TOKEN_ALGORITHM).order_by("-created_at").first()
    key = _open(record) if record else None
    if record is None or key is None:
        record = rotate()
        key = _open(record)
    return jwt.encode(claims, key, algorithm=record.algorithm, headers={"kid": record.kid, "typ": "JWT"})  # type: ignore[arg-type]


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
            # Tokens name no audience: libraries refuse one that they were not told. Those of older servers do.
            options={"require": ["exp", "iat", "iss", "jti", "iam_id"], "verify_aud": False},
        )
        for name in {"jti", "session_id"} & claims.keys():
            uuid.UUID(str(claims[name]))
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise Unauthenticated from None
    return claims


def public_keys() -> list[dict[str, Any]]:
    """Return the public halves as a JSON Web Key Set lists them, newest first."""
    found = []
    for record in SigningKey.objects.order_by("-created_at"):
        key = _open(record)
        if key is not None:
            public = jwt.get_algorithm_by_name(record.algorithm).to_jwk(key.public_key(), as_dict=True)
            public.pop("key_ops", None)
            found.append({**public, "alg": record.algorithm, "kid": record.kid, "use": "sig"})
    return found


def rotate() -> SigningKey:
    """Make a new signing key and return it; older keys stay until their last token has run out."""
    algorithm = settings.TOKEN_ALGORITHM
    key: PrivateKey = (
        rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        if algorithm == "RS256"
        else ec.generate_private_key(ec.SECP256R1())
    )
    kid = secrets.token_hex(16)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    record = SigningKey.objects.create(kid=kid, algorithm=algorithm, sealed_private_key=seal(_cipher(), der, kid))
    spent = timezone.now() - LIFETIME - timedelta(seconds=LEEWAY_SECONDS)
    old = SigningKey.objects.filter(created_at__lte=spent).order_by("-created_at").values_list("kid", flat=True)
    # The newest of the old ones may have signed until just now.
    SigningKey.objects.filter(kid__in=list(old)[1:]).delete()
    return record


def _open(record: SigningKey) -> PrivateKey | None:
    """Return the private key, or None where SECRET_KEY is no longer the one that sealed it."""
    return _opened(record.kid, bytes(record.sealed_private_key))


@cache
def _opened(kid: str, sealed: bytes) -> PrivateKey | None:
    try:
        der = unseal(_cipher(), sealed, kid)
    except InvalidTag:
        return None
    key = load_der_private_key(der, password=None)
    return key if isinstance(key, PrivateKey) else None


@cache
def _cipher() -> AESGCM:
    return cipher(settings.SECRET_KEY, "apikeys signing keys v1")
