"""How long things wait for upstream; iam/timeouts.py has the limits of one call. Each number leans on another."""

from datetime import timedelta

REQUEST_SECONDS = 9.0  # for all waiting of one request; nothing hangs for 10
# Longer than any request, so that no second process does what a first one is still doing:
RENEWAL_LEASE = timedelta(seconds=20)
RENEWAL_POLL_SECONDS = 0.05  # while another process renews
ANSWER_WITHIN = timedelta(seconds=60)  # an answer that has not come by then will not come
DISCOVER_SECONDS, DISCOVER_AGAIN_SECONDS = 3600.0, 60.0  # the second until there is an answer
