"""Slots: how many requests may wait for upstream at once, for all callers and for each.

A request that waits holds a thread of the server. Where all threads waited, no page would be answered,
so some are kept free; and one person with many tabs, or strangers at the log-in page, take no more than a share.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock

from django.conf import settings

from apikeys.exceptions import BackendBusy

_LOG_INS = "log-ins"

_held: Counter[str] = Counter()
_lock = Lock()


def hold(caller: str) -> AbstractContextManager[None]:
    """Hold one of the process's slots, and of the caller's, for as long as a call lasts.

    Raises BackendBusy at once where none is free: to wait for one would take a thread, too.
    """
    return _hold({"": settings.IAM_SLOTS, caller: settings.IAM_SLOTS_PER_PERSON})


def hold_for_login(address: str) -> AbstractContextManager[None]:
    """Hold a slot for a log-in, of the share that all log-ins have together. Raises BackendBusy."""
    limits = {_LOG_INS: settings.IAM_SLOTS_OF_LOG_INS, address: settings.IAM_SLOTS_PER_ADDRESS}
    return _hold({"": settings.IAM_SLOTS} | limits)


@contextmanager
def _hold(limits: dict[str, int]) -> Iterator[None]:
    with _lock:
        if any(_held[name] >= limit for name, limit in limits.items()):
            raise BackendBusy(host=settings.IAM_HOST)
        _held.update(limits.keys())
    try:
        yield
    finally:
        with _lock:
            _held.subtract(limits.keys())
            for name in limits:
                if not _held[name]:
                    del _held[name]
