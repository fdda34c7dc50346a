"""The connection to PostgreSQL; Django finds it by the name of this module."""

from django.db.backends.postgresql import base
from psycopg import Error


class DatabaseWrapper(base.DatabaseWrapper):
    """Tried before each request that asks the database, as Django's own is, in one question."""

    def is_usable(self) -> bool:
        """Tell whether the server answers and takes changes.

        One that was demoted or fenced answers, but knows nothing of keys that were deleted since. A connection to
        it is given up, and the next one goes to the server of DATABASE_URL that takes changes.
        """
        if self.connection is None:
            return False
        try:
            with self.connection.cursor() as cursor:
                cursor.execute("SHOW transaction_read_only")
                return bool(cursor.fetchone() == ("off",))
        except Error:
            return False
