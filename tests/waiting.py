"""Waiting for what another process does, for as long as it takes and no longer."""

import time
from collections.abc import Callable

SECONDS = 30


def until(holds: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait until something holds; where it never does, fail."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)
