"""A whole installation from one database to another, for `manage.py copy_store`."""
