"""Log-ins at an upstream IAM, which keeps the keys in place of this database: sessions, tokens, errors, time limits.

The keys themselves are the business of backends/ibm_cloud.py.
"""
