"""A thread of each server process: wipes values that nobody confirmed, writes uses that were counted in memory.

It also forgets what ran out: refresh tokens, log-ins elsewhere, and keys that expired 90 days ago. With a store
elsewhere another thread asks what that offers.
"""

import logging
import threading
from multiprocessing.util import Finalize

from django.conf import settings
from django.db import Error, close_old_connections

from apikeys import handover, iam_logins, iam_people, retention, tokens, uses

logger = logging.getLogger(__name__)


def start() -> None:
    """Start sweeping, beginning with what an earlier process left behind."""
    threading.Thread(target=_run, name="sweeper", daemon=True).start()
    if not settings.IS_EMBEDDED:
        threading.Thread(target=iam_people.keep_discovering, name="discovery", daemon=True).start()
    # A forked worker leaves by os._exit, past atexit; this runs at the end of every kind of process.
    Finalize(None, uses.flush, kwargs={"everything": True}, exitpriority=0)


def _run() -> None:
    pause = threading.Event()
    handovers = handover.Sweep()
    while True:
        try:
            handovers.run()
            uses.flush()
            tokens.forget_expired()
            if settings.IS_EMBEDDED:
                retention.remove_expired()
            else:
                iam_logins.forget_old()
        except Error:  # the database may be back at the next turn
            logger.exception("A sweep failed; it is tried again.")
        close_old_connections()
        pause.wait(handover.SWEEP.total_seconds())
