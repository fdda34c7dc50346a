"""The console's settings for one that waits for its upstream as long as a test says, not for nine seconds."""

import os

from apikeys.upstream import timeouts

timeouts.REQUEST_SECONDS = float(os.environ["REQUEST_SECONDS"])  # before anything else has read it

from console.settings import *  # noqa: E402, F403
