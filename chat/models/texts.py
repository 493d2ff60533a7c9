"""Models of canned replies and wrap-up codes, which agents use."""

from django.db import models
from django.db.models.functions import Coalesce
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.models import Department, Staff

LANGUAGES = [("zh", _("Chinese")), ("en", _("English"))]


class CannedReply(models.Model):
    """A prepared reply for everyone, for one department, or for one person.

    At most one of `department` and `owner` is set.
    """

    department = models.ForeignKey(
        Department,
        models.CASCADE,
        null=True,
        blank=True,
        verbose_name=_("department"),
        help_text=_("Leave empty for all departments."),
    )
    owner = models.ForeignKey(
        Staff,
        models.CASCADE,
        null=True,
        blank=True,
        verbose_name=_("owner"),
        related_name="canned_replies",
        help_text=_("Set only for a personal reply."),
    )
    language = models.CharField(_("language"), max_length=10, choices=LANGUAGES, default="zh")
    shortcut = models.SlugField(
        _("shortcut"), max_length=30, help_text=_("Agents find the reply by typing / and the shortcut.")
    )
    title = models.CharField(_("title"), max_length=80)
    body = models.TextField(
        _("text"),
        max_length=2000,
        help_text=_(
            "May contain the placeholders {visitor_name} {agent_name} {agent_number} {bank_name} {hotline}"
        ),
    )
    initials = models.CharField(
        max_length=600, blank=True, editable=False, help_text="pinyin spellings of the title, for search"
    )
    # The knowledge point from which the reply was made, in the form of `Message.source`. The reply is deactivated when
    # that point changes or is withdrawn.
    source = models.CharField(
        max_length=40, blank=True, default="", db_default="", editable=False, db_index=True
    )
    is_active = models.BooleanField(_("in use"), default=True, db_default=True)

    class Meta:
        verbose_name = _("canned reply")
        verbose_name_plural = _("canned replies")
        ordering = ("shortcut", "id")
        constraints = [
            models.UniqueConstraint(
                Coalesce("department", 0),
                Coalesce("owner", 0),
                "language",
                "shortcut",
                name="canned_reply_shortcut_once",
            ),
            models.CheckConstraint(
                condition=models.Q(department__isnull=True) | models.Q(owner__isnull=True),
                name="canned_reply_one_scope",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class WrapUpCode(models.Model):
    code = models.SlugField(_("code"), max_length=40, unique=True)
    name_zh = models.CharField(_("name in Chinese"), max_length=60)
    name_en = models.CharField(_("name in English"), max_length=60)
    department = models.ForeignKey(
        Department,
        models.CASCADE,
        null=True,
        blank=True,
        verbose_name=_("department"),
        help_text=_("Leave empty for all departments."),
    )
    is_active = models.BooleanField(_("in use"), default=True)
    order = models.PositiveSmallIntegerField(_("order"), default=0)

    class Meta:
        verbose_name = _("wrap-up code")
        verbose_name_plural = _("wrap-up codes")
        ordering = ("order", "id")

    def __str__(self) -> str:
        return self.name_in(get_language())

    def name_in(self, language: str | None) -> str:
        return self.name_zh if (language or "zh").startswith("zh") else self.name_en
