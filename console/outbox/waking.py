"""What wakes the thread of this process that delivers, so that what is put in is not found by the next look alone."""

import threading

woken = threading.Event()


def wake() -> None:
    """Have this process look for deliveries now."""
    woken.set()
