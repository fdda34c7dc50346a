"""Access tokens that are not good, each made as well as somebody could who has even the server's own signing key."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.programs import Site

HOUR = 3600
PRINT_SIGNING_KEY = """
import json
from apikeys.identity import signing
from apikeys.models import SigningKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
record = SigningKey.objects.order_by("-created_at").first()
pem = signing._open(record).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
print(json.dumps([record.kid, pem.decode()]))
"""


def part(found: Any) -> str:
    """Return one part of a JWT: JSON, or these very bytes, in base64."""
    data = found if isinstance(found, bytes) else json.dumps(found).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@dataclass(frozen=True)
class Forge:
    """The server's signing key, and the good tokens that bad ones are made from."""

    kid: str
    key: rsa.RSAPrivateKey = field(repr=False)
    good: str = field(repr=False)  # from a password
    by_key: str = field(repr=False)  # from a key's value
    dead_key_ids: dict[str, str] = field(default_factory=dict)  # "deleted", "disabled", "expired", "somebody else's"
    other_iam_id: str = ""

    @classmethod
    def of(cls, site: Site, **fields: Any) -> "Forge":
        kid, pem = json.loads(site.server.run_python(PRINT_SIGNING_KEY).splitlines()[-1])
        key = load_pem_private_key(pem.encode(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return cls(kid=kid, key=key, **fields)

    def header(self, **changes: Any) -> dict[str, Any]:
        return self._changed({"alg": "RS256", "typ": "JWT", "kid": self.kid}, changes)

    def claims(self, source: str = "", **changes: Any) -> dict[str, Any]:
        found = jwt.decode(source or self.good, options={"verify_signature": False})
        return self._changed(found, changes)

    @staticmethod
    def _changed(found: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in {**found, **changes}.items() if value is not ABSENT}

    def signed(self, header: Any, payload: Any, key: Any = None) -> str:
        """Return a token with a signature that is right for what it says, whatever it says."""
        signing_input = f"{part(header)}.{part(payload)}"
        signature = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(
            signing_input.encode(), key or self.key
        )
        return f"{signing_input}.{part(signature)}"

    def with_claims(self, **changes: Any) -> str:
        return self.signed(self.header(), self.claims(**changes))

    def with_header(self, **changes: Any) -> str:
        return self.signed(self.header(**changes), self.claims())

    def from_key(self, **changes: Any) -> str:
        return self.signed(self.header(), self.claims(self.by_key, **changes))

    def by_hmac(self, secret: bytes) -> str:
        signing_input = f"{part(self.header(alg='HS256'))}.{part(self.claims())}"
        return f"{signing_input}.{part(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"

    @property
    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def public_der(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


ABSENT = object()


def by_elliptic_curve(forge: Forge) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(forge.claims(), key, algorithm="ES256", headers={"kid": forge.kid})


def other_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def changed_in_the_middle(token: str) -> str:
    """Return the token with one character of its signature exchanged, far from the unused bits at its end."""
    place = len(token) - 100
    return f"{token[:place]}{'A' if token[place] != 'A' else 'B'}{token[place + 1 :]}"


def with_other_payload(forge: Forge) -> str:
    header, _payload, signature = forge.good.split(".")
    return f"{header}.{part(forge.claims(iam_id=forge.other_iam_id))}.{signature}"


def with_own_key(forge: Forge, member: str) -> str:
    """Return a token that names, in its header, the key that made its signature."""
    key = other_key()
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    named = {"jwk": public, "jku": "https://evil.example/keys", "x5c": [part(b"a certificate")]}[member]
    return forge.signed(forge.header(**{member: named}), forge.claims(), key)


BAD_TOKENS: dict[str, Callable[[Forge], str]] = {
    "garbage": lambda forge: "garbage",
    "two parts": lambda forge: "a.b",
    "three parts of nothing": lambda forge: "..",
    "no base64": lambda forge: "!.!.!",
    "bytes beyond ASCII": lambda forge: "é.é.é",
    "very long": lambda forge: "a" * 6000,
    "a key's value": lambda forge: "apk_" + "0" * 40,
    "five parts": lambda forge: f"{forge.good}.a.b",
    "without its signature": lambda forge: forge.good.rpartition(".")[0] + ".",
    "changed signature": lambda forge: changed_in_the_middle(forge.good),
    "changed payload": with_other_payload,
    "signature of another key": lambda forge: forge.signed(forge.header(), forge.claims(), other_key()),
    "its own key in the header": lambda forge: with_own_key(forge, "jwk"),
    "the address of its own key in the header": lambda forge: with_own_key(forge, "jku"),
    "its own certificates in the header": lambda forge: with_own_key(forge, "x5c"),
    "alg none": lambda forge: f"{part(forge.header(alg='none'))}.{part(forge.claims())}.",
    "alg None with the good signature": lambda forge: (
        f"{part(forge.header(alg='None'))}.{part(forge.claims())}.{forge.good.rpartition('.')[2]}"
    ),
    "HS256 with the public key as secret": lambda forge: forge.by_hmac(forge.public_pem),
    "HS256 with the public key's DER as secret": lambda forge: forge.by_hmac(forge.public_der),
    "HS256 with no secret": lambda forge: forge.by_hmac(b""),
    "ES256 with the kid of RSA": by_elliptic_curve,
    "alg RS512": lambda forge: forge.with_header(alg="RS512"),
    "alg missing": lambda forge: forge.with_header(alg=ABSENT),
    "alg a list": lambda forge: forge.with_header(alg=["RS256"]),
    "unknown kid": lambda forge: forge.with_header(kid="0" * 32),
    "kid missing": lambda forge: forge.with_header(kid=ABSENT),
    "kid empty": lambda forge: forge.with_header(kid=""),
    "kid a number": lambda forge: forge.with_header(kid=1),
    "kid a list": lambda forge: forge.with_header(kid=[forge.kid]),
    "kid a path": lambda forge: forge.with_header(kid="../../../dev/null"),
    "kid SQL": lambda forge: forge.with_header(kid=f"{forge.kid}' OR '1'='1"),
    "kid in capitals": lambda forge: forge.with_header(kid=forge.kid.upper() + "F"),
    "kid with a NUL": lambda forge: forge.with_header(kid=f"{forge.kid}\0"),
    "typ missing": lambda forge: forge.with_header(typ=ABSENT),
    "typ another": lambda forge: forge.with_header(typ="dpop+jwt"),
    "unknown critical header": lambda forge: forge.with_header(crit=["x"], x=1),
    "header a list": lambda forge: forge.signed([], forge.claims()),
    "header no JSON": lambda forge: forge.signed(b"{", forge.claims()),
    "header not UTF-8": lambda forge: forge.signed(b"\xff\xfe", forge.claims()),
    "header nested deeply": lambda forge: forge.signed(b"[" * 4000, forge.claims()),
    "payload a list": lambda forge: forge.signed(forge.header(), []),
    "payload no JSON": lambda forge: forge.signed(forge.header(), b"{"),
    "payload nested deeply": lambda forge: forge.signed(forge.header(), b'{"a":' * 1000),
    "expired": lambda forge: forge.with_claims(exp=int(time.time()) - 60),
    "expired long ago": lambda forge: forge.with_claims(exp=1),
    "from the future": lambda forge: forge.with_claims(iat=int(time.time()) + 25 * HOUR),
    "not valid yet": lambda forge: forge.with_claims(nbf=int(time.time()) + HOUR),
    "exp a word": lambda forge: forge.with_claims(exp="tomorrow"),
    "exp a list": lambda forge: forge.with_claims(exp=[]),
    "exp null": lambda forge: forge.with_claims(exp=None),
    "exp NaN": lambda forge: forge.with_claims(exp=float("nan")),
    "exp infinite": lambda forge: forge.with_claims(exp=float("inf")),
    "iat a list": lambda forge: forge.with_claims(iat=[]),
    "iat beyond all numbers": lambda forge: forge.with_claims(iat=-(10**400)),
    "iat infinite": lambda forge: forge.with_claims(iat=float("inf")),
    "another issuer": lambda forge: forge.with_claims(iss="https://iam.example/identity"),
    "issuer a list": lambda forge: forge.with_claims(iss=[forge.claims()["iss"]]),
    "jti no UUID": lambda forge: forge.with_claims(jti="x"),
    "jti a number": lambda forge: forge.with_claims(jti=1),
    "session_id no UUID": lambda forge: forge.with_claims(session_id="x"),
    "session_id a number": lambda forge: forge.with_claims(session_id=1),
    **{
        f"{claim} missing": lambda forge, claim=claim: forge.with_claims(**{claim: ABSENT})
        for claim in ("exp", "iat", "iss", "jti", "iam_id", "password_stamp")
    },
    "iam_id of somebody else": lambda forge: forge.with_claims(iam_id=forge.other_iam_id),
    "iam_id unknown": lambda forge: forge.with_claims(iam_id="IBMid-0000000000"),
    "iam_id of no service ID": lambda forge: forge.with_claims(iam_id="iam-ServiceId-0"),
    "iam_id a number": lambda forge: forge.with_claims(iam_id=1),
    "iam_id a list": lambda forge: forge.with_claims(iam_id=[forge.claims()["iam_id"]]),
    "iam_id null": lambda forge: forge.with_claims(iam_id=None),
    "iam_id with a NUL": lambda forge: forge.with_claims(iam_id=f"{forge.claims()['iam_id']}\0"),
    "iam_id half a character": lambda forge: forge.with_claims(iam_id="IBMid-\ud800"),
    "password changed since": lambda forge: forge.with_claims(password_stamp="0" * 32),
    "password stamp beyond ASCII": lambda forge: forge.with_claims(password_stamp="é" * 32),
    "password stamp a number": lambda forge: forge.with_claims(password_stamp=1),
    "api_key_id missing": lambda forge: forge.from_key(api_key_id=ABSENT),
    "api_key_id with a NUL": lambda forge: forge.from_key(api_key_id="ApiKey-\0"),
    "api_key_id half a character": lambda forge: forge.from_key(api_key_id="ApiKey-\ud800"),
    **{
        f"{kind} key": lambda forge, kind=kind: forge.from_key(api_key_id=forge.dead_key_ids[kind])
        for kind in ("deleted", "disabled", "expired", "somebody else's")
    },
}
