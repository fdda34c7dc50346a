"""A stop that clients do not notice: connections that are kept alive end with an answer, before the server does.

A proxy that sends a request along a connection which the server closes at that moment can't know whether the request
was done, and must not repeat one that changes something.
"""

import os
import signal
import threading
import time
from typing import Any

from granian.server.mp import MPServer

SIGNAL = signal.SIGUSR1  # to the workers: from now on each answer ends its connection
MOST_DEATHS, DEATHS_WITHIN = 5, 60.0  # of workers, in seconds, before one that dies again at once ends the server
SECONDS = 1.0  # from then on until the workers stop; a connection that is idle for longer is hardly used at that moment


class StoppingServer(MPServer):
    """Granian, whose workers end their connections before they stop on SIGTERM.

    On SIGINT, or when it is told for a second time, it stops as Granian does. Granian ends when a worker dies again
    within seconds; here one may, for memory can run out twice, and only a loop of crashes is left to a supervisor.
    """

    is_stopping = False
    deaths: tuple[float, ...] = ()

    def serve(self, *args: Any, **kwargs: Any) -> None:
        signal.signal(SIGNAL, signal.SIG_IGN)  # in workers, too, until they listen for it
        super().serve(*args, **kwargs)

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        if self.is_stopping or args[:1] != (signal.SIGTERM,):
            super().signal_handler_interrupt(*args, **kwargs)  # type: ignore[no-untyped-call]
            return
        self.is_stopping = True
        for worker in self.wrks:
            if worker.inner.is_alive():
                os.kill(worker.inner.pid, SIGNAL)
        timer = threading.Timer(SECONDS, super().signal_handler_interrupt)
        timer.daemon = True
        timer.start()

    def _respawn_workers(self, workers: Any, *args: Any, **kwargs: Any) -> None:
        super()._respawn_workers(workers, *args, **kwargs)
        now = time.monotonic()
        self.deaths = (*(death for death in self.deaths if now - death < DEATHS_WITHIN), *[now] * len(workers))
        if len(self.deaths) < MOST_DEATHS:
            self.respawned_wrks.clear()
