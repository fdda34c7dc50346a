"""Who acts, and with what: callers, persons, access tokens and their signing keys, peppers.

What they may do with keys is for services/ and backends/.
"""
