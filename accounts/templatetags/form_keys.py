"""The template tag for the key that makes it harmless to send a form twice (`accounts.form_keys`)."""

from uuid import uuid4

from django.template import Library
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.form_keys import FIELD

register = Library()


@register.simple_tag
def form_key() -> SafeString:
    """Return a hidden field with a new key."""
    return format_html('<input type="hidden" name="{}" value="{}">', FIELD, uuid4())
