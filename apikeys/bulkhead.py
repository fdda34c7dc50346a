"""How many requests may wait for another service at once, for all callers and for each.

A request that waits holds a thread of the server. Where all threads waited, nobody's page would be answered,
so some are kept free; and one person with many tabs takes no more than a share.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from django.conf import settings

from apikeys.exceptions import BackendBusy

_waiting: Counter[str] = Counter()
_lock = Lock()


@contextmanager
def place(caller: str) -> Iterator[None]:
    """Take one of the process's places, and of the caller's, for as long as a call lasts.

    Raises BackendBusy at once where there is none: to wait for one would take a thread, too.
    """
    with _lock:
        if _waiting.total() >= settings.IAM_PLACES or _waiting[caller] >= settings.IAM_PLACES_PER_PERSON:
            raise BackendBusy(host=settings.IAM_HOST)
        _waiting[caller] += 1
    try:
        yield
    finally:
        with _lock:
            _waiting[caller] -= 1
            if not _waiting[caller]:
                del _waiting[caller]
