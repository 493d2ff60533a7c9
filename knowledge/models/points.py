"""The knowledge point: what the bank answers to a question, in versions that somebody else has approved."""

from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Department, Staff
from chat.models.texts import LANGUAGES
from chat.protocol import MAX_BODY_CHARACTERS
from knowledge.models.branches import Branch, Region


class Category(models.Model):
    """A place in the tree in which points are kept."""

    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="children", verbose_name=_("under")
    )
    name = models.CharField(_("name"), max_length=60)
    order = models.PositiveSmallIntegerField(_("order"), default=0)

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ("order", "name")
        constraints = [
            models.UniqueConstraint(Coalesce("parent", 0), "name", name="category_once_under_its_parent")
        ]

    def __str__(self) -> str:
        return self.name


class Point(models.Model):
    """One question and its answer. What stands here never changes by a new version: what is said is in `Version`."""

    key = models.SlugField(_("key"), max_length=60, unique=True, help_text=_("names it in imports"))
    language = models.CharField(_("language"), max_length=10, choices=LANGUAGES, default="zh")
    owner = models.ForeignKey(
        Staff,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="owned_points",
        verbose_name=_("owner"),
        help_text=_("is warned before it expires"),
    )
    published = models.OneToOneField(
        "Version", models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )
    # Counted by the actions, so that a search need not count.
    uses = models.PositiveIntegerField(_("times used"), default=0, editable=False)
    helped = models.PositiveIntegerField(_("times it helped"), default=0, editable=False)
    missed = models.PositiveIntegerField(_("times it did not help"), default=0, editable=False)
    # The edition of the library in which it last changed: what a process has to read again (knowledge.published_index).
    edition = models.PositiveBigIntegerField(default=0, db_index=True, editable=False)
    created_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("knowledge point")
        verbose_name_plural = _("knowledge points")
        ordering = ("key",)

    def __str__(self) -> str:
        return self.key


class Version(models.Model):
    """What a point says, or said, or is to say. Once approved its words never change."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        REVIEW = "review", _("in review")
        # Approved, and valid only from a day to come.
        APPROVED = "approved", _("approved")
        PUBLISHED = "published", _("published")
        REPLACED = "replaced", _("replaced")
        WITHDRAWN = "withdrawn", _("withdrawn")

    point = models.ForeignKey(
        Point, models.PROTECT, related_name="versions", verbose_name=_("knowledge point")
    )
    number = models.PositiveIntegerField(_("version"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.DRAFT)

    title = models.CharField(_("title"), max_length=120, help_text=_("the question as it is asked most"))
    answer = models.TextField(
        _("answer"),
        max_length=MAX_BODY_CHARACTERS,
        validators=[MinLengthValidator(1)],
        help_text=_("what is said to the customer"),
    )
    note = models.TextField(
        _("note"), max_length=MAX_BODY_CHARACTERS, blank=True, help_text=_("for staff only")
    )
    category = models.ForeignKey(Category, models.PROTECT, related_name="+", verbose_name=_("category"))
    department = models.ForeignKey(
        Department,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("business line"),
        help_text=_("the department that answers for it"),
    )
    region = models.ForeignKey(
        Region,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("region"),
        help_text=_("empty: everywhere"),
    )
    branch = models.ForeignKey(
        Branch,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("branch"),
        help_text=_("empty: every branch"),
    )
    links = models.JSONField(_("links"), default=list, blank=True, help_text="[[words, address], ...]")
    is_public = models.BooleanField(
        _("public"), default=False, help_text=_("the box may offer it before an agent comes")
    )
    valid_from = models.DateField(_("valid from"), null=True, blank=True)
    valid_until = models.DateField(_("valid until"), null=True, blank=True, help_text=_("the last day"))

    author = models.ForeignKey(
        Staff, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("written by")
    )
    written_at = models.DateTimeField(_("written"), default=timezone.now)
    reviewer = models.ForeignKey(
        Staff, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("reviewed by")
    )
    reviewed_at = models.DateTimeField(_("reviewed"), null=True, blank=True)
    remark = models.CharField(_("remark of the reviewer"), max_length=500, blank=True)
    published_at = models.DateTimeField(_("published"), null=True, blank=True)
    ended_at = models.DateTimeField(_("no longer said since"), null=True, blank=True)

    class Meta:
        verbose_name = _("version")
        verbose_name_plural = _("versions")
        ordering = ("point", "-number")
        constraints = [
            models.UniqueConstraint(fields=["point", "number"], name="version_number_once"),
            models.UniqueConstraint(
                fields=["point"],
                condition=models.Q(state__in=("draft", "review", "approved")),
                name="one_version_in_the_making",
            ),
            models.UniqueConstraint(
                fields=["point"], condition=models.Q(state="published"), name="one_version_published"
            ),
            models.CheckConstraint(
                condition=models.Q(author__isnull=True)
                | models.Q(reviewer__isnull=True)
                | ~models.Q(author=models.F("reviewer"))
                | models.Q(state__in=("draft", "review")),
                name="version_approved_by_a_second_person",
            ),
            models.CheckConstraint(
                condition=models.Q(valid_from__isnull=True)
                | models.Q(valid_until__isnull=True)
                | models.Q(valid_from__lte=models.F("valid_until")),
                name="version_valid_from_before_until",
            ),
        ]
        indexes = [
            models.Index(
                fields=["state", "valid_until"],
                condition=models.Q(state__in=("approved", "published")),
                name="version_expiry",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def source(self) -> str:
        """What a message made from it keeps, so that one can tell who was told it: `Message.source`."""
        return f"point/{self.point_id}/{self.number}"


class PointFile(models.Model):
    """A form or a leaflet that belongs to a point; an agent sends it as a file."""

    point = models.ForeignKey(Point, models.CASCADE, related_name="files", verbose_name=_("knowledge point"))
    name = models.CharField(_("file name"), max_length=120)
    content_type = models.CharField(_("kind"), max_length=40)
    size = models.PositiveIntegerField(_("bytes"))
    file = models.FileField(_("file"), upload_to="points/")
    # Agents see it only when a second person has approved it.
    is_approved = models.BooleanField(_("approved"), default=False)
    by = models.ForeignKey(
        Staff, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("by")
    )
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        ordering = ("id",)

    def __str__(self) -> str:
        return self.name


class Phrasing(models.Model):
    """Another way in which customers ask. One that came from use waits for an editor to accept it; one of a point that
    the box offers to customers also waits for a second person."""

    class State(models.TextChoices):
        SUGGESTED = "suggested", _("suggested")
        WAITING = "waiting", _("waits for approval")
        ACCEPTED = "accepted", _("accepted")
        DECLINED = "declined", _("declined")

    point = models.ForeignKey(
        Point, models.CASCADE, related_name="phrasings", verbose_name=_("knowledge point")
    )
    text = models.CharField(_("words"), max_length=200)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.ACCEPTED)
    # How often it was asked so; of suggested ones the most frequent come first.
    count = models.PositiveIntegerField(_("times"), default=1)
    by = models.ForeignKey(
        Staff, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("by")
    )
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("phrasing")
        verbose_name_plural = _("phrasings")
        ordering = ("id",)
        constraints = [models.UniqueConstraint(fields=["point", "text"], name="phrasing_once_per_point")]
        indexes = [
            models.Index(
                fields=["-count", "id"], condition=models.Q(state="suggested"), name="phrasings_suggested"
            )
        ]

    def __str__(self) -> str:
        return self.text


class Edition(models.Model):
    """One row: the number of the library's newest edition. Every change that a search must see makes a new one."""

    number = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_edition_row")]

    def __str__(self) -> str:
        return str(self.number)
