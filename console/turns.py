"""What waits for a thread, in turns: who asks a lot waits for others no less than they do; and threads in a line."""

from collections import OrderedDict, deque
from queue import SimpleQueue
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Turns(Generic[Item]):
    """A queue for many threads in which those who put something in take turns, each with its oldest item."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: OrderedDict[str, deque[Item]] = OrderedDict()  # by who put it in, whose turn is next first
        self._count: SimpleQueue[None] = SimpleQueue()  # as long as all of it; a thread waits here

    def put(self, whose: str, item: Item) -> None:
        with self._lock:
            self._waiting.setdefault(whose, deque()).append(item)
        self._count.put(None)

    def get(self) -> Item:
        """Wait for an item and return it."""
        self._count.get()
        with self._lock:
            whose, items = self._waiting.popitem(last=False)
            item = items.popleft()
            if items:
                self._waiting[whose] = items
            return item


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
