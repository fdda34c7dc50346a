"""The words of OAuth that IAM's server and its clients share; docs/iam-contract.md says where each is from."""

GRANT_API_KEY = "urn:ibm:params:oauth:grant-type:apikey"
GRANT_PASSWORD = "password"  # noqa: S105  (a name of OAuth, not a secret)
GRANT_PASSCODE = "urn:ibm:params:oauth:grant-type:passcode"
GRANT_REFRESH = "refresh_token"
PUBLIC_CLIENT = ("bx", "bx")  # id and password of IBM's command line; who shows it gets refresh tokens
RESPONSE_TYPE = "cloud_iam"
NO_REFRESH_TOKEN = "not_supported"  # noqa: S105  (what stands in place of a refresh token)
