"""Many at once: the same thing done by several threads that start together, each with a database connection."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

Outcome = TypeVar("Outcome")


def at_once(times: int, act: Callable[[], Outcome]) -> list[Outcome | Exception]:
    """Return what each of `times` simultaneous calls returned or raised."""
    start = threading.Barrier(times)

    def one() -> Outcome | Exception:
        start.wait()
        try:
            return act()
        except Exception as exc:  # noqa: BLE001  (the test looks at it)
            return exc
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return [future.result() for future in [pool.submit(one) for _ in range(times)]]
