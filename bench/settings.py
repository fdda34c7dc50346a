"""The console's settings, with a few addresses of the measurements beside the console's own."""

from console.settings import *  # noqa: F403

ROOT_URLCONF = "bench.urls"
