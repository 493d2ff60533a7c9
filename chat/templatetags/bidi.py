from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from core.text import bidi

register = template.Library()


@register.filter
def letters(text: str) -> SafeString:
    """Return an HTML-escaped text with its carriage returns kept, which HTML would otherwise read as line feeds."""
    return mark_safe(escape(text).replace("\r", "&#13;"))  # noqa: S308 (`escape` has made it safe)


@register.filter
def without_marks(name: object) -> str:
    """Return a name without bidirectional marks, which could reorder the other words of the sentence."""
    return bidi.remove_marks(str(name))
