"""What searches may take of a process: their time, and how many of them there are at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import BoundedSemaphore

from django.conf import settings

from apikeys.exceptions import SearchTooSlow
from apikeys.storage.deadline import TimeIsOver, time_limit

SEARCH_SECONDS = 2.0  # for a page of a search or of a filtered list
WAIT_SECONDS = 0.25  # for one of those before it


@contextmanager
def search_limit(*, by_index: bool = False) -> Iterator[None]:
    """Search inside, in SEARCH_SECONDS, beside as many others as leave half of the threads to what is quick.

    `by_index` is `time_limit`'s. Raises SearchTooSlow, also where others take all that time.
    """
    if not _places().acquire(timeout=WAIT_SECONDS):
        raise SearchTooSlow
    try:
        with time_limit(SEARCH_SECONDS, by_index=by_index):
            yield
    except TimeIsOver:
        raise SearchTooSlow from None
    finally:
        _places().release()


@cache
def _places() -> BoundedSemaphore:
    return BoundedSemaphore(max(1, settings.THREADS // 2))
