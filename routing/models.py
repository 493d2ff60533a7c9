"""Models of routing: the policy of each department, and the offers that agents got."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Department, Staff
from chat.models import Conversation


class Mode(models.TextChoices):
    PUSH = "push", _("push: the router assigns conversations")
    OFFER = "offer", _("offer: the router offers conversations, and the agent accepts")
    PULL = "pull", _("pull: agents take conversations by hand")


class DepartmentPolicy(models.Model):
    """How the conversations of a department reach its agents. A department without a policy is in pull mode."""

    department = models.OneToOneField(
        Department,
        models.CASCADE,
        primary_key=True,
        related_name="policy",
        verbose_name=_("department"),
    )
    mode = models.CharField(_("mode"), max_length=5, choices=Mode, default=Mode.PUSH)
    offer_seconds = models.PositiveSmallIntegerField(
        _("time to accept an offer"),
        default=20,
        validators=[MinValueValidator(5), MaxValueValidator(300)],
        help_text=_("In seconds. Then the next agent gets the offer."),
    )
    pause_seconds = models.PositiveSmallIntegerField(
        _("pause between two assignments"),
        default=0,
        validators=[MaxValueValidator(600)],
        help_text=_("In seconds. An agent gets no other conversation in this time."),
    )
    capacity = models.PositiveSmallIntegerField(
        _("capacity of an agent"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_(
            "Maximum number of conversations of this department for one agent at the same time. Empty: only "
            "the agent's own capacity counts."
        ),
    )
    sleep_minutes = models.PositiveSmallIntegerField(
        _("silence after which a conversation sleeps"),
        default=5,
        validators=[MinValueValidator(1)],
        help_text=_(
            "In minutes. A conversation whose customer has not answered for this time does not count towards "
            "the capacity."
        ),
    )
    skill_wait_seconds = models.PositiveSmallIntegerField(
        _("wait for an agent with the skill"),
        default=60,
        help_text=_("In seconds. After that, an agent without the required skill or language may help."),
    )
    return_seconds = models.PositiveSmallIntegerField(
        _("time until a lost agent's conversations return to the queue"),
        default=30,
        help_text=_("In seconds, from the moment at which the agent counts as offline."),
    )
    abandon_minutes = models.PositiveSmallIntegerField(
        _("absence after which a waiting customer leaves the queue"),
        default=3,
        validators=[MinValueValidator(1)],
        help_text=_("In minutes."),
    )
    abandon_minutes_phone = models.PositiveSmallIntegerField(
        _("the same on a phone"),
        default=10,
        validators=[MinValueValidator(1)],
        help_text=_("In minutes. Phones cut the connection while another app is open."),
    )
    rejoin_minutes = models.PositiveSmallIntegerField(
        _("time to come back to the former place"),
        default=30,
        help_text=_("In minutes, from the moment at which the customer left the queue by being absent."),
    )
    overflow_length = models.PositiveSmallIntegerField(
        _("overflow: length of the queue"),
        null=True,
        blank=True,
        help_text=_("From this number of waiting customers on, new ones go to the overflow department."),
    )
    overflow_minutes = models.PositiveSmallIntegerField(
        _("overflow: waiting time"),
        null=True,
        blank=True,
        help_text=_("In minutes. After that, a waiting customer goes to the overflow department."),
    )
    overflow_to = models.ForeignKey(
        Department,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("overflow department"),
    )

    class Meta:
        verbose_name = _("routing policy")
        verbose_name_plural = _("routing policies")
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(overflow_to=models.F("department")), name="overflow_goes_elsewhere"
            )
        ]

    def __str__(self) -> str:
        return f"{self.department} · {self.get_mode_display()}"


class Offer(models.Model):
    """An offer of a conversation to an agent, and its outcome."""

    class Outcome(models.TextChoices):
        OPEN = "open", _("open")
        ACCEPTED = "accepted", _("accepted")
        MISSED = "missed", _("missed")
        DECLINED = "declined", _("declined")
        WITHDRAWN = "withdrawn", _("withdrawn")

    conversation = models.ForeignKey(Conversation, models.PROTECT, related_name="offers")
    agent = models.ForeignKey(Staff, models.PROTECT, related_name="offers", verbose_name=_("agent"))
    department = models.ForeignKey(Department, models.PROTECT, related_name="+", verbose_name=_("department"))
    at = models.DateTimeField(_("offered"), default=timezone.now)
    until_at = models.DateTimeField(_("expires"))
    outcome = models.CharField(_("outcome"), max_length=9, choices=Outcome, default=Outcome.OPEN)
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    # Like `chat.models.Assignment.explanation`.
    explanation = models.JSONField(_("explanation"), default=dict, blank=True)

    class Meta:
        verbose_name = _("offer")
        verbose_name_plural = _("offers")
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"],
                condition=models.Q(outcome="open"),
                name="at_most_one_open_offer",
            )
        ]
        indexes = [
            models.Index(fields=["agent", "-id"], name="offers_of_one_agent"),
            models.Index(fields=["at"], condition=models.Q(outcome="missed"), name="missed_offers_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id} {self.agent_id} {self.outcome}"
