"""The knowledge point: the bank's answer to a question, in versions that a second person approves."""

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
    """A node in the tree of categories of points."""

    parent = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        verbose_name=_("parent category"),
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
    """A question and its answer. The fields of this model do not depend on the version; the content is in `Version`."""

    key = models.SlugField(
        _("key"), max_length=60, unique=True, help_text=_("Identifies the knowledge point in imports")
    )
    language = models.CharField(_("language"), max_length=10, choices=LANGUAGES, default="zh")
    owner = models.ForeignKey(
        Staff,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="owned_points",
        verbose_name=_("owner"),
        help_text=_("Gets a warning before the knowledge point expires"),
    )
    published = models.OneToOneField(
        "Version", models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )
    # The actions update these counters, so that a search does not count rows.
    uses = models.PositiveIntegerField(_("times used"), default=0, editable=False)
    helped = models.PositiveIntegerField(_("times it helped"), default=0, editable=False)
    missed = models.PositiveIntegerField(_("times it did not help"), default=0, editable=False)
    # The edition in which the point last changed. A process reads the points whose edition is newer than its own data
    # (knowledge.published_index).
    edition = models.PositiveBigIntegerField(default=0, db_index=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("knowledge point")
        verbose_name_plural = _("knowledge points")
        ordering = ("key",)

    def __str__(self) -> str:
        return self.key


class Version(models.Model):
    """One version of a point's content: past, present or future. Once published, its content never changes."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        REVIEW = "review", _("in review")
        # Approved, but valid only from a future day.
        APPROVED = "approved", _("approved")
        PUBLISHED = "published", _("published")
        REPLACED = "replaced", _("replaced")
        WITHDRAWN = "withdrawn", _("withdrawn")

    point = models.ForeignKey(
        Point, models.PROTECT, related_name="versions", verbose_name=_("knowledge point")
    )
    number = models.PositiveIntegerField(_("version"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.DRAFT)

    title = models.CharField(_("title"), max_length=120, help_text=_("The question in its most common form"))
    answer = models.TextField(
        _("answer"),
        max_length=MAX_BODY_CHARACTERS,
        validators=[MinLengthValidator(1)],
        help_text=_("The text that is sent to customers"),
    )
    note = models.TextField(
        _("note"), max_length=MAX_BODY_CHARACTERS, blank=True, help_text=_("Visible to staff only")
    )
    category = models.ForeignKey(Category, models.PROTECT, related_name="+", verbose_name=_("category"))
    department = models.ForeignKey(
        Department,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("department"),
        help_text=_("The department responsible for the content"),
    )
    region = models.ForeignKey(
        Region,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("region"),
        help_text=_("Leave empty for all regions"),
    )
    branch = models.ForeignKey(
        Branch,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("branch"),
        help_text=_("Leave empty for all branches"),
    )
    links = models.JSONField(_("links"), default=list, blank=True, help_text="[[label, URL], ...]")
    is_public = models.BooleanField(
        _("public"),
        default=False,
        help_text=_("The widget may suggest this knowledge point before an agent answers"),
    )
    valid_from = models.DateField(_("valid from"), null=True, blank=True)
    valid_until = models.DateField(
        _("valid until"),
        null=True,
        blank=True,
        help_text=_("The last day on which the knowledge point is valid"),
    )

    author = models.ForeignKey(
        Staff, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("written by")
    )
    written_at = models.DateTimeField(_("written"), default=timezone.now)
    reviewer = models.ForeignKey(
        Staff, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("reviewed by")
    )
    reviewed_at = models.DateTimeField(_("reviewed"), null=True, blank=True)
    remark = models.CharField(_("reviewer's remark"), max_length=500, blank=True)
    published_at = models.DateTimeField(_("published"), null=True, blank=True)
    ended_at = models.DateTimeField(_("out of use since"), null=True, blank=True)

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
        """The `Message.source` of messages made from this version; the recipients of a point are found by it."""
        return f"point/{self.point_id}/{self.number}"


class PointFile(models.Model):
    """A form or leaflet of a point, which agents send to customers."""

    point = models.ForeignKey(Point, models.CASCADE, related_name="files", verbose_name=_("knowledge point"))
    name = models.CharField(_("file name"), max_length=120)
    content_type = models.CharField(_("kind"), max_length=40)
    size = models.PositiveIntegerField(_("bytes"))
    file = models.FileField(_("file"), upload_to="points/")
    # Agents see the file only after a second person has approved it.
    is_approved = models.BooleanField(_("approved"), default=False)
    by = models.ForeignKey(
        Staff, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("added by")
    )
    at = models.DateTimeField(_("time"), default=timezone.now)

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        ordering = ("id",)

    def __str__(self) -> str:
        return self.name


class Phrasing(models.Model):
    """Another way in which customers ask for a point.

    A phrasing learned from conversations is suggested until an editor accepts it. A new phrasing of a point that the
    widget suggests also needs approval by a second person.
    """

    class State(models.TextChoices):
        SUGGESTED = "suggested", _("suggested")
        WAITING = "waiting", _("waiting for approval")
        ACCEPTED = "accepted", _("accepted")
        DECLINED = "declined", _("declined")

    point = models.ForeignKey(
        Point, models.CASCADE, related_name="phrasings", verbose_name=_("knowledge point")
    )
    text = models.CharField(_("text"), max_length=200)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.ACCEPTED)
    # Number of times customers asked in these words. The most frequent suggestions are listed first.
    count = models.PositiveIntegerField(_("times"), default=1)
    by = models.ForeignKey(
        Staff, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("added by")
    )
    at = models.DateTimeField(_("time"), default=timezone.now)

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
    """A single row with the number of the newest edition. Every change that a search must see raises it."""

    number = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_edition_row")]

    def __str__(self) -> str:
        return str(self.number)
