from django import template

from accounts.access import may as may_by_table
from accounts.models import Staff

register = template.Library()


@register.filter
def may(user: object, capability: str) -> bool:
    """Whether the reader may do it, by the table in accounts.access: what they may not is not offered."""
    return isinstance(user, Staff) and may_by_table(user, capability)
