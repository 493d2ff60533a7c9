"""Bounds of days in LIANXIN_TIME_ZONE, for filters by date."""

from datetime import date, datetime, time, timedelta

from django.utils import timezone

# Beyond these dates, a time zone conversion could exceed the range of Python's datetime, and the query would fail.
_FIRST, _LAST = date(1900, 1, 1), date(2999, 12, 31)


def start_of(day: date) -> datetime:
    """Return the first moment of a day."""
    return timezone.make_aware(datetime.combine(min(max(day, _FIRST), _LAST), time.min))


def end_of(day: date) -> datetime:
    """Return the first moment after a day."""
    return start_of(min(day, _LAST) + timedelta(days=1))
