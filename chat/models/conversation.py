"""Models of a conversation, its assignments to agents, and its rating."""

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Department, Skill, Staff
from chat.models.site import Site
from chat.models.texts import WrapUpCode
from chat.models.visitor import Visitor


class Status(models.TextChoices):
    WAITING = "waiting", _("waiting")
    ACTIVE = "active", pgettext_lazy("conversation", "active")
    WRAP_UP = "wrap_up", _("wrap-up")
    CLOSED = "closed", _("closed")
    # The visitor went away while waiting. If they come back in time, they wait again, in their former place.
    ABANDONED = "abandoned", _("abandoned")


OPEN = (Status.WAITING, Status.ACTIVE)
# The visitor may continue these conversations; an abandoned one only for a limited time.
RESUMABLE = (*OPEN, Status.ABANDONED)
# An ordering that puts a visitor's current conversation first: the open one, or the newest if none is open. The open
# conversation is not always the newest. When a visitor signs in, an open conversation moves to the customer, who may
# have a newer one that has ended.
CURRENT_FIRST = (
    models.Case(models.When(status__in=OPEN, then=0), default=1, output_field=models.SmallIntegerField()),
    "-id",
)


class Emergency(models.TextChoices):
    """Whether a conversation is an emergency. An emergency that is raised or confirmed is first in the queue."""

    NONE = "", _("no emergency")
    RAISED = "raised", _("emergency, not confirmed")
    CONFIRMED = "confirmed", _("confirmed emergency")
    LOWERED = "lowered", _("no emergency, a supervisor has decided")


class Conversation(models.Model):
    """A conversation between a visitor and agents, from start to wrap-up. The writer thread maintains its counters and
    read marks.

    `last_seq` is the highest of the numbers 1, 2, 3 ... of its messages. A read mark such as `agent_read_seq` means
    that the agent has read everything up to and including that seq; read marks never decrease. Every write that changes
    a value shown in a `protocol.Row` raises `revision`. Actions lock the conversation before they write it. The writer
    thread does not lock it, and writes only if the revision is still the one that it has read.
    """

    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    client_id = models.UUIDField(
        editable=False, help_text="chosen by the widget, so that a repeated start is harmless"
    )
    site = models.ForeignKey(Site, models.PROTECT, verbose_name=_("site"))
    visitor = models.ForeignKey(
        Visitor, models.PROTECT, related_name="conversations", verbose_name=_("visitor")
    )
    department = models.ForeignKey(Department, models.PROTECT, verbose_name=_("department"))
    channel = models.CharField(_("channel"), max_length=10, default="web")
    skill = models.ForeignKey(
        Skill, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("required skill")
    )
    status = models.CharField(_("status"), max_length=9, choices=Status, default=Status.WAITING)
    priority = models.PositiveSmallIntegerField(_("priority"), default=0)
    emergency = models.CharField(
        _("emergency"), max_length=9, choices=Emergency, default=Emergency.NONE, blank=True
    )
    emergency_reason = models.CharField(_("reason for the emergency"), max_length=60, blank=True)
    agent = models.ForeignKey(
        Staff, models.PROTECT, null=True, blank=True, related_name="conversations", verbose_name=_("agent")
    )
    language = models.CharField(_("language"), max_length=10, default="zh")
    subject = models.CharField(_("subject"), max_length=100, blank=True)
    form = models.JSONField(_("form answers"), default=dict, blank=True)
    page = models.CharField(_("page"), max_length=300, blank=True, help_text=_("without the query string"))
    device = models.CharField(_("device"), max_length=20, blank=True)

    revision = models.PositiveBigIntegerField(default=1, editable=False)
    last_seq = models.PositiveIntegerField(default=0)
    visitor_received_seq = models.PositiveIntegerField(default=0)
    visitor_read_seq = models.PositiveIntegerField(default=0)
    agent_received_seq = models.PositiveIntegerField(default=0)
    agent_read_seq = models.PositiveIntegerField(default=0)
    unread_by_agent = models.PositiveIntegerField(default=0)
    visitor_message_count = models.PositiveIntegerField(_("messages from the visitor"), default=0)
    agent_message_count = models.PositiveIntegerField(_("messages from agents"), default=0)
    excerpt = models.CharField(
        max_length=120, blank=True, help_text="beginning of the newest message, for lists"
    )

    started_at = models.DateTimeField(_("started"), default=timezone.now)
    waiting_since = models.DateTimeField(_("waiting since"), default=timezone.now)
    # The queue is in the order of this time, earliest first (`chat.queue_order`).
    queue_time = models.DateTimeField(default=timezone.now, editable=False)
    offered_to = models.ForeignKey(
        Staff,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="offered_conversations",
        verbose_name=_("offered to"),
    )
    offered_until = models.DateTimeField(_("offered until"), null=True, blank=True)
    # The server process to which the visitor's newest socket belongs: the holder of the lease `process/<id>`. If it is
    # empty, the presence of the visitor is not known, and the visitor never counts as away.
    visitor_process = models.CharField(max_length=40, blank=True, editable=False)
    # Null while the visitor is connected.
    visitor_away_since = models.DateTimeField(_("visitor away since"), null=True, blank=True)
    assigned_at = models.DateTimeField(_("first assigned"), null=True, blank=True)
    first_response_at = models.DateTimeField(_("first answered"), null=True, blank=True)
    unanswered_since = models.DateTimeField(
        null=True, blank=True, help_text="time of the first visitor message after the last answer"
    )
    last_message_at = models.DateTimeField(null=True, blank=True)
    # The last time, before the end of the conversation, at which the bank's site verified the visitor's identity. Kept
    # for the records.
    verified_at = models.DateTimeField(_("identity verified"), null=True, blank=True, editable=False)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    ended_by = models.CharField(_("ended by"), max_length=8, blank=True)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    wrap_up_code = models.ForeignKey(
        WrapUpCode, models.PROTECT, null=True, blank=True, verbose_name=_("wrap-up code")
    )
    wrap_up_comment = models.CharField(_("wrap-up comment"), max_length=500, blank=True)
    digest = models.CharField(
        _("checksum"),
        max_length=64,
        blank=True,
        help_text=_("SHA-256 of the transcript, computed when the conversation ends"),
    )

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(fields=["visitor", "client_id"], name="conversation_started_once"),
            models.UniqueConstraint(
                fields=["visitor"],
                condition=models.Q(status__in=("waiting", "active")),
                name="one_open_conversation_per_visitor",
            ),
            models.CheckConstraint(
                condition=models.Q(status="active", agent__isnull=False)
                | models.Q(status="waiting", agent__isnull=True)
                | models.Q(status__in=("wrap_up", "closed"))
                | models.Q(status="abandoned", agent__isnull=True),
                name="active_has_agent_waiting_has_none",
            ),
            models.CheckConstraint(
                condition=models.Q(offered_to__isnull=True, offered_until__isnull=True)
                | models.Q(offered_to__isnull=False, offered_until__isnull=False, status="waiting"),
                name="only_waiting_is_offered",
            ),
        ]
        indexes = [
            models.Index(
                fields=["department", "queue_time", "id"],
                condition=models.Q(status="waiting"),
                name="waiting_in_order",
            ),
            models.Index(
                fields=["offered_to"],
                condition=models.Q(offered_to__isnull=False),
                name="offered_now",
            ),
            models.Index(
                fields=["status", "visitor_away_since"],
                condition=models.Q(status__in=("waiting", "active", "abandoned")),
                name="presence_of_visitors",
            ),
            models.Index(
                fields=["agent", "status"],
                condition=~models.Q(status="closed"),
                name="own_unclosed",
            ),
            models.Index(fields=["visitor", "-id"], name="of_one_visitor"),
            models.Index(fields=["agent", "-id"], name="of_one_agent"),
            models.Index(fields=["-started_at"], name="newest_first"),
        ]

    def __str__(self) -> str:
        return str(self.uuid)[:8]

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


class Assignment(models.Model):
    """A period in which a conversation belonged to one agent.

    It records the reason, the person who assigned the conversation, and the online colleague who then had the fewest
    conversations.
    """

    class Reason(models.TextChoices):
        TAKEN = "taken", _("taken from the queue")
        ASSIGNED = "assigned", _("assigned by a supervisor")
        TRANSFERRED = "transferred", _("transferred by a colleague")
        PUSHED = "pushed", _("assigned by the router")
        OFFERED = "offered", _("accepted from an offer")

    conversation = models.ForeignKey(Conversation, models.PROTECT, related_name="assignments")
    agent = models.ForeignKey(Staff, models.PROTECT, related_name="assignments", verbose_name=_("agent"))
    department = models.ForeignKey(Department, models.PROTECT, verbose_name=_("department"))
    at = models.DateTimeField(_("from"), default=timezone.now)
    until_at = models.DateTimeField(_("until"), null=True, blank=True)
    reason = models.CharField(_("reason for the assignment"), max_length=12, choices=Reason)
    # Null if the router assigned it.
    by = models.ForeignKey(
        Staff, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("assigned by")
    )
    # The rule, and the candidates with their load at that moment (`chat.protocol.Explanation`). Empty for a transfer.
    explanation = models.JSONField(_("explanation"), default=dict, blank=True)
    next_in_line = models.ForeignKey(
        Staff,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("next agent"),
        help_text=_("The online colleague in the department who had the fewest conversations at that time."),
    )
    # Identifies the click with which the agent took the conversation, so that a repeated request does not take another
    # one.
    client_id = models.UUIDField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"],
                condition=models.Q(until_at__isnull=True),
                name="at_most_one_assigned_agent",
            ),
            models.UniqueConstraint(
                fields=["by", "client_id"],
                condition=models.Q(client_id__isnull=False),
                name="one_conversation_for_a_press",
            ),
        ]
        indexes = [
            models.Index(fields=["agent", "-id"], name="assignments_of_one_agent"),
            models.Index(fields=["department", "at"], name="assignments_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id} {self.agent_id}"


class Rating(models.Model):
    conversation = models.OneToOneField(Conversation, models.PROTECT, related_name="rating")
    agent = models.ForeignKey(Staff, models.PROTECT, null=True, blank=True, verbose_name=_("agent"))
    score = models.PositiveSmallIntegerField(
        _("score"), validators=[MinValueValidator(1), MaxValueValidator(5)]
    )
    comment = models.CharField(_("comment"), max_length=500, blank=True)
    at = models.DateTimeField(_("time"), default=timezone.now)

    class Meta:
        verbose_name = _("rating")
        verbose_name_plural = _("ratings")
        constraints = [
            models.CheckConstraint(condition=models.Q(score__range=(1, 5)), name="rating_score_1_to_5")
        ]

    def __str__(self) -> str:
        return f"{self.score}"
