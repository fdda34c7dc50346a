"""Lists that nothing narrows down, by statements that are written once for each view, sort and direction.

They ask what `Listed` asks, whose querysets Django would build and compile anew for each page.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar

from django.db import connection, models

from apikeys.backends.keyset import moment_of
from apikeys.backends.orders import EXPRESSIONS
from apikeys.domain import COUNTED, END, ApiKey, Cursor
from apikeys.models import ApiKeyRecord
from apikeys.storage.statements import Columns, Row, Statement, table

KEYS = ApiKeyRecord._meta.db_table  # their alias, too: so the ORM names columns where it compiles an expression
# The rows beyond a cursor are those that meet one of these after the other.
ALL = ""
AFTER = "AND ({place}, {id}) {step} (%s, %s)"
# SQLite compares no rows in an index of an expression: there those that are the same in it come first. It does not know
# either that these are in the order of the index by their id alone.
SAME = "AND {place} = %s AND {id} {step} %s"
FURTHER = "AND {place} {step} %s"


@dataclass(frozen=True, slots=True)
class Plain:
    """All keys that have `value` in the column `whose`, in the order of another column and then of their id."""

    whose: str
    value: str
    column: str
    counted: ClassVar[int] = COUNTED

    def read(self, cursor: Cursor | None, limit: int, *, descending: bool) -> list[Row]:
        found: list[Row] = []
        for beyond, place in self._parts(cursor):
            statement, keys = _page(self.whose, self.column, beyond, descending)
            parts = statement.rows([self.value, *place, limit - len(found)])
            found += [keys.row(part) for [part] in parts]
            if len(found) == limit:
                break
        return found

    def count(self, cursor: Cursor | None, limit: int, *, descending: bool) -> int:
        number = 0
        for beyond, place in self._parts(cursor):
            statement = _count(self.whose, self.column, beyond, descending)
            [[more]] = statement.rows([self.value, *place, limit + 1 - number])
            number += more
            if number > limit:
                break
        return number

    def place_of(self, row: Row) -> Any:
        return EXPRESSIONS[self.column].of(row) if self.column in EXPRESSIONS else getattr(row, self.column)

    def _parts(self, cursor: Cursor | None) -> Iterator[tuple[str, Sequence[Any]]]:
        """Yield the conditions of what is beyond the cursor, with their parameters."""
        if cursor is None or cursor == END or (place := _stored_place(self.column, cursor)) is None:
            yield ALL, ()
        elif self.column in EXPRESSIONS:
            yield SAME, (place, cursor.key_id)
            yield FURTHER, (place,)
        else:
            yield AFTER, (place, cursor.key_id)


def _stored_place(column: str, cursor: Cursor) -> Any:
    """Return where a cursor stands, as the database has it; None for one that was never handed out."""
    field = order_sql(column)[1]
    position = moment_of(cursor) if isinstance(field, models.DateTimeField) else cursor.position
    return field.get_db_prep_value(position, connection)


@cache
def order_sql(column: str) -> tuple[str, Any]:
    """Return what a list is sorted by: its SQL, and the field that says how the database has it."""
    if column not in EXPRESSIONS:
        return f'"{KEYS}"."{column}"', ApiKeyRecord._meta.get_field(column)
    query = ApiKeyRecord.objects.annotate(**{column: EXPRESSIONS[column]}).query
    expression = query.annotations[column]
    sql, _parameters = query.get_compiler(connection=connection).compile(expression)
    return sql, expression.output_field


@cache
def _page(whose: str, column: str, beyond: str, descending: bool) -> tuple[Statement, Columns]:
    """Return the statement of so many rows, and their columns: all that a key has, and what places it."""
    place = EXPRESSIONS[column].column if column in EXPRESSIONS else column
    keys = Columns(ApiKeyRecord, KEYS, {place, *(field.name for field in fields(ApiKey))})
    return Statement(f"SELECT {keys} {_from(whose, column, beyond, descending)} LIMIT %s", keys), keys


@cache
def _count(whose: str, column: str, beyond: str, descending: bool) -> Statement:
    """Return the statement that counts the rows, up to a limit: in their order, as `count_to` does."""
    rows = f'SELECT "{KEYS}"."id" {_from(whose, column, beyond, descending)} LIMIT %s'
    return Statement(f"SELECT COUNT(*) FROM ({rows}) subquery")  # nosec B608  # a statement of this module


def _from(whose: str, column: str, beyond: str, descending: bool) -> str:
    place, key_id, step = order_sql(column)[0], f'"{KEYS}"."id"', "<" if descending else ">"
    condition = beyond.format(place=place, id=key_id, step=step)
    order = [f"{part} {'DESC' if descending else 'ASC'}" for part in (place, key_id)][beyond == SAME :]
    return f'FROM {table(ApiKeyRecord, KEYS)} WHERE "{KEYS}"."{whose}" = %s {condition} ORDER BY {", ".join(order)}'
