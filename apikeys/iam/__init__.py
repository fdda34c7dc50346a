"""The client of an IAM server, OAuth's words, the claims of tokens, and IAM's JSON in and out; no Django.

Whose log-in it asks with is for upstream/ and cli/ to say.
"""

IBM_CLOUD_URL = "https://iam.cloud.ibm.com"
