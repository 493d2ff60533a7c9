"""A simulated clock, so that the real actions can store events of the past."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from typing import Self
from unittest.mock import patch

import jwt.api_jwt
from django.utils import timezone


class Clock:
    """The current time within `clock_set()`; assign `at` to change it."""

    def __init__(self, at: datetime) -> None:
        self.at = at


@contextmanager
def clock_set(at: datetime) -> Iterator[Clock]:
    """Make Django's clock, and the clock that checks the expiry of identity tokens, return `clock.at`.

    It patches process-wide state, so it must not be used in a server with several threads. Model fields hold a
    reference to `timezone.now` as their default; therefore the `datetime` that it calls is replaced.
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
