"""Inserts and updates many rows with one prepared statement, whose text never changes.

The statements are built from the models once in each process, and run on Django's connection inside its transaction. A
queryset would build the SQL again for each batch, which costs more than PostgreSQL needs to run it (decision 006). On
PostgreSQL, all rows are sent as one JSON parameter. The text does not depend on the number of rows, so each statement
is planned once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import msgspec
from django.db import connection, transaction
from django.db.models import Model

from chat.archive.search_terms import TermsField
from chat.models import Conversation, Message
from core.prepared_queries import PARAM, PreparedFirst, PreparedSelect, fetch, run

__all__ = [
    "PARAM",
    "PreparedFirst",
    "PreparedSelect",
    "fetch",
    "insert",
    "run_in_one_statement",
    "update",
    "write_at_revision",
]

_encoder = msgspec.json.Encoder()


def insert(model: type[Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have values for the same columns. If it raises django.db.Error, no row is inserted."""
    if connection.vendor == "postgresql":
        run(_insert_from_json(model, tuple(rows[0])), [_encoder.encode(rows).decode()])
        return
    fields = _fields(model, rows[0])
    placeholders = ", ".join(_value_sql(field, "%s") for field in fields)
    # S608: every name comes from the model.
    sql = f"INSERT INTO {_table_name(model)} ({_column_names(fields)}) VALUES ({placeholders})"  # noqa: S608
    _execute_many(sql, ([_database_value(field, row) for field in fields] for row in rows))


def update(model: type[Model], rows: Sequence[Mapping[str, Any]], columns: tuple[str, ...]) -> None:
    """Update these columns of existing rows, which are found by their `id`. Raises django.db.Error."""
    if connection.vendor == "postgresql":
        given = [{name: row[name] for name in ("id", *columns)} for row in rows]
        run(_update_from_json(model, columns), [_encoder.encode(given).decode()])
        return
    fields = _fields(model, (*columns, "id"))
    placeholders = ", ".join(f"{_column_name(field)} = %s" for field in fields[:-1])
    sql = f"UPDATE {_table_name(model)} SET {placeholders} WHERE {_column_name(fields[-1])} = %s"  # noqa: S608
    _execute_many(sql, ([_database_value(field, row) for field in fields] for row in rows))


def write_at_revision(
    conversations: Sequence[Mapping[str, Any]],
    columns: tuple[str, ...],
    messages: Sequence[Mapping[str, Any]],
) -> set[int]:
    """Update conversations and insert their messages, except where another transaction has changed the conversation.

    `columns` are the columns to update, including "revision". The new revision is the revision that the caller has
    read, plus one. If the revision in the database is no longer the one that the caller has read, the conversation
    stays unchanged and its messages are not inserted. Returns the ids of the conversations that were written. On
    PostgreSQL, one statement does all this and locks the conversations in the order of their ids. If django.db.Error is
    raised, nothing is written.
    """
    if connection.vendor != "postgresql":
        return _write_one_by_one(conversations, columns, messages)
    ids = "{" + ",".join(str(row["id"]) for row in conversations) + "}"
    given = [[{name: row[name] for name in ("id", *columns)} for row in conversations], messages]
    sql = _write_from_json(columns, tuple(messages[0]) if messages else ())
    # A single statement is a transaction of its own. Inside the caller's transaction, use a savepoint, so that a
    # failure does not end that transaction.
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        written = fetch(sql, [ids, *(_encoder.encode(rows).decode() for rows in given if rows)])
    return {pk for (pk,) in written}


def _write_one_by_one(
    conversations: Iterable[Mapping[str, Any]],
    columns: tuple[str, ...],
    messages: Iterable[Mapping[str, Any]],
) -> set[int]:
    fields = _fields(Conversation, (*columns, "id"))
    placeholders = ", ".join(f"{_column_name(field)} = %s" for field in fields[:-1])
    sql = f"UPDATE {_table_name(Conversation)} SET {placeholders} WHERE id = %s AND revision = %s"  # noqa: S608
    written: set[int] = set()
    with transaction.atomic(), connection.cursor() as cursor:
        for row in conversations:
            values = [_database_value(field, row) for field in fields]
            cursor.execute(sql, [*values, row["revision"] - 1])
            if cursor.rowcount:
                written.add(row["id"])
        if own := [message for message in messages if message["conversation_id"] in written]:
            insert(Message, own)
    return written


@contextmanager
def run_in_one_statement() -> Iterator[None]:
    """Send the inserts and updates of the block to the database in one pipeline, with one round trip.

    Raises django.db.Error at the end of the block, for the first statement that failed.
    """
    if connection.vendor != "postgresql":
        yield
        return
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


@cache
def _insert_from_json(model: type[Model], columns: tuple[str, ...]) -> str:
    fields = _fields(model, columns)
    values = ", ".join(_value_sql(field, f"given.{_column_name(field)}") for field in fields)
    return (
        f"INSERT INTO {_table_name(model)} ({_column_names(fields)}) SELECT {values} FROM {_rows_sql(fields)}"  # noqa: S608
    )


@cache
def _update_from_json(model: type[Model], columns: tuple[str, ...]) -> str:
    key, *fields = _fields(model, ("id", *columns))
    values = ", ".join(f"{_column_name(field)} = given.{_column_name(field)}" for field in fields)
    condition = f"{_table_name(model)}.{_column_name(key)} = given.{_column_name(key)}"
    return f"UPDATE {_table_name(model)} SET {values} FROM {_rows_sql([key, *fields])} WHERE {condition}"  # noqa: S608


@cache
def _write_from_json(columns: tuple[str, ...], message_columns: tuple[str, ...]) -> str:
    """Return the SQL of `write_at_revision`. Its parameters are the ids, the conversations and the messages."""
    table, fields = _table_name(Conversation), _fields(Conversation, ("id", *columns))
    values = ", ".join(f"{_column_name(field)} = given.{_column_name(field)}" for field in fields[1:])
    sql = f"""
        WITH ids AS (SELECT %s::bigint[] AS list),
        given AS MATERIALIZED (SELECT * FROM {_rows_sql(fields)}),
        locked AS MATERIALIZED (
            SELECT id FROM {table} JOIN given USING (id)
            WHERE id = ANY((SELECT list FROM ids)::bigint[]) AND {table}.revision = given.revision - 1
            ORDER BY id FOR NO KEY UPDATE OF {table}
        ),
        written AS (
            UPDATE {table} SET {values} FROM given JOIN locked USING (id)
            WHERE {table}.id = given.id RETURNING {table}.id
        )"""  # noqa: S608
    if message_columns:
        message_fields = _fields(Message, message_columns)
        values = ", ".join(_value_sql(field, f"given.{_column_name(field)}") for field in message_fields)
        sql += f""", inserted AS (
            INSERT INTO {_table_name(Message)} ({_column_names(message_fields)})
            SELECT {values} FROM {_rows_sql(message_fields)} JOIN written ON written.id = given.conversation_id
        )"""  # noqa: S608
    return f"{sql} SELECT id FROM written"  # noqa: S608


def _rows_sql(fields: Iterable[Any]) -> str:
    """Return SQL that turns its parameter, a JSON list of objects, into the table `given`."""
    columns = ", ".join(
        f"{_column_name(field)} {'text[]' if isinstance(field, TermsField) else field.db_type(connection)}"
        for field in fields
    )
    return f"json_to_recordset(%s::json) AS given({columns})"


def _fields(model: type[Model], columns: Iterable[str]) -> list[Any]:
    known = {field.column: field for field in model._meta.concrete_fields}
    return [known[column] for column in columns]


def _value_sql(field: Any, value: str) -> str:
    """Return SQL for the value of a field: `value` itself, or a call of the function that the field requires."""
    placeholder: str = (
        field.get_placeholder(None, None, connection) if hasattr(field, "get_placeholder") else "%s"
    )
    return placeholder % value if value != "%s" else placeholder


def _database_value(field: Any, row: Mapping[str, Any]) -> Any:
    return field.get_db_prep_save(row[field.column], connection)


def _table_name(model: type[Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _column_name(field: Any) -> str:
    return connection.ops.quote_name(field.column)


def _column_names(fields: Iterable[Any]) -> str:
    return ", ".join(map(_column_name, fields))


def _execute_many(sql: str, rows: Iterable[Sequence[Any]]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(sql, list(rows))
