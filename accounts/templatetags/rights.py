"""The template filter that checks a capability: `{% if request.user|may:"use_console" %}`."""

from django import template

from accounts import access
from accounts.models import Staff

register = template.Library()


@register.filter
def may(user: object, right: str) -> bool:
    """Return whether the user is a staff member with this capability."""
    return isinstance(user, Staff) and access.may(user, right)
