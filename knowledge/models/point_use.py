"""Models of the use of points (sent or shown, helpful or not) and of questions that no point answers."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Staff
from chat.models import Conversation
from knowledge.models.points import Point, Version


class Use(models.Model):
    """A version that an agent sent as an answer or judged, or that the widget showed to a visitor.

    Uses are kept for statistics and learning. The text that was sent is recorded only in the message itself, which
    `Message.source` links to the version.
    """

    class By(models.TextChoices):
        AGENT = "agent", _("sent by an agent")
        WIDGET = "box", _("shown by the widget")

    version = models.ForeignKey(Version, models.PROTECT, related_name="uses", verbose_name=_("version"))
    conversation = models.ForeignKey(
        Conversation, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("conversation")
    )
    # The `seq` of the message made from the version, or None if the widget showed the version without a message.
    seq = models.PositiveIntegerField(null=True, blank=True)
    by = models.CharField(_("kind of use"), max_length=5, choices=By)
    agent = models.ForeignKey(
        Staff, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("agent")
    )
    is_edited = models.BooleanField(_("text changed by the agent"), default=False)
    # Feedback of the agent or the visitor; None without feedback.
    is_helpful = models.BooleanField(_("helpful"), null=True, blank=True)
    at = models.DateTimeField(_("time"), default=timezone.now)

    class Meta:
        verbose_name = _("use of a knowledge point")
        verbose_name_plural = _("uses of knowledge points")
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
    """A question that no point answers, with the similar questions of other visitors (`questions`)."""

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
        verbose_name = _("unanswered question")
        verbose_name_plural = _("unanswered questions")
        ordering = ("-count", "-last_at")
        indexes = [
            models.Index(fields=["-count", "-last_at"], condition=models.Q(state="open"), name="gaps_open")
        ]

    def __str__(self) -> str:
        return self.text


class UnansweredQuestionExample(models.Model):
    """A visitor's message that belongs to an unanswered question. Personal data in its text is masked."""

    gap = models.ForeignKey(
        UnansweredQuestion, models.CASCADE, related_name="questions", verbose_name=_("unanswered question")
    )
    conversation = models.ForeignKey(
        Conversation, models.PROTECT, related_name="+", verbose_name=_("conversation")
    )
    seq = models.PositiveIntegerField()
    text = models.CharField(_("question"), max_length=200)
    at = models.DateTimeField(_("time"), default=timezone.now)

    class Meta:
        verbose_name = _("example of an unanswered question")
        verbose_name_plural = _("examples of unanswered questions")
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(fields=["conversation", "seq"], name="gap_question_once_per_message")
        ]

    def __str__(self) -> str:
        return self.text
