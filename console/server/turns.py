"""What waits for a thread, in turns: who asks a lot waits for others no less than they do; and room that all share."""

from collections import OrderedDict, deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Room:
    """Room for `most` that weigh `most_weight` together, of which nobody takes more than is left free.

    So one has half of it at most, two have a third each, and there is always some for who comes anew. Who comes into an
    empty room is let in, however heavy. For one thread.
    """

    def __init__(self, most: int, most_weight: int) -> None:
        self.free, self.free_weight = most, most_weight
        self._inside: dict[str, tuple[int, int]] = {}  # how many by who brought them, and their weight

    def enter(self, whose: str, weight: int) -> bool:
        """Take room; tell whether there was enough."""
        count, theirs = self._inside.get(whose, (0, 0))
        if self._inside and (count >= self.free or theirs > self.free_weight - weight):
            return False
        self._inside[whose] = count + 1, theirs + weight
        self.free -= 1
        self.free_weight -= weight
        return True

    def leave(self, whose: str, weight: int) -> None:
        """Give back what was taken."""
        count, theirs = self._inside.pop(whose)
        if count > 1:
            self._inside[whose] = count - 1, theirs - weight
        self.free += 1
        self.free_weight += weight


class Turns(Generic[Item]):
    """A queue for many threads in which those who put something in take turns, each with its oldest item."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: OrderedDict[str, deque[Item]] = OrderedDict()  # by who put it in, whose turn is next first
        self._count: SimpleQueue[None] = SimpleQueue()  # as long as all of it, or longer; a thread waits here

    def put(self, whose: str, item: Item) -> None:
        with self._lock:
            self._waiting.setdefault(whose, deque()).append(item)
        self._count.put(None)

    def get(self) -> Item:
        """Wait for an item and return it."""
        while True:
            self._count.get()
            with self._lock:
                if not self._waiting:  # it was taken out
                    continue
                whose, items = self._waiting.popitem(last=False)
                item = items.popleft()
                if items:
                    self._waiting[whose] = items
                return item

    def take_out(self, is_unwanted: Callable[[Item], bool]) -> list[Item]:
        """Return all items of a kind, which no thread gets any more."""
        found: list[Item] = []
        with self._lock:
            for whose, items in list(self._waiting.items()):
                for _ in range(len(items)):
                    item = items.popleft()
                    (found if is_unwanted(item) else items).append(item)
                if not items:
                    del self._waiting[whose]
        return found
