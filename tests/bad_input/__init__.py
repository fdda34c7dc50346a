"""Bad requests to the API, in tables: each is the good request of an operation with a single thing wrong."""

from tests.bad_input import tables as v1
from tests.bad_input import tokens

TABLES = (
    v1.wrong_anywhere, v1.wrong_tokens, v1.wrong_ids, v1.wrong_bodies, v1.wrong_types, v1.wrong_members,
    v1.wrong_members_of_keys, v1.wrong_members_of_limits, v1.wrong_queries, v1.wrong_headers,
    tokens.wrong_token_requests, tokens.wrong_introspections, tokens.wrong_revocations, tokens.wrong_reports,
)  # fmt: skip
ROWS = [row for table in TABLES for row in table()]
