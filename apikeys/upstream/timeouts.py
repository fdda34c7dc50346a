"""How long things wait for an upstream IAM. Each number leans on another."""

from datetime import timedelta

REQUEST_SECONDS = 9.0  # for all waiting of one request; nothing hangs for 10
# Longer than any request, so that no second process does what a first one is still doing:
RENEWAL_LEASE = timedelta(seconds=20)
ANSWER_WITHIN = timedelta(seconds=60)  # an answer that has not come by then will not come
RENEW_BEFORE_SECONDS = 60  # the access token runs out
