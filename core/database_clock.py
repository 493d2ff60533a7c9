"""The clock of the database, for times that processes on several machines compare: their own clocks differ."""

from datetime import UTC, datetime

from django.db import connection
from django.db.models import Expression
from django.db.models.functions import Now


def now() -> Expression:
    """Return an expression for the time at which a statement begins, for use in a query."""
    return Now()


def read() -> datetime:
    """Return the time of the database. One query."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT statement_timestamp()")
            at: datetime = cursor.fetchone()[0]
            return at
        cursor.execute("SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')")
        return datetime.fromisoformat(cursor.fetchone()[0]).replace(tzinfo=UTC)
