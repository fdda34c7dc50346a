"""SQL that is written once and executed often: the ORM would compile each query anew, which costs ten times its answer.

Rows come out as the ORM would give them: a boolean is one on every database, and a moment has its time zone.
"""

from collections.abc import Collection, Sequence
from typing import Any

from django.db import connection, models
from django.db.models.expressions import Col


class Columns:
    """Some columns of a model's table, its primary key among them, under an alias of the table."""

    def __init__(self, model: type[models.Model], alias: str, names: Collection[str]) -> None:
        self.model, self.alias = model, alias
        # In the model's order, in which it takes them.
        self.fields = [field for field in model._meta.concrete_fields if field.name in {*names}]
        self.names = [field.attname for field in self.fields]
        self._names = frozenset(self.names)  # the model looks each of its columns up among them
        self.key = self.fields.index(model._meta.pk)

    def __str__(self) -> str:
        """Return the columns as a SELECT lists them."""
        return ", ".join(f'{self.alias}."{field.column}"' for field in self.fields)

    def record(self, row: Sequence[Any]) -> Any | None:
        """Return the instance that these columns make, None for those of a join that found nothing."""
        return None if row[self.key] is None else self.model.from_db(connection.alias, self._names, row)


def table(model: type[models.Model], alias: str) -> str:
    """Return a model's table as a FROM names it."""
    return f'"{model._meta.db_table}" {alias}'


class Statement:
    """A SELECT whose result begins with these columns; `sql` has a `%s` for each parameter."""

    def __init__(self, sql: str, *selected: Columns) -> None:
        self.sql, self.selected = sql, selected
        fields = [(columns.alias, field) for columns in selected for field in columns.fields]
        # What the ORM does to columns that this database gives in a form of its own, by position.
        self.converters = [
            (position, convert, column)
            for position, column in enumerate(Col(alias, field) for alias, field in fields)
            for convert in (*connection.ops.get_db_converters(column), *column.get_db_converters(connection))
        ]

    def rows(self, parameters: Sequence[Any]) -> list[list[Any]]:
        """Return what the database answers: of each row the records of its columns, or None, and what else it has."""
        with connection.cursor() as cursor:
            cursor.execute(self.sql, parameters)
            return [self._read(list(row)) for row in cursor.fetchall()]

    def _read(self, row: list[Any]) -> list[Any]:
        for position, convert, column in self.converters:
            row[position] = convert(row[position], column, connection)
        found, start = [], 0
        for columns in self.selected:
            end = start + len(columns.names)
            found.append(columns.record(row[start:end]))
            start = end
        return found + row[start:]
