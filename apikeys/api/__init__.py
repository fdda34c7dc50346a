"""The IAM-compatible REST API: /v1 and /identity. docs/rest-api.md and docs/iam-contract.md explain it."""
