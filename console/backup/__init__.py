"""A backup in one file, of either database while it is served, and an empty installation made whole with it."""
