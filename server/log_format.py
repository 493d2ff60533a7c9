"""Log formatters that never log the text of chat messages, tokens or personal numbers.

The message of an exception may contain them: PostgreSQL prints the row that broke a constraint, and `int()` prints the
text that is not a number. Therefore a logged traceback contains the places in the code and the classes of the
exceptions, but the message of an exception only if it is known to be safe.
"""

import json
import logging
import os
import time
import traceback
from datetime import UTC, datetime
from types import TracebackType

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError

# Exceptions whose messages are safe: they are about the program and the machine.
SAFE_ERRORS = (OSError, ImportError, AttributeError, NameError, TypeError, RuntimeError, ImproperlyConfigured)


# Keys that a log call may pass in `extra`: ids, never text that somebody has written.
IDS = ("conversation", "socket")


# The maximum number of records per minute from one line of code. Anonymous clients can cause the same record again and
# again (a request for a foreign host, a frame that fails). Such records must not fill the disk or hide other problems.
MAX_PER_MINUTE = 30


class Throttle(logging.Filter):
    """Pass at most `max_per_minute` records per minute from one line of code.

    The first record of a later minute says how many were left out. Records about requests that Django refuses as
    suspicious become warnings without content, because strangers wrote it.
    """

    def __init__(self, max_per_minute: int = MAX_PER_MINUTE) -> None:
        super().__init__()
        self._max_per_minute = max_per_minute
        # For each line of code: the minute of its last record, and the number of its records in that minute.
        self._counts: dict[tuple[str, str, int], tuple[int, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security."):
            # The name of the logger tells the reason, so drop the original message and the traceback.
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.msg, record.args, record.exc_info = "a request was refused", (), None
        source = (record.name, record.pathname, record.lineno)
        minute = int(time.monotonic() // 60)
        previous_minute, count = self._counts.get(source, (minute, 0))
        left_out = 0
        if previous_minute != minute:
            left_out, count = max(0, count - self._max_per_minute), 0
        self._counts[source] = minute, count + 1
        if count >= self._max_per_minute:
            return False
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out} more of these were left out)", ()
        return True


class Formatter(logging.Formatter):
    """Format a record as a readable line with its ids at the end."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return " ".join([super().formatMessage(record), *(f"{key}={value}" for key, value in _ids(record))])

    def formatException(
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        return "" if ei[1] is None else _safe_traceback(ei[1]).rstrip()


class JsonFormatter(Formatter):
    """Format a record as one line of JSON: `at` (UTC), `level`, `logger`, `process`, `words` (the message), the ids,
    and the `trace` of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": os.getpid(),
            "words": record.getMessage(),
            **dict(_ids(record)),
        }
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def _ids(record: logging.LogRecord) -> list[tuple[str, str]]:
    return [(key, str(value)) for key in IDS if (value := getattr(record, key, ""))]


def _safe_traceback(error: BaseException) -> str:
    before = ""
    if error.__cause__ is not None:
        before = _safe_traceback(error.__cause__) + "which caused\n"
    elif error.__context__ is not None and not error.__suppress_context__:
        before = _safe_traceback(error.__context__) + "and while that was handled\n"
    locations = "".join(traceback.format_tb(error.__traceback__))
    return f"{before}{locations}{type(error).__module__}.{type(error).__qualname__}: {_safe_message(error)}\n"


def _safe_message(error: BaseException) -> str:
    if isinstance(error, DatabaseError):
        # The lines after the first contain details: keys and whole rows.
        return str(error).partition("\n")[0]
    return str(error) if isinstance(error, SAFE_ERRORS) else "(message left out)"
