"""The clock of the database, for times that processes on several machines compare: their own clocks differ."""

from datetime import datetime

from django.db import connection
from django.db.models import Expression
from django.db.models.functions import Now
from django.utils import timezone


def now() -> Expression:
    """Return an expression for the time at which a statement begins, for use in a query."""
    return Now()


def read() -> datetime:
    """Return the time of the database. One query; none with SQLite, which has the clock of this machine."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        at: datetime = cursor.fetchone()[0]
    return at
