"""A process that handles values leaves no core dump, and other processes of its user can't look into its memory."""

import ctypes
import resource
import sys

PR_SET_DUMPABLE = 4  # prctl(2)


def forbid() -> None:
    """Set RLIMIT_CORE to 0 and, on Linux, PR_SET_DUMPABLE, which also keeps debuggers of the same user away.

    Processes that are started from here inherit the first and not the second. Where the system has neither, or a
    sandbox refuses them, nothing happens.
    """
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (OSError, ValueError, AttributeError):
        return
