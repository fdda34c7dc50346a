"""The IAM-compatible REST API: /v1 and /identity. Facts: iam-contract; docs/rest-api.md."""
