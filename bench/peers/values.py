"""The keys of the peers by number: whoever fills their tables and whoever asks make the same ones."""

import hashlib


def drf_api_key(number: int) -> str:
    """Return a key of djangorestframework-api-key: a prefix of 8 characters, a dot, 32 characters."""
    return f"{number:08x}.{hashlib.sha256(str(number).encode()).hexdigest()[:32]}"


def knox_token(number: int) -> str:
    """Return a token of django-rest-knox: 64 hexadecimal digits."""
    return hashlib.sha256(f"token {number}".encode()).hexdigest()
