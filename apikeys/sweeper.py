"""A thread of each server process: wipes values that nobody confirmed, writes uses that were counted in memory.

It also forgets what ran out: refresh tokens, and keys that expired 90 days ago.
"""

import logging
import threading
from multiprocessing.util import Finalize

from django.db import Error, close_old_connections

from apikeys import handover, retention, tokens, uses

logger = logging.getLogger(__name__)


def start() -> None:
    """Start sweeping, beginning with what an earlier process left behind."""
    threading.Thread(target=_run, name="sweeper", daemon=True).start()
    # A forked worker leaves by os._exit, past atexit; this runs at the end of every kind of process.
    Finalize(None, uses.flush, kwargs={"everything": True}, exitpriority=0)


def _run() -> None:
    pause = threading.Event()
    while True:
        try:
            handover.sweep()
            uses.flush()
            tokens.forget_expired()
            retention.remove_expired()
        except Error:  # the database may be back at the next turn
            logger.exception("A sweep failed; it is tried again.")
        close_old_connections()
        pause.wait(handover.SWEEP_SECONDS)
