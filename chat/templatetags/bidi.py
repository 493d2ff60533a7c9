from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from core.text import bidi

register = template.Library()


@register.filter
def letters(text: str) -> SafeString:
    """Escape a text and keep its carriage returns, which HTML would otherwise read as line feeds."""
    return mark_safe(escape(text).replace("\r", "&#13;"))  # noqa: S308 (`escape` has made it safe)


@register.filter
def without_marks(name: object) -> str:
    """Remove direction marks from a name inside a sentence, where they would reorder the words around it."""
    return bidi.remove_marks(str(name))
