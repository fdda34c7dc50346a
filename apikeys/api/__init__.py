"""The IAM-compatible REST API: /v1, one module for each resource, and /identity in oauth.py; docs/rest-api.md.

What an operation does is for services/ and identity/; here it is read, answered and described.
"""
