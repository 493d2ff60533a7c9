"""Template filters for durations, and for times that JSON fields hold."""

from datetime import datetime

from django import template
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def in_words(seconds: float) -> str:
    """Return a duration in words, such as "45 s" or "3 min" or "1 h 5 min"."""
    total = int(seconds)
    if total < 60:
        return _("{count} s").format(count=total)
    minutes = total // 60
    if minutes < 60:
        return _("{count} min").format(count=minutes)
    return _("{count} h {minutes} min").format(count=minutes // 60, minutes=minutes % 60)


@register.filter
def time_of(text: str | None) -> datetime | None:
    """Return the time that a JSON field holds in ISO 8601, or None if it is empty."""
    return datetime.fromisoformat(text) if text else None
