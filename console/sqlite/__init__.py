"""Django's SQLite, except that those who write wait in a line."""
