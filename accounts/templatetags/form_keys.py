"""The template tag for the unique key of a form. By this key, the server recognizes a form that is sent twice."""

from uuid import uuid4

from django.template import Library
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.form_keys import FIELD

register = Library()


@register.simple_tag
def form_key() -> SafeString:
    """Return a hidden form field with a new unique key (`accounts.form_keys`)."""
    return format_html('<input type="hidden" name="{}" value="{}">', FIELD, uuid4())
