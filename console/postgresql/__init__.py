"""Django's PostgreSQL, except that a server which no longer takes changes is left for the one that does."""
