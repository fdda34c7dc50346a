"""Who acts, and with what: callers, persons, access tokens and their signing keys, peppers, the usage of keys.

What they may do with keys is for services/ and backends/.
"""
