"""The pages of the log-in: user ID and password, an upstream IAM and its accounts; and Change password."""
