"""Days of the set-up's own time zone as moments, for what is narrowed by dates."""

from datetime import date, datetime, time, timedelta

from django.utils import timezone

# Nearer the ends of the calendar a day has no moment in every time zone, and the search would fail.
_FIRST, _LAST = date(1900, 1, 1), date(2999, 12, 31)


def start_of(day: date) -> datetime:
    """The day's first moment."""
    return timezone.make_aware(datetime.combine(min(max(day, _FIRST), _LAST), time.min))


def end_of(day: date) -> datetime:
    """The first moment that is no longer of the day."""
    return start_of(min(day, _LAST) + timedelta(days=1))
