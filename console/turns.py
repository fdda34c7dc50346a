"""What waits for a thread, in turns: who asks a lot waits for others no less than they do."""

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
