"""The key that makes a form harmless to send twice (`accounts.form_keys`)."""

from uuid import uuid4

from django.template import Library
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.form_keys import FIELD

register = Library()


@register.simple_tag
def form_key() -> SafeString:
    return format_html('<input type="hidden" name="{}" value="{}">', FIELD, uuid4())
