"""Webhooks: programs elsewhere that are told of audit events, in the format of Standard Webhooks."""
