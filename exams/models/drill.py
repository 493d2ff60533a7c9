"""Models of the daily drill: for each person, the question asked now and the schedule of repetitions."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Staff
from exams.models.exams import Question


class DrillOffer(models.Model):
    """The drill question that was last shown to a person. The person may answer only this one."""

    staff = models.OneToOneField(Staff, models.CASCADE, primary_key=True, related_name="+")
    question = models.ForeignKey(Question, models.CASCADE, related_name="+")
    # The value of `DrillCard.reviews` when the question was offered.
    review = models.PositiveIntegerField()
    offered_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.staff_id} {self.question_id}"


class DrillCard(models.Model):
    """The schedule of one question in the drill of one person, computed by the FSRS algorithm from earlier answers."""

    staff = models.ForeignKey(Staff, models.CASCADE, related_name="drill_cards")
    question = models.ForeignKey(Question, models.CASCADE, related_name="+")
    # The state of the card as `fsrs.Card.to_dict` returns it.
    card = models.JSONField()
    due_at = models.DateTimeField(_("due"))
    reviewed_at = models.DateTimeField(_("last answered"), default=timezone.now)
    reviews = models.PositiveIntegerField(_("times answered"), default=0)
    misses = models.PositiveIntegerField(_("times answered incorrectly"), default=0)

    class Meta:
        verbose_name = _("drill schedule of a question")
        verbose_name_plural = _("drill schedules of questions")
        ordering = ("due_at", "id")
        constraints = [models.UniqueConstraint(fields=["staff", "question"], name="drill_card_once")]
        indexes = [models.Index(fields=["staff", "due_at"], name="drill_due")]

    def __str__(self) -> str:
        return f"{self.staff_id} {self.question_id}"
