"""Querysets that are made once, and run on Django's connection as often as one likes: decision 006.

A queryset is made anew each time it is used, which costs more than the database takes to run it.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Lookup, QuerySet

# Stands in a Select for the ids that are given each time.
PARAM = object()
# A slice of a queryset in a First: its end is given each time. No statement of ours has this number in it otherwise.
_LIMIT_PARAM = 987_654_321


@Field.register_lookup
class AnyOf(Lookup):
    """`pk__among=GIVEN`: like `in`, with one parameter however many ids there are."""

    lookup_name = "among"
    prepare_rhs = False

    def as_postgresql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s::bigint[])", [*parameters, self.rhs]

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} IN (SELECT value FROM json_each(%s))", [*parameters, self.rhs]  # noqa: S608


class _Compared(Lookup):
    """A column and the one value that is given."""

    prepare_rhs = False
    sql = ""

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} {self.sql}", (*parameters, self.rhs)


@Field.register_lookup
class Equals(_Compared):
    """`pk__being=GIVEN`: equal. By `among` one id PostgreSQL would not walk an index in its order."""

    lookup_name = "being"
    sql = "= %s"


@Field.register_lookup
class After(_Compared):
    """`at__since=GIVEN`: at this time or later."""

    lookup_name = "since"
    sql = ">= %s"


class PreparedSelect:
    """A queryset that is made once: `Select(lambda: Model.objects.filter(pk__among=GIVEN).values_list(...))`.

    Besides GIVEN its conditions may compare with texts of ours, which become part of the statement: of a parameter
    PostgreSQL would not know that an index of some rows holds them all.
    """

    def __init__(self, make: Callable[[], QuerySet[Any, Any]]) -> None:
        self._make = make
        self._compiled: dict[str, tuple[str, int, Any, Any]] = {}

    def rows(self, pks: Iterable[int] = ()) -> list[Any]:
        """The tuples of values, of those with these ids where the queryset says GIVEN. One query."""
        _, given, _, _ = self._statement()
        opening, closing = "{}" if connection.vendor == "postgresql" else "[]"
        return self._rows([opening + ",".join(map(str, pks)) + closing] * given)

    def _rows(self, parameters: list[Any]) -> list[Any]:
        sql, _, compiler, converters = self._statement()
        found = run(sql, parameters, lambda cursor: cursor.fetchall())
        return list(compiler.apply_converters(found, converters)) if converters else found

    def _statement(self) -> tuple[str, int, Any, Any]:
        vendor = connection.vendor
        if vendor not in self._compiled:
            self._compiled[vendor] = self._compile(self._make())
        return self._compiled[vendor]

    def _compile(self, queryset: QuerySet[Any, Any]) -> tuple[str, int, Any, Any]:
        compiler = queryset.query.get_compiler("default")
        sql, parameters = compiler.as_sql()
        texts = ["%s" if each is PARAM else "'" + str(each).replace("'", "''") + "'" for each in parameters]
        columns = [column for column, _, _ in compiler.select[: compiler.col_count]]
        return sql % tuple(texts), texts.count("%s"), compiler, compiler.get_converters(columns)


def fetch(sql: str, parameters: list[Any]) -> list[Any]:
    """The rows of a statement of our own, for what no queryset can say. One query."""
    return list(run(sql, parameters, lambda cursor: cursor.fetchall()))


class PreparedFirst(PreparedSelect):
    """The same of an ordered queryset with `being` and `since`, of which only so many rows are wanted each time."""

    def first(self, limit: int, *given: int | str | datetime) -> list[Any]:
        """The tuples of values of the first `limit` rows. `given`: for each GIVEN, in their order. One query."""
        at = connection.ops.adapt_datetimefield_value
        return self._rows([*(at(each) if isinstance(each, datetime) else each for each in given), limit])

    def _compile(self, queryset: QuerySet[Any, Any]) -> tuple[str, int, Any, Any]:
        sql, *rest = super()._compile(queryset[:_LIMIT_PARAM])
        return (sql.replace(str(_LIMIT_PARAM), "%s"), *rest)


def run(sql: str, parameters: list[Any], then: Callable[[Any], Any] = lambda _: None) -> Any:
    """What `then` makes of the cursor. Raises django.db.Error."""
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        # A cursor of psycopg's own: Django's puts the parameters into the text, and such a text cannot be prepared.
        with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
            cursor.execute(sql.encode(), parameters)
            return then(cursor)
    with connection.cursor() as ours:
        ours.execute(sql, parameters)
        return then(ours)
