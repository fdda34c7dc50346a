"""Sealing: AES-256-GCM under keys that HKDF derives, one for each purpose.

What lasts is sealed by `seal_lasting`, which a rotation of SECRET_KEY leaves readable.
"""

import os
from collections.abc import Iterable
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

IV_BYTES = 12

__all__ = ["InvalidTag", "cipher", "seal", "seal_lasting", "secret_keys", "unseal", "unseal_any", "unseal_lasting"]


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


def unseal_any(keys: Iterable[AESGCM], sealed: bytes, bound_to: str) -> bytes:
    """Return the text that one of the keys opens. Raises as `unseal` does where none of them does."""
    for key in keys:
        try:
            return unseal(key, sealed, bound_to)
        except InvalidTag:
            continue
    raise InvalidTag


def secret_keys() -> list[str]:
    """Return SECRET_KEY, with which everything is made, and those that open what they made as well."""
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def seal_lasting(text: bytes, purpose: str, bound_to: str) -> bytes:
    """Return the text sealed under SECRET_KEY, for what outlives a rotation of it.

    Where it is kept longer than former keys are, `manage.py rotate_secret_key` seals it again: console/resealing.py.
    """
    return seal(_lasting(settings.SECRET_KEY, purpose), text, bound_to)


def unseal_lasting(sealed: bytes, purpose: str, bound_to: str) -> bytes:
    """Return what `seal_lasting` sealed, under SECRET_KEY or a former one. Raises as `unseal` does."""
    return unseal_any((_lasting(secret, purpose) for secret in secret_keys()), sealed, bound_to)


@lru_cache(maxsize=64)
def _lasting(secret: str, purpose: str) -> AESGCM:
    return cipher(secret, purpose)
