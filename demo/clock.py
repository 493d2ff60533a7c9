"""A simulated clock, with which the demo runs real actions at times in the past."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from typing import Self
from unittest.mock import patch

import jwt.api_jwt
from django.utils import timezone


class Clock:
    """The simulated clock inside a `with clock_set(...)` block. Assign to `at` to change the time."""

    def __init__(self, at: datetime) -> None:
        self.at = at


@contextmanager
def clock_set(at: datetime) -> Iterator[Clock]:
    """Replace Django's clock, and the clock for the expiry of identity tokens, with a simulated one.

    The patch applies to the whole process, so it must not be used in a server with several threads. It replaces the
    `datetime` that `timezone.now` calls, not the function itself, because model fields hold references to the function.
    """
    clock = Clock(at)

    class AnyDatetime(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class SetDatetime(datetime, metaclass=AnyDatetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return clock.at.astimezone(tz)  # type: ignore[return-value]

    with patch.object(timezone, "datetime", SetDatetime), patch.object(jwt.api_jwt, "datetime", SetDatetime):
        yield clock
