"""How points are used: inserted, helpful or not, and the questions that none answers."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Staff
from chat.models import Conversation
from knowledge.models.points import Point, Version


class Use(models.Model):
    """An answer that an agent sent was made from a point, or the box has shown one to a visitor.

    Which words were said stands in the message itself (`Message.source`): this is for counting and for learning.
    """

    class By(models.TextChoices):
        AGENT = "agent", _("sent by an agent")
        BOX = "box", _("shown by the box")

    version = models.ForeignKey(Version, models.PROTECT, related_name="uses", verbose_name=_("version"))
    conversation = models.ForeignKey(
        Conversation, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("conversation")
    )
    # The message of it; the box shows points beside the messages, and before there are any.
    seq = models.PositiveIntegerField(null=True, blank=True)
    by = models.CharField(_("by"), max_length=5, choices=By)
    agent = models.ForeignKey(
        Staff, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("agent")
    )
    is_edited = models.BooleanField(_("words were changed"), default=False)
    # Said by the agent or by the visitor; None when nobody said.
    is_helpful = models.BooleanField(_("helpful"), null=True, blank=True)
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("use")
        verbose_name_plural = _("uses")
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "seq"], condition=models.Q(by="agent"), name="use_once_per_message"
            ),
            models.UniqueConstraint(
                fields=["conversation", "version"], condition=models.Q(by="box"), name="shown_once_per_chat"
            ),
        ]
        indexes = [models.Index(fields=["version", "-at"], name="uses_of_version")]

    def __str__(self) -> str:
        return f"{self.version_id} {self.at:%Y-%m-%d}"


class UnansweredQuestion(models.Model):
    """A question that no point answers, with all who asked it alike."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        ANSWERED = "answered", _("answered")
        DISMISSED = "dismissed", _("dismissed")

    text = models.CharField(_("question"), max_length=200)
    language = models.CharField(_("language"), max_length=10, default="zh")
    count = models.PositiveIntegerField(_("times"), default=0)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.OPEN)
    point = models.ForeignKey(
        Point, models.SET_NULL, null=True, blank=True, related_name="gaps", verbose_name=_("answered by")
    )
    first_at = models.DateTimeField(_("first asked"), default=timezone.now)
    last_at = models.DateTimeField(_("last asked"), default=timezone.now)

    class Meta:
        verbose_name = _("gap")
        verbose_name_plural = _("gaps")
        ordering = ("-count", "-last_at")
        indexes = [
            models.Index(fields=["-count", "-last_at"], condition=models.Q(state="open"), name="gaps_open")
        ]

    def __str__(self) -> str:
        return self.text


class UnansweredQuestionExample(models.Model):
    """One customer's question in a gap, in their words."""

    gap = models.ForeignKey(
        UnansweredQuestion, models.CASCADE, related_name="questions", verbose_name=_("gap")
    )
    conversation = models.ForeignKey(
        Conversation, models.PROTECT, related_name="+", verbose_name=_("conversation")
    )
    seq = models.PositiveIntegerField()
    text = models.CharField(_("question"), max_length=200)
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("question of a gap")
        verbose_name_plural = _("questions of a gap")
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(fields=["conversation", "seq"], name="gap_question_once_per_message")
        ]

    def __str__(self) -> str:
        return self.text
