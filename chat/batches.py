"""What is read and written for a whole batch at once: one statement each, whose text never changes.

Django makes the statements from the models, once a process, and they run on Django's connection inside its transaction.
A queryset would make them anew each time, which costs more than PostgreSQL takes to run them: decision 006. How many
rows there are goes into one parameter, so that PostgreSQL too reads and plans a statement once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
import psycopg
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Lookup, Model, QuerySet

from chat.terms import TermsField

_encoder = msgspec.json.Encoder()


# Stands in a Select for the ids that are given each time.
GIVEN = object()
# A slice of a queryset in a First: its end is given each time. No statement of ours has this number in it otherwise.
_GIVEN_LIMIT = 987_654_321


@Field.register_lookup
class Among(Lookup):
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
class Being(_Compared):
    """`pk__being=GIVEN`: equal. By `among` one id PostgreSQL would not walk an index in its order."""

    lookup_name = "being"
    sql = "= %s"


@Field.register_lookup
class Since(_Compared):
    """`at__since=GIVEN`: at this time or later."""

    lookup_name = "since"
    sql = ">= %s"


class Select:
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
        found = _run(sql, parameters, lambda cursor: cursor.fetchall())
        return list(compiler.apply_converters(found, converters)) if converters else found

    def _statement(self) -> tuple[str, int, Any, Any]:
        vendor = connection.vendor
        if vendor not in self._compiled:
            self._compiled[vendor] = self._compile(self._make())
        return self._compiled[vendor]

    def _compile(self, queryset: QuerySet[Any, Any]) -> tuple[str, int, Any, Any]:
        compiler = queryset.query.get_compiler("default")
        sql, parameters = compiler.as_sql()
        texts = ["%s" if each is GIVEN else "'" + str(each).replace("'", "''") + "'" for each in parameters]
        columns = [column for column, _, _ in compiler.select[: compiler.col_count]]
        return sql % tuple(texts), texts.count("%s"), compiler, compiler.get_converters(columns)


def fetch(sql: str, parameters: list[Any]) -> list[Any]:
    """The rows of a statement of our own, for what no queryset can say. One query."""
    return list(_run(sql, parameters, lambda cursor: cursor.fetchall()))


class First(Select):
    """The same of an ordered queryset with `being` and `since`, of which only so many rows are wanted each time."""

    def first(self, limit: int, *given: int | datetime) -> list[Any]:
        """The tuples of values of the first `limit` rows. `given`: for each GIVEN, in their order. One query."""
        at = connection.ops.adapt_datetimefield_value
        return self._rows([*(at(each) if isinstance(each, datetime) else each for each in given), limit])

    def _compile(self, queryset: QuerySet[Any, Any]) -> tuple[str, int, Any, Any]:
        sql, *rest = super()._compile(queryset[:_GIVEN_LIMIT])
        return (sql.replace(str(_GIVEN_LIMIT), "%s"), *rest)


def insert(model: type[Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Stores rows, each with a value for the same columns. Raises django.db.Error, and then stores none."""
    if connection.vendor == "postgresql":
        _run(_insert_from_json(model, tuple(rows[0])), [_encoder.encode(rows).decode()])
        return
    fields = _fields(model, rows[0])
    places = ", ".join(_place(field, "%s") for field in fields)
    # The names are the model's own.
    sql = f"INSERT INTO {_table(model)} ({_columns(fields)}) VALUES ({places})"  # noqa: S608
    _run_for_each(sql, ([_adapted(field, row) for field in fields] for row in rows))


def update(model: type[Model], rows: Sequence[Mapping[str, Any]], columns: tuple[str, ...]) -> None:
    """Writes these columns of rows that stand under their `id`. Raises django.db.Error."""
    if connection.vendor == "postgresql":
        given = [{name: row[name] for name in ("id", *columns)} for row in rows]
        _run(_update_from_json(model, columns), [_encoder.encode(given).decode()])
        return
    fields = _fields(model, (*columns, "id"))
    places = ", ".join(f"{_name(field)} = %s" for field in fields[:-1])
    sql = f"UPDATE {_table(model)} SET {places} WHERE {_name(fields[-1])} = %s"  # noqa: S608
    _run_for_each(sql, ([_adapted(field, row) for field in fields] for row in rows))


@contextmanager
def at_once() -> Iterator[None]:
    """The inserts and updates in here go to the database together, and are waited for once. Raises django.db.Error at
    its end, of the first that failed."""
    if connection.vendor != "postgresql":
        yield
        return
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


@cache
def _insert_from_json(model: type[Model], columns: tuple[str, ...]) -> str:
    fields = _fields(model, columns)
    values = ", ".join(_place(field, f"given.{_name(field)}") for field in fields)
    return f"INSERT INTO {_table(model)} ({_columns(fields)}) SELECT {values} FROM {_given(fields)}"  # noqa: S608


@cache
def _update_from_json(model: type[Model], columns: tuple[str, ...]) -> str:
    key, *fields = _fields(model, ("id", *columns))
    values = ", ".join(f"{_name(field)} = given.{_name(field)}" for field in fields)
    condition = f"{_table(model)}.{_name(key)} = given.{_name(key)}"
    return f"UPDATE {_table(model)} SET {values} FROM {_given([key, *fields])} WHERE {condition}"  # noqa: S608


def _given(fields: Iterable[Any]) -> str:
    """The rows of the parameter, a JSON list of objects, as a table."""
    columns = ", ".join(
        f"{_name(field)} {'text[]' if isinstance(field, TermsField) else field.db_type(connection)}"
        for field in fields
    )
    return f"json_to_recordset(%s::json) AS given({columns})"


def _fields(model: type[Model], columns: Iterable[str]) -> list[Any]:
    known = {field.column: field for field in model._meta.concrete_fields}
    return [known[column] for column in columns]


def _place(field: Any, value: str) -> str:
    """Where the value goes: as it is, or through the function that its field asks for."""
    placeholder: str = (
        field.get_placeholder(None, None, connection) if hasattr(field, "get_placeholder") else "%s"
    )
    return placeholder % value if value != "%s" else placeholder


def _adapted(field: Any, row: Mapping[str, Any]) -> Any:
    return field.get_db_prep_save(row[field.column], connection)


def _table(model: type[Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _name(field: Any) -> str:
    return connection.ops.quote_name(field.column)


def _columns(fields: Iterable[Any]) -> str:
    return ", ".join(map(_name, fields))


def _run(sql: str, parameters: list[Any], then: Callable[[Any], Any] = lambda _: None) -> Any:
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        # A cursor of psycopg's own: Django's puts the parameters into the text, and such a text cannot be prepared.
        with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
            cursor.execute(sql.encode(), parameters)
            return then(cursor)
    with connection.cursor() as ours:
        ours.execute(sql, parameters)
        return then(ours)


def _run_for_each(sql: str, rows: Iterable[Sequence[Any]]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(sql, list(rows))
