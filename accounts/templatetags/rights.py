"""`{% if request.user|may:"use_console" %}`: what a page offers follows the table of rights."""

from django import template

from accounts import access
from accounts.models import Staff

register = template.Library()


@register.filter
def may(user: object, right: str) -> bool:
    return isinstance(user, Staff) and access.may(user, right)
