"""Functions that return the start and end of a day in LIANXIN_TIME_ZONE, for filters by date."""

from datetime import date, datetime, time, timedelta

from django.utils import timezone

# Dates are clamped to this range: beyond it, a time zone conversion could exceed the range of Python's datetime.
_FIRST, _LAST = date(1900, 1, 1), date(2999, 12, 31)


def start_of(day: date) -> datetime:
    """Return the first moment of a day in LIANXIN_TIME_ZONE."""
    return timezone.make_aware(datetime.combine(min(max(day, _FIRST), _LAST), time.min))


def end_of(day: date) -> datetime:
    """Return the first moment after a day, which is the first moment of the next day."""
    return start_of(min(day, _LAST) + timedelta(days=1))
