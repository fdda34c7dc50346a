"""How long the client of an IAM server waits; upstream/timeouts.py says what one request to this console may take."""

CONNECT_SECONDS, READ_SECONDS = 5, 15  # for one attempt, each of them as a whole
CALL_SECONDS = 45.0  # for one call with its retries
MAX_WAIT_SECONDS = 8.0  # the longest pause between two attempts; no retry where Retry-After asks for more
RENEW_BEFORE_SECONDS = 60  # the access token expires
