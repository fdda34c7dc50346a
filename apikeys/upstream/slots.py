"""How many requests may wait for another service at once, for all callers and for each.

A request that waits holds a thread of the server. Where all threads waited, nobody's page would be answered,
so some are kept free; and one person with many tabs, or strangers at the log-in page, take no more than a share.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from django.conf import settings

from apikeys.exceptions import BackendBusy

_LOG_INS = "log-ins"

_waiting: Counter[str] = Counter()
_lock = Lock()


@contextmanager
def place(caller: str) -> Iterator[None]:
    """Take one of the process's places, and of the caller's, for as long as a call lasts.

    Raises BackendBusy at once where there is none: to wait for one would take a thread, too.
    """
    with _taken({"": settings.IAM_PLACES, caller: settings.IAM_PLACES_PER_PERSON}):
        yield


@contextmanager
def log_in_place(address: str) -> Iterator[None]:
    """Take a place for a log-in, of the share that all log-ins have together. Raises BackendBusy."""
    limits = {_LOG_INS: settings.IAM_PLACES_OF_LOG_INS, address: settings.IAM_PLACES_PER_ADDRESS}
    with _taken({"": settings.IAM_PLACES} | limits):
        yield


@contextmanager
def _taken(limits: dict[str, int]) -> Iterator[None]:
    with _lock:
        if any(_waiting[name] >= limit for name, limit in limits.items()):
            raise BackendBusy(host=settings.IAM_HOST)
        _waiting.update(limits.keys())
    try:
        yield
    finally:
        with _lock:
            _waiting.subtract(limits.keys())
            for name in limits:
                if not _waiting[name]:
                    del _waiting[name]
