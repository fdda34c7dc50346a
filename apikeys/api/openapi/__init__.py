"""The OpenAPI description of the API, and what the page about the API shows of it."""
