"""Signed access tokens: keys of the server, their rotation, and JWTs made and read with them."""

import hashlib
import re
import secrets
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from threading import Lock
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apikeys import audit
from apikeys.clocks import CLOCK_SET_BACK
from apikeys.domain import Caller
from apikeys.exceptions import Unauthenticated
from apikeys.models import SigningKey
from apikeys.sealing import InvalidTag, seal_lasting, secret_keys, unseal_lasting
from apikeys.storage.statements import Columns, Row, Statement, table

ALGORITHMS = ("RS256", "ES256")
LIFETIME = timedelta(minutes=60)
LEEWAY_SECONDS = 5
SIGNATURES = 1000  # that each process remembers; some 4 kB each
# Verifiers cache the key set for five to ten minutes, and many do not refetch it when a token names an unknown key.
PUBLISHED_AHEAD = timedelta(minutes=10)
RSA_BITS = 3072
PURPOSE = "apikeys signing keys v1"  # of the seal
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


def _usable_keys() -> list[tuple[Row, PrivateKey]]:
    """Return the keys that this SECRET_KEY opens, newest first."""
    statement, keys = _all_keys()
    records = [keys.row(part) for [part] in statement.rows([])]
    return [(record, key) for record in records if (key := _open(record)) is not None]


@cache
def _all_keys() -> tuple[Statement, Columns]:
    keys = Columns(SigningKey, "signing", {field.name for field in SigningKey._meta.concrete_fields})
    sql = f"SELECT {keys} FROM {table(SigningKey, 'signing')} ORDER BY signing.signs_from DESC"  # nosec B608  # names of the model
    return Statement(sql, keys), keys


def _signer(keys: list[tuple[Row, PrivateKey]], moment: datetime) -> tuple[Row, PrivateKey]:
    """Return which of the keys, newest first and at least one, signs at that moment."""
    begun = [pair for pair in keys if pair[0].signs_from <= moment]
    # After a change of TOKEN_ALGORITHM the old key signs until the new one has been published for long enough.
    wanted = [pair for pair in begun if pair[0].algorithm == settings.TOKEN_ALGORITHM]
    return (wanted or begun or keys[-1:])[0]


@dataclass(frozen=True, slots=True)
class Signed:
    """What a key of this server signed: `ids` are those of the token and of the log-in it came from."""

    kid: str
    claims: dict[str, Any]
    ids: tuple[uuid.UUID, ...]


def read(token: str) -> dict[str, Any]:
    """Return the claims of a token that this server signed and that has not run out. Raises Unauthenticated."""
    signed = verified(token)
    if not SigningKey.objects.filter(kid=signed.kid).exists():
        raise Unauthenticated
    return signed.claims


def verified(token: str) -> Signed:
    """Return what a token says whose signature is good and that has not run out. Raises Unauthenticated.

    A signature is verified once and remembered, by the digest of the token, so that the key that made it may be gone
    since: whoever asks looks for `kid` among the present ones, as `read` does.
    """
    digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
    signed = _remembered.get(digest)
    if signed is None:
        signed = _verify(token)
        _remembered.put(digest, signed)
    if not _is_current(signed.claims):
        raise Unauthenticated
    return signed


def _verify(token: str) -> Signed:
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
            # What depends on the time or the settings is checked at each use.
            options={
                "require": ["exp", "iat", "iss", "jti", "iam_id"],
                "verify_aud": False,
                "verify_exp": False,
                "verify_iat": False,
                "verify_iss": False,
            },
        )
        ids = tuple(uuid.UUID(str(claims[name])) for name in ("jti", "session_id") if name in claims)
    except (jwt.PyJWTError, ValueError, OverflowError, RecursionError):
        raise Unauthenticated from None
    return Signed(record.kid, claims, ids)


def _is_current(claims: dict[str, Any]) -> bool:
    """Tell whether a token names this server, and is neither from the future nor has run out."""
    now = time.time()
    # After a clock was set back, tokens from before are from the near future.
    latest = now + CLOCK_SET_BACK.total_seconds()
    return (
        claims["iss"] == issuer()
        and _is_for_here(claims.get("aud"))
        and is_moment(claims["iat"], latest)
        and is_moment(claims["exp"], latest + LIFETIME.total_seconds())
        and claims["exp"] > now - LEEWAY_SECONDS
    )


def _is_for_here(audience: object) -> bool:
    """Tell whether a token names TOKEN_AUDIENCE, where there is one; tokens without go on until they expire.

    Without one the claim says nothing: tokens of older servers have their issuer in it.
    """
    if not settings.TOKEN_AUDIENCE or audience is None:
        return True
    return audience == settings.TOKEN_AUDIENCE or (isinstance(audience, list) and settings.TOKEN_AUDIENCE in audience)


class _Remembered:
    """The signatures that were looked at last, each by the digest of its token; never the token."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.lock = Lock()
        self.found: OrderedDict[bytes, Signed] = OrderedDict()

    def get(self, digest: bytes) -> Signed | None:
        with self.lock:
            signed = self.found.get(digest)
            if signed is not None:
                self.found.move_to_end(digest)
            return signed

    def put(self, digest: bytes, signed: Signed) -> None:
        with self.lock:
            self.found[digest] = signed
            if len(self.found) > self.most:
                self.found.popitem(last=False)


_remembered = _Remembered(SIGNATURES)


def is_moment(claim: object, latest: float) -> bool:
    """Tell whether a claim is a number of unix seconds, `latest` at most."""
    return isinstance(claim, int | float) and 0 <= claim <= latest  # neither NaN nor infinite


def public_keys() -> list[dict[str, Any]]:
    """Return the public halves as a JSON Web Key Set lists them, newest first."""
    found = []
    for record, key in _usable_keys():
        public = jwt.get_algorithm_by_name(record.algorithm).to_jwk(key.public_key(), as_dict=True)
        public.pop("key_ops", None)
        found.append({**public, "alg": record.algorithm, "kid": record.kid, "use": "sig"})
    return found


def rotate(caller: Caller = Caller(audit.NOBODY)) -> SigningKey:  # noqa: B008  (it never changes)
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
    with transaction.atomic():
        made = SigningKey.objects.create(
            kid=kid,
            algorithm=algorithm,
            sealed_private_key=seal_lasting(der, PURPOSE, kid),
            signs_from=now + PUBLISHED_AHEAD if keys else now,
        )
        audit.record(caller, audit.SIGNING_KEY_CREATE, target_name=kid, algorithm=algorithm)
    return made


def seal_again() -> int:
    """Seal each key under the present SECRET_KEY that a former one opens; return how many those are."""
    for record in (records := [record for record in SigningKey.objects.all() if _open(record) is not None]):
        der = unseal_lasting(bytes(record.sealed_private_key), PURPOSE, record.kid)
        SigningKey.objects.filter(kid=record.kid).update(sealed_private_key=seal_lasting(der, PURPOSE, record.kid))
    return len(records)


def _open(record: SigningKey | Row) -> PrivateKey | None:
    """Return the private key, or None where no SECRET_KEY that is known sealed it."""
    return _opened(record.kid, bytes(record.sealed_private_key), *secret_keys())


@cache
def _opened(kid: str, sealed: bytes, *_secret_keys: str) -> PrivateKey | None:
    try:
        der = unseal_lasting(sealed, PURPOSE, kid)
    except InvalidTag:
        return None
    key = serialization.load_der_private_key(der, password=None)
    return key if isinstance(key, PrivateKey) else None
