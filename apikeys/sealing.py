"""Sealing: AES-256-GCM under keys that HKDF derives, one for each purpose."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

IV_BYTES = 12

__all__ = ["InvalidTag", "cipher", "seal", "unseal"]


def cipher(secret: str, purpose: str, salt: str = "") -> AESGCM:
    """Return the cipher of a secret with 128 random bits or more, for one purpose only."""
    key = HKDF(algorithm=SHA256(), length=32, salt=salt.encode() or None, info=purpose.encode())
    return AESGCM(key.derive(secret.encode()))


def seal(key: AESGCM, text: bytes, bound_to: str) -> bytes:
    """Return the text sealed; it opens only together with what it is bound to."""
    vector = os.urandom(IV_BYTES)
    return vector + key.encrypt(vector, text, bound_to.encode())


def unseal(key: AESGCM, sealed: bytes, bound_to: str) -> bytes:
    """Return the text. Raises InvalidTag for another key or bond or for changed bytes, ValueError for too few."""
    return key.decrypt(sealed[:IV_BYTES], sealed[IV_BYTES:], bound_to.encode())
