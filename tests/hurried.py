"""The console's settings with less patience for clients, so that tests of its end are short."""

from console.settings import *  # noqa: F403

BODY_SECONDS = 2
ANSWER_SECONDS = 2
