"""Models of exam questions, exams, exam papers with their results, and appeals."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Department, Staff
from knowledge.models.points import Category, Point


class QuestionKind(models.TextChoices):
    SINGLE = "single", _("single choice")
    MULTIPLE = "multiple", _("multiple choice")
    TRUE_FALSE = "true_false", _("true or false")
    FILL_IN = "fill_in", _("fill in")
    ORDER = "order", _("put in order")


class Question(models.Model):
    """An exam question about a knowledge point. The contents of `options` and `answer` depend on the kind.

    - single, multiple: `options` are the choices, and `answer` holds the indices of the right ones.
    - true_false: no options; the answer is [1] for true or [0] for false.
    - fill_in: no options; the gap in the stem is ____, and the answer holds every accepted filling.
    - order: `options` are steps in the right order, and the answer holds their indices.
    """

    class State(models.TextChoices):
        PROPOSED = "proposed", _("proposed")
        ACCEPTED = "accepted", _("accepted")
        DECLINED = "declined", _("declined")

    point = models.ForeignKey(
        Point, models.PROTECT, related_name="questions", verbose_name=_("knowledge point")
    )
    # The version of the point that the question is about. When another version is published, an editor must confirm the
    # question before new papers can contain it.
    version = models.PositiveIntegerField(_("version"))
    kind = models.CharField(_("kind"), max_length=10, choices=QuestionKind)
    stem = models.TextField(_("question"), max_length=500)
    options = models.JSONField(_("options"), default=list, blank=True)
    answer = models.JSONField(_("answer"), default=list)
    explanation = models.TextField(_("explanation"), max_length=1000, blank=True)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.PROPOSED)
    author = models.ForeignKey(
        Staff,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("written by"),
        help_text=_("Empty if the system proposed the question."),
    )
    judged_by = models.ForeignKey(
        Staff, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("accepted by")
    )
    asked = models.PositiveIntegerField(_("times asked"), default=0, editable=False)
    missed = models.PositiveIntegerField(_("times answered incorrectly"), default=0, editable=False)
    made_at = models.DateTimeField(_("created"), default=timezone.now)

    class Meta:
        verbose_name = _("exam question")
        verbose_name_plural = _("exam questions")
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(fields=["point", "kind", "stem"], name="question_once_per_point")
        ]
        indexes = [models.Index(fields=["state", "point"], name="questions_by_state")]

    def __str__(self) -> str:
        return self.stem[:60]


class Exam(models.Model):
    """An exam: its departments, opening times, time limit, number of questions and pass mark."""

    name = models.CharField(_("name"), max_length=80)
    departments = models.ManyToManyField(Department, related_name="+", verbose_name=_("departments"))
    opens_at = models.DateTimeField(_("opens"))
    closes_at = models.DateTimeField(_("closes"))
    minutes = models.PositiveSmallIntegerField(
        _("minutes"), default=30, validators=[MinValueValidator(1), MaxValueValidator(240)]
    )
    question_count = models.PositiveSmallIntegerField(
        _("number of questions"), default=20, validators=[MinValueValidator(1), MaxValueValidator(200)]
    )
    pass_percent = models.PositiveSmallIntegerField(
        _("pass mark, %"), default=80, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    resits = models.PositiveSmallIntegerField(_("resits"), default=1)
    required_from = models.DateField(
        _("pass required from"),
        null=True,
        blank=True,
        help_text=_(
            "From this date, agents who haven't passed can't take conversations from these departments. "
            "Leave empty if no pass is required."
        ),
    )
    author = models.ForeignKey(
        Staff, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("set by")
    )

    class Meta:
        verbose_name = _("exam")
        verbose_name_plural = _("exams")
        ordering = ("-opens_at", "-id")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(opens_at__lt=models.F("closes_at")), name="exam_opens_before_it_closes"
            )
        ]

    def __str__(self) -> str:
        return self.name


class ExamShare(models.Model):
    """The share of an exam's questions that are about one category (with its subcategories) or one department.

    The weights of all shares decide the number of questions from each. If an exam has shares, papers contain only
    questions that the shares cover.
    """

    exam = models.ForeignKey(Exam, models.CASCADE, related_name="shares", verbose_name=_("exam"))
    category = models.ForeignKey(
        Category, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("category")
    )
    department = models.ForeignKey(
        Department, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("department")
    )
    weight = models.PositiveSmallIntegerField(_("weight"), default=1, validators=[MinValueValidator(1)])

    class Meta:
        verbose_name = _("share of an exam's questions")
        verbose_name_plural = _("shares of an exam's questions")
        ordering = ("id",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(category__isnull=False, department__isnull=True)
                | models.Q(category__isnull=True, department__isnull=False),
                name="share_of_a_category_or_a_department",
            )
        ]

    def __str__(self) -> str:
        return f"{self.exam_id} {self.weight}"


class Paper(models.Model):
    """One agent's attempt at an exam. Its questions are selected at random when it begins, and stay the same."""

    exam = models.ForeignKey(Exam, models.PROTECT, related_name="papers", verbose_name=_("exam"))
    staff = models.ForeignKey(Staff, models.PROTECT, related_name="papers", verbose_name=_("examinee"))
    number = models.PositiveSmallIntegerField(_("attempt"))
    seed = models.BigIntegerField()
    drawn_at = models.DateTimeField(_("questions drawn"), default=timezone.now)
    due_at = models.DateTimeField(_("due"))
    submitted_at = models.DateTimeField(_("handed in"), null=True, blank=True)
    # The unit is a hundredth of a mark: in whole numbers, fractions of marks add up exactly.
    credit = models.PositiveIntegerField(_("score, in hundredths of a mark"), null=True, blank=True)
    percent = models.PositiveSmallIntegerField(_("result, %"), null=True, blank=True)
    is_passed = models.BooleanField(_("passed"), null=True, blank=True)

    class Meta:
        verbose_name = _("exam paper")
        verbose_name_plural = _("exam papers")
        ordering = ("-id",)
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(submitted_at__isnull=True), name="papers_due"),
            models.Index(fields=["staff", "submitted_at"], name="papers_of_staff"),
            models.Index(fields=["submitted_at"], name="papers_by_time"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["exam", "staff", "number"], name="attempt_once"),
            models.UniqueConstraint(
                fields=["staff"], condition=models.Q(submitted_at__isnull=True), name="one_attempt_at_once"
            ),
            models.CheckConstraint(
                condition=models.Q(submitted_at__isnull=True, percent__isnull=True)
                | models.Q(submitted_at__isnull=False, percent__isnull=False),
                name="paper_marked_when_handed_in",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.exam_id} {self.staff_id} {self.number}"


class PaperItem(models.Model):
    """A question on a paper: its options in this paper's order, the answer given and its credit.

    `right` holds indices of `shown` (the right options, or all options in the right order), or every accepted filling.
    """

    paper = models.ForeignKey(Paper, models.CASCADE, related_name="items", verbose_name=_("exam paper"))
    place = models.PositiveSmallIntegerField(_("number"))
    question = models.ForeignKey(Question, models.PROTECT, related_name="items", verbose_name=_("question"))
    kind = models.CharField(_("kind"), max_length=10, choices=QuestionKind)
    stem = models.TextField(_("question"))
    shown = models.JSONField(_("options"), default=list)
    right = models.JSONField(default=list)
    explanation = models.TextField(_("explanation"), blank=True)
    given = models.JSONField(_("answer given"), null=True, blank=True)
    saved_at = models.DateTimeField(_("saved"), null=True, blank=True)
    # `page` identifies the page load that sent the answer, `step` is the number of the answer on that page, and
    # `revision` counts the stored answers. From these, the server knows without a clock that an answer is outdated: it
    # was delayed, or it comes from a tab that has not seen the newest answer.
    page = models.CharField(max_length=36, blank=True, editable=False)
    step = models.BigIntegerField(default=0, editable=False)
    revision = models.PositiveIntegerField(default=0, editable=False)
    credit = models.PositiveSmallIntegerField(_("score, in hundredths of a mark"), null=True, blank=True)

    class Meta:
        verbose_name = _("question on a paper")
        verbose_name_plural = _("questions on a paper")
        ordering = ("paper", "place")
        constraints = [
            models.UniqueConstraint(fields=["paper", "place"], name="place_once_per_paper"),
            models.UniqueConstraint(fields=["paper", "question"], name="question_once_per_paper"),
        ]

    def __str__(self) -> str:
        return f"{self.paper_id}/{self.place}"


class Appeal(models.Model):
    """An examinee's claim that a question on their paper was marked wrongly."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        ACCEPTED = "accepted", _("accepted")
        REJECTED = "rejected", _("rejected")

    class Remedy(models.TextChoices):
        """The examinees who get full marks for the question when the appeal is accepted."""

        SAME = "same", _("everyone who gave the same answer")
        ALL = "all", _("everyone who had the question")

    item = models.OneToOneField(PaperItem, models.CASCADE, related_name="appeal", verbose_name=_("question"))
    reason = models.TextField(_("reason"), max_length=1000)
    made_at = models.DateTimeField(_("created"), default=timezone.now)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.OPEN)
    remedy = models.CharField(_("who gets full marks"), max_length=4, choices=Remedy, blank=True)
    decided_by = models.ForeignKey(
        Staff, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("decided by")
    )
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    words = models.TextField(_("answer"), max_length=1000, blank=True)

    class Meta:
        verbose_name = _("appeal")
        verbose_name_plural = _("appeals")
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.item_id} {self.state}"
