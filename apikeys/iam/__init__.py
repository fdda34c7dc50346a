"""The client of an IAM server, and IAM's JSON in and out; no Django.

Whose log-in it asks with is for upstream/ and cli/ to say.
"""
