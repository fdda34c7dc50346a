"""The IAM-compatible REST API: /v1 and /identity. Facts: docs/rest-api.md."""
