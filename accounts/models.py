"""Staff, departments, presence and the audit trail."""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


class Department(models.Model):
    code = models.SlugField(_("code"), unique=True)
    name_zh = models.CharField(_("name in Chinese"), max_length=60)
    name_en = models.CharField(_("name in English"), max_length=60)
    is_active = models.BooleanField(_("in use"), default=True)
    order = models.PositiveSmallIntegerField(_("order"), default=0)

    class Meta:
        verbose_name = _("department")
        verbose_name_plural = _("departments")
        ordering = ("order", "id")

    def __str__(self) -> str:
        return self.name_in(get_language())

    def name_in(self, language: str | None) -> str:
        """Return the Chinese name for None or a language code that begins with `zh`, otherwise the English name."""
        return self.name_zh if (language or "zh").startswith("zh") else self.name_en


class Role(models.TextChoices):
    AGENT = "agent", _("agent")
    SUPERVISOR = "supervisor", _("supervisor")
    EDITOR = "editor", _("knowledge editor")
    AUDITOR = "auditor", _("auditor")
    ADMINISTRATOR = "administrator", _("administrator")


class Staff(AbstractUser):
    """A staff member. `accounts.access` lists the capabilities of each role."""

    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    name = models.CharField(_("name"), max_length=60)
    name_en = models.CharField(
        _("name in Latin letters"),
        max_length=60,
        blank=True,
        help_text=_("shown to visitors who write English"),
    )
    number = models.CharField(
        _("staff number"), max_length=12, unique=True, help_text=_("shown to visitors next to the name")
    )
    role = models.CharField(_("role"), max_length=16, choices=Role, default=Role.AGENT)
    departments = models.ManyToManyField(
        Department, verbose_name=_("departments"), blank=True, related_name="members"
    )
    capacity = models.PositiveSmallIntegerField(
        _("capacity"), default=8, help_text=_("maximum number of conversations at the same time")
    )

    # True while the current password is one that somebody else set. The account can then do nothing but change it.
    must_change_password = models.BooleanField(default=False, db_default=False, editable=False)

    REQUIRED_FIELDS: ClassVar[list[str]] = ["name", "number"]

    class Meta:
        verbose_name = _("staff member")
        verbose_name_plural = _("staff members")
        ordering = ("number",)

    def __str__(self) -> str:
        return f"{self.name} {self.number}"

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name

    def name_in(self, language: str | None) -> str:
        return self.name if not self.name_en or (language or "zh").startswith("zh") else self.name_en


class Skill(models.Model):
    """Something that only some agents can do, such as mortgages or English.

    A skill with a `language` is a language: conversations in that language go to agents who have the skill.
    """

    code = models.SlugField(_("code"), unique=True)
    name_zh = models.CharField(_("name in Chinese"), max_length=60)
    name_en = models.CharField(_("name in English"), max_length=60)
    language = models.CharField(
        _("language"),
        max_length=10,
        blank=True,
        help_text=_("The code of a language, such as en, if the skill is a language. Otherwise empty."),
    )

    class Meta:
        verbose_name = _("skill")
        verbose_name_plural = _("skills")
        ordering = ("code",)
        constraints = [
            models.UniqueConstraint(
                fields=["language"], condition=~models.Q(language=""), name="one_skill_for_a_language"
            )
        ]

    def __str__(self) -> str:
        return self.name_zh if (get_language() or "zh").startswith("zh") else self.name_en


class StaffSkill(models.Model):
    """A skill of a staff member. An agent with a higher level gets a conversation before one with a lower level."""

    staff = models.ForeignKey(Staff, models.CASCADE, related_name="skills", verbose_name=_("staff member"))
    skill = models.ForeignKey(Skill, models.CASCADE, related_name="holders", verbose_name=_("skill"))
    level = models.PositiveSmallIntegerField(
        _("level"),
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(5)],
        help_text=_("1 to 5; 5 is the highest"),
    )

    class Meta:
        verbose_name = _("skill of a staff member")
        verbose_name_plural = _("skills of staff members")
        ordering = ("staff", "skill")
        constraints = [
            models.UniqueConstraint(fields=["staff", "skill"], name="skill_once_for_a_person"),
            models.CheckConstraint(condition=models.Q(level__range=(1, 5)), name="skill_level_1_to_5"),
        ]

    def __str__(self) -> str:
        return f"{self.staff_id} {self.skill_id} {self.level}"


class PresenceStatus(models.TextChoices):
    ONLINE = "online", _("online")
    BUSY = "busy", _("busy")
    BREAK = "break", _("on a break")
    AWAY = "away", _("away")
    OFFLINE = "offline", _("offline")


class Presence(models.Model):
    """The status that a staff member has chosen, such as online or on a break. It is valid while `seen_at` is recent.

    Open consoles renew `seen_at`. Without renewal the status expires after `accounts.presence.LEASE_SECONDS`, because a
    killed server or a closed laptop sends no notice.
    """

    staff = models.OneToOneField(Staff, models.CASCADE, primary_key=True, related_name="presence")
    status = models.CharField(
        _("status"), max_length=8, choices=PresenceStatus, default=PresenceStatus.OFFLINE
    )
    since = models.DateTimeField(_("since"), default=timezone.now)
    seen_at = models.DateTimeField(_("last heartbeat"), default=timezone.now)

    class Meta:
        verbose_name = _("presence")
        verbose_name_plural = _("presence")

    def __str__(self) -> str:
        return f"{self.staff_id} {self.status}"


class QueueRestriction(models.Model):
    """A ban on taking conversations from a department's queue, for one staff member, from the day `since` on.

    Before that day it is only a warning. Supervisors and colleagues may still assign or transfer such conversations to
    the staff member. Other apps create and remove restrictions, for example `exams` for a required exam.
    """

    staff = models.ForeignKey(
        Staff, models.CASCADE, related_name="queue_restrictions", verbose_name=_("staff member")
    )
    department = models.ForeignKey(Department, models.CASCADE, related_name="+", verbose_name=_("department"))
    # The reason for the restriction, as a key of the app that created it, for example `exam/12`.
    key = models.CharField(max_length=40, editable=False)
    why = models.CharField(_("reason"), max_length=120)
    since = models.DateField(_("from"))
    # True when a supervisor has lifted the restriction.
    is_lifted = models.BooleanField(_("lifted"), default=False)

    class Meta:
        verbose_name = _("queue restriction")
        verbose_name_plural = _("queue restrictions")
        ordering = ("since", "id")
        constraints = [
            models.UniqueConstraint(fields=["staff", "department", "key"], name="bar_once_for_a_reason")
        ]

    def __str__(self) -> str:
        return f"{self.staff_id} {self.department_id} {self.since}"


class AuditEntry(models.Model):
    """A record of who did or read what, and when. The application never changes or deletes an entry."""

    at = models.DateTimeField(_("time"), default=timezone.now, db_index=True)
    actor = models.ForeignKey(
        Staff,
        models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("staff member"),
        related_name="audit_entries",
    )
    verb = models.CharField(_("event"), max_length=60, db_index=True)
    object_type = models.CharField(_("object type"), max_length=40)
    object_id = models.CharField(_("object"), max_length=64, db_index=True)
    detail = models.JSONField(_("details"), default=dict, blank=True)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ("-at", "-id")

    def __str__(self) -> str:
        return f"{self.verb} {self.object_type} {self.object_id}"


class SubmittedForm(models.Model):
    """A submitted form, identified by its key, and the response to it (`accounts.form_keys`)."""

    key = models.UUIDField(primary_key=True)
    staff = models.ForeignKey(Staff, models.CASCADE, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    # Null only while the view runs: the insert and the view share one transaction.
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True)

    class Meta:
        indexes = (models.Index(fields=["staff", "at"], name="submitted_forms_by_age"),)

    def __str__(self) -> str:
        return str(self.key)


# Django looks for an app's models in this module. The imported models refer to Staff only by the setting
# AUTH_USER_MODEL, so importing them at the end causes no import cycle.
from accounts.approvals.models import ApprovalRequest as ApprovalRequest  # noqa: E402
from accounts.approvals.models import Authorship as Authorship  # noqa: E402
