"""How far clocks may be wrong."""

from datetime import timedelta

CLOCK_TOLERANCE = timedelta(seconds=60)  # between the clocks of servers that share a database
UPSTREAM_CLOCK_TOLERANCE = timedelta(minutes=5)  # between this clock and that of an upstream IAM
# When the clock is set back, what was given out before lasts that much longer; what would last longer yet has ended.
CLOCK_SET_BACK = timedelta(days=1)
