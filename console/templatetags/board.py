"""The template filters of the board: ticking times, the warmth of a wait, and the names of routing modes."""

from datetime import datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from routing.models import Mode

register = template.Library()

# Waiting times in seconds. At each of them, the colour of a wait becomes warmer. As in
# static/console/inbox/conversation-lists.js.
HEAT_LIMITS = (30, 90, 180, 300)


@register.filter
def ticking(since: datetime | None, now: datetime) -> SafeString | str:
    """Return the time from `since` to `now` as HTML, such as `4:05`. A script keeps it up to date."""
    if since is None:
        return "–"
    seconds = _seconds(since, now)
    minutes = f"{seconds // 60}:{seconds % 60:02}"
    text = minutes if seconds < 3600 else f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return format_html(
        '<span class="ticking" data-since="{}">{}</span>', round(since.timestamp() * 1000), text
    )


@register.filter
def heat(since: datetime | None, now: datetime) -> str:
    """Return how warm the colour of a wait is, from "0" to "4", or "" if nobody waits."""
    if since is None:
        return ""
    seconds = _seconds(since, now)
    return str(sum(seconds >= limit for limit in HEAT_LIMITS))


@register.filter
def mode_name(mode: Mode) -> str:
    """Return the short name of a routing mode."""
    return {Mode.PUSH: _("push"), Mode.OFFER: _("offer"), Mode.PULL: _("pull")}[mode]


def _seconds(since: datetime, now: datetime) -> int:
    return max(0, int((now - since).total_seconds()))
