"""SQL that is written once and executed often: the ORM would compile each query anew, which costs ten times its answer.

The database's driver is asked without Django's cursor, and PostgreSQL plans a statement once for each connection. Who
watches the connection sees these statements like all others: wrappers of executions, the log of queries, errors as
Django's own.
"""

from collections import namedtuple
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, Error, connection, connections, models
from django.db.models.expressions import Col

Row = Any  # a named tuple that has a model's columns as attributes

# A plan of before a table was changed, and one that a pooler between here and the server does not know.
LOST_PLANS = ("0A000", "26000")
TAKES_CHANGES = "current_setting('transaction_read_only') = 'off'"


class Columns:
    """Some columns of a model's table, its primary key among them, under an alias of the table."""

    def __init__(self, model: type[models.Model], alias: str, names: Collection[str]) -> None:
        self.model, self.alias = model, alias
        # In the model's order, in which it takes them.
        self.fields = [field for field in model._meta.concrete_fields if field.name in {*names}]
        self.names = [field.attname for field in self.fields]
        self.key = self.fields.index(model._meta.pk)
        self.make_row: Callable[[Sequence[Any]], Row] = _rows_of(model, self.names)._make
        # What the ORM does to columns that this database gives in a form of its own, by position.
        self.converters = [
            (position, convert, column)
            for position, column in enumerate(Col(alias, field) for field in self.fields)
            for convert in _converters_of(column)
        ]

    def __str__(self) -> str:
        """Return the columns as a SELECT lists them."""
        return ", ".join(f'{self.alias}."{field.column}"' for field in self.fields)

    def row(self, part: Sequence[Any]) -> Row:
        """Return a part of a result as the ORM would give it: a boolean is one, and a moment has its time zone."""
        if not self.converters:
            return self.make_row(part)
        cells = list(part)
        for position, convert, column in self.converters:
            cells[position] = convert(cells[position], column, connection)
        return self.make_row(cells)

    def instance(self, part: Sequence[Any]) -> Any:
        """Return the model's instance that such a part makes."""
        return self.model.from_db(connection.alias, self.names, self.row(part))


def _converters_of(column: Col) -> list[Callable[[Any, Col, Any], Any]]:
    if connection.vendor == "sqlite" and isinstance(column.output_field, models.DateTimeField):
        return [_moment]  # a list has a hundred: the ORM's takes three times as long
    return [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]


def _moment(text: str | None, _column: Col, _connection: Any) -> datetime | None:
    """Return a moment that SQLite has as text, in UTC."""
    return None if text is None else datetime.fromisoformat(f"{text}+00:00")


def _rows_of(model: type[models.Model], names: Sequence[str]) -> Any:
    return namedtuple(f"{model.__name__}Row", names)


def table(model: type[models.Model], alias: str) -> str:
    """Return a model's table as a FROM names it."""
    return f'"{model._meta.db_table}" {alias}'


class Statement:
    """A SELECT whose result begins with these columns; `sql` begins with that word, and has a `%s` for each parameter.

    Parameters are texts, numbers, None, and what the model's field makes of anything else for this database.
    """

    def __init__(self, sql: str, *selected: Columns) -> None:
        self.is_on_server = connection.vendor == "postgresql"
        self.sql = f"SELECT {TAKES_CHANGES}, {sql.removeprefix('SELECT ')}" if self.is_on_server else sql
        self.native = _numbered(self.sql) if self.is_on_server else self.sql.replace("%s", "?")
        self.places: list[tuple[int, int, int]] = []  # of each part: where it begins, its key, where it ends
        self.end = int(self.is_on_server)
        for columns in selected:
            begin, self.end = self.end, self.end + len(columns.names)
            self.places.append((begin, begin + columns.key, self.end))

    def rows(self, parameters: Sequence[Any]) -> list[list[Any]]:
        """Return what the database answers: of each row the parts of its columns, and what else it has.

        A part is for `Columns.row`; it is None for a join that found nothing.
        """
        return [
            [None if row[key] is None else row[begin:end] for begin, key, end in self.places] + list(row[self.end :])
            for row in self._answer(connections[DEFAULT_DB_ALIAS], parameters)
        ]

    def _answer(self, db: Any, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Execute, where need be over a new connection.

        The first statement of a request tries the connection as well, so that Django need not ask before it: whether
        it still leads to a server, and to one that takes changes. Another one may not know what was revoked.
        """
        is_untried = db.connection is not None and db.health_check_enabled and not db.health_check_done
        try:
            answer = self._executed(db, parameters)
        except Error as exc:
            is_lost = getattr(exc.__cause__, "sqlstate", None) in LOST_PLANS
            if db.in_atomic_block or not (is_lost or (is_untried and not db.is_usable())):
                raise
        else:
            if not is_untried:
                return answer
            if not self.is_on_server or (all(row[0] for row in answer) if answer else db.is_usable()):
                db.health_check_done = True
                return answer
        db.close()
        return self._executed(db, parameters)

    def _executed(self, db: Any, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        db.ensure_connection()
        if db.needs_rollback:
            db.validate_no_broken_transaction()
        if db.queries_logged:
            with db.cursor() as cursor:
                cursor.execute(self.sql, parameters)
                return list(cursor.fetchall())
        driver = _server_cursor(db) if self.is_on_server else db.connection

        def execute(_sql: str, _parameters: Sequence[Any], _many: bool, _context: dict[str, Any]) -> Any:
            return driver.execute(self.native, parameters)

        wrapped: Callable[..., Any] = execute
        for wrapper in reversed(db.execute_wrappers):
            wrapped = partial(wrapper, wrapped)
        with db.wrap_database_errors:
            answer = wrapped(self.sql, parameters, False, {"connection": db, "cursor": driver})
            return list(answer.fetchall())


def _numbered(sql: str) -> str:
    """Return a statement as PostgreSQL itself has it, with $1 for its first parameter."""
    first, *rest = sql.split("%s")
    return first + "".join(f"${number}{text}" for number, text in enumerate(rest, start=1))


_server_cursors: "WeakKeyDictionary[Any, Any]" = WeakKeyDictionary()


def _server_cursor(db: Any) -> Any:
    """Return the one cursor of a connection to PostgreSQL that has the server keep plans.

    It keeps them where the connection has a `prepare_threshold`; Django's cursors never do.
    """
    cursor = _server_cursors.get(db)
    if cursor is None or cursor.connection is not db.connection:
        from psycopg import RawCursor  # a console on SQLite does without the driver

        cursor = _server_cursors[db] = RawCursor(db.connection)
    return cursor
