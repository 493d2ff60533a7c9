"""Models of approval requests and of the authors of content that is not yet approved."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class ApprovalRequest(models.Model):
    """A request for approval of a change, with the content exactly as an approver sees it.

    The content never changes; new content is stored as a new request.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("waiting for approval")
        APPROVED = "approved", _("approved")
        REJECTED = "rejected", _("not approved")
        WITHDRAWN = "withdrawn", _("withdrawn by its author")
        SUPERSEDED = "superseded", _("replaced by a newer request")
        EXPIRED = "expired", _("expired")

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # The name of a kind of approval that an app has registered (accounts.approvals.registry).
    kind = models.CharField(_("kind"), max_length=40)
    # Identifies the record to change, usually by its primary key; empty for a new record.
    subject = models.CharField(max_length=80, blank=True)
    title = models.CharField(_("title"), max_length=200)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, db_index=True)
    authors = models.ManyToManyField(
        settings.AUTH_USER_MODEL, related_name="approval_requests", verbose_name=_("written by")
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("sent by")
    )
    requested_at = models.DateTimeField(_("sent"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)

    class Meta:
        app_label = "accounts"
        verbose_name = _("request for approval")
        verbose_name_plural = _("requests for approval")
        ordering = ("-requested_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=models.Q(state="pending") & ~models.Q(subject=""),
                name="one_pending_request_per_subject",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=("approved", "rejected"), decided_by__isnull=False)
                | (~models.Q(state__in=("approved", "rejected")) & models.Q(decided_by__isnull=True)),
                name="request_decided_by_somebody",
            ),
        ]
        indexes = [
            models.Index(
                fields=["kind", "requested_at"],
                condition=models.Q(state="pending"),
                name="requests_pending",
            )
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_open(self) -> bool:
        """Whether the request can still be approved."""
        return self.state == self.State.PENDING and self.expires_at > timezone.now()


class Authorship(models.Model):
    """A staff member who has written a part of a record since it was last approved.

    Authors are stored apart from approval requests, because a draft may be written long before approval is requested,
    and the text of a discarded draft may be typed again. `subject` identifies the record; it is text, not a foreign
    key, so that it outlives the record.
    """

    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=80)
    staff = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    class Meta:
        app_label = "accounts"
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject", "staff"], name="authorship_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject} {self.staff_id}"
