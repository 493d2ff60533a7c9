"""Querysets that are compiled to SQL once and run many times as prepared statements (docs/decisions/006).

Django compiles a queryset each time it is used, which takes longer than the database takes to run the statement.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Lookup, QuerySet

# Stands for a parameter in the queryset of a PreparedSelect. The parameter gets its value at each run.
PARAM = object()
# Stands for the limit in the queryset of a PreparedFirst. The limit gets its value at each run. No other number in a
# statement is equal to this one.
_LIMIT_PARAM = 987_654_321


@Field.register_lookup
class AnyOf(Lookup):
    """The lookup `pk__among=PARAM`. It is like `in`, but one parameter holds any number of ids."""

    lookup_name = "among"
    prepare_rhs = False

    def as_postgresql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s::bigint[])", [*parameters, self.rhs]

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} IN (SELECT value FROM json_each(%s))", [*parameters, self.rhs]  # noqa: S608


class _Comparison(Lookup):
    """Base class of lookups that compare a column with one parameter."""

    prepare_rhs = False
    sql = ""

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} {self.sql}", (*parameters, self.rhs)


@Field.register_lookup
class Equals(_Comparison):
    """The lookup `pk__equals=PARAM`: equal to one value.

    Use it instead of `among` for an ordered query: with `among`, PostgreSQL does not read rows in the order of an
    index.
    """

    lookup_name = "equals"
    sql = "= %s"


@Field.register_lookup
class After(_Comparison):
    """The lookup `at__since=PARAM`: greater than or equal to a value, such as a time."""

    lookup_name = "since"
    sql = ">= %s"


class PreparedSelect:
    """A queryset that is compiled only once.

    Example: `PreparedSelect(lambda: Model.objects.filter(pk__among=PARAM).values_list(...))`. All values other than
    PARAM are written into the SQL as constants, so they must come from our own code. PostgreSQL can then use a partial
    index. With a parameter in place of a constant, PostgreSQL could not know that the index contains all matching rows.
    """

    def __init__(self, make: Callable[[], QuerySet[Any, Any]]) -> None:
        self._make = make
        self._compiled: dict[str, tuple[str, int, Any, Any]] = {}

    def rows(self, pks: Iterable[int] = ()) -> list[Any]:
        """Run the query and return the rows as tuples. Every PARAM gets the value `pks`. One query."""
        _, parameter_count, _, _ = self._statement()
        opening, closing = "{}" if connection.vendor == "postgresql" else "[]"
        return self._rows([opening + ",".join(map(str, pks)) + closing] * parameter_count)

    def _rows(self, parameters: list[Any]) -> list[Any]:
        sql, _, compiler, converters = self._statement()
        rows = run(sql, parameters, lambda cursor: cursor.fetchall())
        return list(compiler.apply_converters(rows, converters)) if converters else rows

    def _statement(self) -> tuple[str, int, Any, Any]:
        vendor = connection.vendor
        if vendor not in self._compiled:
            self._compiled[vendor] = self._compile(self._make())
        return self._compiled[vendor]

    def _compile(self, queryset: QuerySet[Any, Any]) -> tuple[str, int, Any, Any]:
        compiler = queryset.query.get_compiler("default")
        sql, parameters = compiler.as_sql()
        texts = [
            "%s" if value is PARAM else "'" + str(value).replace("'", "''") + "'" for value in parameters
        ]
        columns = [column for column, _, _ in compiler.select[: compiler.col_count]]
        return sql % tuple(texts), texts.count("%s"), compiler, compiler.get_converters(columns)


def fetch(sql: str, parameters: list[Any]) -> list[Any]:
    """Run a handwritten SQL query, which no queryset can express, and return its rows. One query."""
    return list(run(sql, parameters, lambda cursor: cursor.fetchall()))


class PreparedFirst(PreparedSelect):
    """An ordered queryset compiled once, with a limit that is given at each run. Use the lookups `equals` and
    `since`."""

    def first(self, limit: int, *values: int | str | datetime) -> list[Any]:
        """Run the query and return the first `limit` rows as tuples. The PARAMs get `values`, in order. One query."""
        adapt = connection.ops.adapt_datetimefield_value
        parameters = [adapt(value) if isinstance(value, datetime) else value for value in values]
        return self._rows([*parameters, limit])

    def _compile(self, queryset: QuerySet[Any, Any]) -> tuple[str, int, Any, Any]:
        sql, *rest = super()._compile(queryset[:_LIMIT_PARAM])
        return (sql.replace(str(_LIMIT_PARAM), "%s"), *rest)


def run(sql: str, parameters: list[Any], then: Callable[[Any], Any] = lambda _: None) -> Any:
    """Execute an SQL statement and return the result of `then`, which gets the cursor. Raises django.db.Error."""
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        # psycopg's own cursor binds parameters on the server. Django's cursor writes them into the SQL on the client,
        # and such a statement cannot be prepared.
        with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
            cursor.execute(sql.encode(), parameters)
            return then(cursor)
    with connection.cursor() as django_cursor:
        django_cursor.execute(sql, parameters)
        return then(django_cursor)
