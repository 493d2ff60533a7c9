"""A clock that can be set, so that the real actions write what happened yesterday."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from typing import Self
from unittest.mock import patch

import jwt.api_jwt
from django.utils import timezone


class Clock:
    """What time it is within `clock_set()`."""

    def __init__(self, at: datetime) -> None:
        self.at = at


@contextmanager
def clock_set(at: datetime) -> Iterator[Clock]:
    """Makes Django's clock, and that by which identity tokens run out, show `clock.at`. Not for a server's threads.

    Fields keep `timezone.now` itself as their default, so what is replaced is the `datetime` it asks.
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
