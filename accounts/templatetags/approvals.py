"""The number of requests that wait for the reader, for the navigation."""

from django import template

from accounts.access import may
from accounts.approvals.selectors import approvable_count
from accounts.models import Staff

register = template.Library()


@register.simple_tag
def approvals_waiting(user: object) -> int | None:
    """The number, or None for somebody who neither approves anything nor writes what has to be approved."""
    if not isinstance(user, Staff) or not (may(user, "approve_points") or may(user, "approve_set_up")):
        return None
    return approvable_count(user)
