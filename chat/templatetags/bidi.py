from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from core.text import bidi

register = template.Library()


@register.filter
def letters(text: str) -> SafeString:
    """The text to the letter: a carriage return, which HTML would read as a line feed, stays what it is."""
    return mark_safe(escape(text).replace("\r", "&#13;"))  # noqa: S308 (escaped in the same breath)


@register.filter
def without_marks(name: object) -> str:
    """A name within a sentence: without the marks that would turn the words beside it."""
    return bidi.remove_marks(str(name))
