"""Log lines without the words of customers: no message text, token or personal number is ever logged.

An error's own words may hold them: PostgreSQL prints the row that broke a constraint, `int()` the text that is no
number. So a traceback keeps its places and the kinds of its errors, and of their words only what is known to be clean.
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

# Their words are about the program and the machine.
CLEAN = (OSError, ImportError, AttributeError, NameError, TypeError, RuntimeError, ImproperlyConfigured)


# What a log call may name by `extra`: ids, never anything that somebody has said.
IDS = ("conversation", "socket")


# Records that one line of the program may write in a minute. What anonymous people cause again and again, a request for
# a foreign host or a frame that fails, must not fill the disk, nor hide what else goes wrong.
MAX_PER_MINUTE = 30


class Throttle(logging.Filter):
    """Lets through at most MOST_A_MINUTE records of one place a minute; the next minute's first says how many more.

    Requests that Django finds suspicious are warnings here, without what they held: strangers wrote it.
    """

    def __init__(self, most: int = MAX_PER_MINUTE) -> None:
        super().__init__()
        self._most = most
        # By place: the minute, and the records in it.
        self._counts: dict[tuple[str, str, int], tuple[int, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security."):
            # The logger's name says why.
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.msg, record.args, record.exc_info = "a request was refused", (), None
        place = (record.name, record.pathname, record.lineno)
        minute = int(time.monotonic() // 60)
        former, count = self._counts.get(place, (minute, 0))
        left_out = 0
        if former != minute:
            left_out, count = max(0, count - self._most), 0
        self._counts[place] = minute, count + 1
        if count >= self._most:
            return False
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out} more of these were left out)", ()
        return True


class Formatter(logging.Formatter):
    """The readable line, with its ids at its end."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return " ".join([super().formatMessage(record), *(f"{key}={value}" for key, value in _ids(record))])

    def formatException(
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        return "" if ei[1] is None else _told(ei[1]).rstrip()


class JsonFormatter(Formatter):
    """One JSON object a line: `at` (UTC), `level`, `logger`, `process`, `words`, the ids, and `trace` of an error."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": os.getpid(),
            "words": record.getMessage(),
            **dict(_ids(record)),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _ids(record: logging.LogRecord) -> list[tuple[str, str]]:
    return [(key, str(value)) for key in IDS if (value := getattr(record, key, ""))]


def _told(error: BaseException) -> str:
    before = ""
    if error.__cause__ is not None:
        before = _told(error.__cause__) + "which led to\n"
    elif error.__context__ is not None and not error.__suppress_context__:
        before = _told(error.__context__) + "and while that was handled\n"
    places = "".join(traceback.format_tb(error.__traceback__))
    return f"{before}{places}{type(error).__module__}.{type(error).__qualname__}: {_words(error)}\n"


def _words(error: BaseException) -> str:
    if isinstance(error, DatabaseError):
        # The lines after the first are the details: keys and whole rows.
        return str(error).partition("\n")[0]
    return str(error) if isinstance(error, CLEAN) else "(its words are left out)"
