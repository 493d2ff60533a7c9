"""The template tag that returns, for the navigation, the number of requests waiting for the reader's approval."""

from django import template

from accounts.access import may
from accounts.approvals.selectors import approvable_count
from accounts.models import Staff

register = template.Library()


@register.simple_tag
def approvals_waiting(user: object) -> int | None:
    """Return the number of pending requests that `user` may approve; None if `user` has no right to approve
    anything."""
    if not isinstance(user, Staff) or not (may(user, "approve_points") or may(user, "approve_set_up")):
        return None
    return approvable_count(user)
