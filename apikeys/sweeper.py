"""A thread of each server process that wipes values nobody confirmed, at most 300 seconds after creation."""

import logging
import threading

from django.db import Error, close_old_connections

from apikeys import handover

logger = logging.getLogger(__name__)


def start() -> None:
    """Start sweeping, beginning with what an earlier process left behind."""
    threading.Thread(target=_run, name="handover-sweeper", daemon=True).start()


def _run() -> None:
    pause = threading.Event()
    while True:
        try:
            handover.sweep()
        except Error:  # the database may be back at the next turn
            logger.exception("The sweep of hand-overs failed; it is tried again.")
        close_old_connections()
        pause.wait(handover.SWEEP_SECONDS)
