"""A lock for which threads stand in line."""

from collections import deque
from threading import Lock


class Line:
    """A lock that threads get in the order in which they asked for it; a `Lock` may go to who has just had it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._is_held = False
        self._waiting: deque[Lock] = deque()

    def enter(self, seconds: float) -> bool:
        """Wait this long at most for the lock; tell whether this thread has it."""
        with self._lock:
            if not self._is_held:
                self._is_held = True
                return True
            turn = Lock()
            turn.acquire()
            self._waiting.append(turn)
        if turn.acquire(timeout=seconds):
            return True
        with self._lock:
            if turn not in self._waiting:  # it came at the last moment
                return True
            self._waiting.remove(turn)
            return False

    def leave(self) -> None:
        """Give the lock to who has waited longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_held = False
