"""How long things wait for a store elsewhere, and what a clock may be wrong. Each number leans on another."""

from datetime import timedelta

REQUEST_SECONDS = 9.0  # for all waiting of one request; nothing hangs for 10
# Longer than any request, so that no second process does what a first one is still doing:
RENEWAL_LEASE = timedelta(seconds=20)
ANSWER_WITHIN = timedelta(seconds=60)  # an answer that has not come by then is lost
RENEW_BEFORE_SECONDS = 60  # the access token runs out

CLOCK_TOLERANCE = timedelta(seconds=60)  # between the clocks of servers that share a database
OTHER_CLOCK_TOLERANCE = timedelta(minutes=5)  # between this clock and that of a store elsewhere
# When the clock is set back, what was given out before lasts that much longer; what would last longer yet has ended.
CLOCK_SET_BACK = timedelta(days=1)
