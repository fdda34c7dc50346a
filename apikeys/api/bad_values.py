"""Values that are no key's: who sends many of them is answered without a look into the database.

Each process counts by itself, in memory, for each address (of IPv6: each /56) and each minute, and before it looks a
value up, so that a flood costs little and many at once can't all slip through. What turns out to be a good value is not
counted, and is remembered by a keyed hash: it is looked up at once the next time, whatever else comes from its address,
so that one bad client cannot stop the good programs behind the same address.
"""

import hashlib
import ipaddress
import secrets
import time
from functools import lru_cache
from threading import Lock

from django.conf import settings

from apikeys.exceptions import ApiKeyNotFound, TooManyAttempts, ValueNotFound

WINDOW_SECONDS = 60
CUSTOMER = 56  # bits of an IPv6 address: providers give one customer a /56, or parts of one
MOST_ADDRESSES = 50_000  # counted at once, and beyond them all others together
MOST_GOOD = 10_000  # values, each remembered by 16 bytes
OTHERS = "others"
# Somebody else's value is none for whoever asks: were it not counted, that would tell that there is such a key.
NOT_FOUND = (ValueNotFound, ApiKeyNotFound)

_secret = secrets.token_bytes(32)  # of this process: what it remembers means nothing elsewhere
_lock = Lock()
_counts: dict[str, int] = {}
_good: dict[bytes, None] = {}  # in the order of their last use
_ends_at = 0.0  # by the monotonic clock


class Judged:
    """A look-up of a value, as a context: what raises NOT_FOUND in it counts against the address.

    `passed_on` is the address that a service at `address` asks for: it is counted for that service alone, or whoever
    may ask could use up the minute of any address. To enter raises TooManyAttempts where the minute is used up.
    """

    __slots__ = ("_address", "_is_counted", "_tag")

    def __init__(self, value: str, address: str, passed_on: str = "") -> None:
        self._address = _customer_of(address)
        if passed_on:
            self._address += f" for {_customer_of(passed_on)}"
        self._tag = hashlib.blake2b(value.encode("utf-8", "replace"), key=_secret, digest_size=16).digest()

    def __enter__(self) -> None:
        with _lock:
            self._is_counted = self._tag not in _good
            if self._is_counted:
                _count(self._address)

    def __exit__(self, kind: type[BaseException] | None, *_raised: object) -> None:
        with _lock:
            if kind is None:
                _good.pop(self._tag, None)
                _good[self._tag] = None
                if len(_good) > MOST_GOOD:
                    del _good[next(iter(_good))]
            elif issubclass(kind, NOT_FOUND):
                _good.pop(self._tag, None)  # it was one, and has ended
                return
            if self._is_counted and _counts.get(self._address):  # what failed otherwise told nothing of the value
                _counts[self._address] -= 1


def forget() -> None:
    """Forget all that this process has counted and remembered."""
    with _lock:
        _counts.clear()
        _good.clear()


def _count(address: str) -> None:
    """Count one, within the lock. Raises TooManyAttempts."""
    global _ends_at
    now = time.monotonic()
    if now >= _ends_at:
        _counts.clear()
        _ends_at = now + WINDOW_SECONDS
    if address not in _counts and len(_counts) >= MOST_ADDRESSES:
        address = OTHERS
    counted = _counts.get(address, 0)
    if counted >= settings.BAD_VALUES_PER_MINUTE:
        raise TooManyAttempts(int(_ends_at - now) + 1)
    _counts[address] = counted + 1


@lru_cache(1000)
def _customer_of(address: str) -> str:
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address, CUSTOMER), strict=False))
    except ValueError:
        return address
