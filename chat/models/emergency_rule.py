"""The model of the words that make a conversation an emergency."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class EmergencyRule(models.Model):
    """A word that raises an emergency when a visitor writes it.

    A word inside one of the `exceptions` does not count: with the word 急 and the exception 不急, the text 不急 raises
    nothing. English words match only as whole words.
    """

    word = models.CharField(_("word"), max_length=40, unique=True)
    exceptions = models.CharField(
        _("exceptions"),
        max_length=300,
        blank=True,
        help_text=_("Longer words that contain the word and don't count, separated by spaces."),
    )
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        verbose_name = _("emergency word")
        verbose_name_plural = _("emergency words")
        ordering = ("word",)

    def __str__(self) -> str:
        return self.word
