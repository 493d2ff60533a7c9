"""Functions that read exams, papers and questions. Each docstring gives the number of database queries."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Avg, Count, Exists, F, FloatField, OuterRef, Prefetch, Q, QuerySet, Sum
from django.db.models.functions import Cast, TruncMonth
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AuditEntry, Department, QueueRestriction, Staff
from core.text.chinese_variants import matches_any_form
from exams.models import Appeal, Exam, Paper, PaperItem, Question
from knowledge.selectors import category_paths, subtree_ids

RECENT = timedelta(days=400)
WARNING_PERIOD = timedelta(days=14)
MAX_MOST_MISSED = 20


@dataclass(frozen=True)
class Standing:
    """An exam as one examinee sees it. `papers` holds the examinee's attempts, the first attempt first."""

    exam: Exam
    papers: list[Paper]
    now: datetime

    @property
    def open_paper(self) -> Paper | None:
        """The paper that the examinee has begun but not handed in, or None."""
        return next((paper for paper in self.papers if paper.submitted_at is None), None)

    @property
    def best(self) -> Paper | None:
        done = [paper for paper in self.papers if paper.submitted_at is not None]
        return max(done, key=lambda paper: paper.percent or 0, default=None)

    @property
    def attempts_left(self) -> int:
        """The number of attempts that the examinee has left. It is 0 after a pass."""
        return 0 if self.best and self.best.is_passed else max(0, 1 + self.exam.resits - len(self.papers))

    @property
    def is_open(self) -> bool:
        return self.exam.opens_at <= self.now < self.exam.closes_at

    @property
    def is_to_come(self) -> bool:
        return self.now < self.exam.opens_at


@dataclass(frozen=True)
class MissingPass:
    """A queue restriction because of a required exam, as shown to the agent.

    From the day `since` until they pass the exam, the agent is not allowed to take conversations of `departments`.
    """

    since: date
    exam: str
    departments: str


@dataclass(frozen=True)
class Figure:
    """A row of the exam statistics: the mean result of an examinee, a month, a category or a point.

    `name` names that examinee, month, category or point. `percent` is the mean of `count` papers or answers, and
    `passed` is the number of passed papers. For a point, `key` is its key.
    """

    name: str
    percent: int
    count: int
    passed: int | None = None
    key: str = ""


def standings_of(staff: Staff, now: datetime | None = None) -> list[Standing]:
    """Return the open, upcoming and recently closed exams of the person's departments, open ones first.

    Two queries.
    """
    now = now or timezone.now()
    mine = Prefetch("papers", Paper.objects.filter(staff=staff).order_by("number"), to_attr="mine")
    exams = (
        Exam.objects.filter(departments__in=staff.departments.values("pk"), closes_at__gt=now - RECENT)
        .distinct()
        .order_by("-opens_at", "-pk")
        .prefetch_related(mine)[:60]
    )
    standings = [Standing(exam, exam.mine, now) for exam in exams]
    return sorted(standings, key=lambda standing: (not standing.is_open, not standing.is_to_come))


def has_sat(staff: Staff, *, exam: int, question: int) -> bool:
    """Return whether the person has sat this exam, or has had this question on any paper. One query."""
    of_exam = Q(paper__exam=exam) | Q(question=question)
    return PaperItem.objects.filter(of_exam, paper__staff=staff).exists()


def sat_by(staff: Staff) -> tuple[set[int], set[int]]:
    """Return two sets of ids: the exams of the person's papers, and the questions on those papers. One query."""
    pairs = list(PaperItem.objects.filter(paper__staff=staff).values_list("paper__exam", "question"))
    return {exam for exam, _ in pairs}, {question for _, question in pairs}


def on_open_papers(questions: Iterable[int]) -> set[int]:
    """Return the ids, out of `questions`, that are on somebody's open paper. One query."""
    items = PaperItem.objects.filter(question__in=list(questions), paper__submitted_at__isnull=True)
    return set(items.values_list("question", flat=True))


def has_prepared(staff: Staff, exam: Exam) -> bool:
    """Return whether the person has created or changed this exam, or decided an appeal in it. Two queries.

    Work in a former role counts, too.
    """
    of_exam = AuditEntry.objects.filter(
        actor=staff, object_type="exams.exam", object_id=str(exam.pk), verb__startswith="exam."
    )
    return of_exam.exists() or Appeal.objects.filter(item__paper__exam=exam, decided_by=staff).exists()


def questions_known_to(staff: Staff) -> set[int]:
    """Return the ids of the questions that the person has written, accepted or declined, and so knows the answers to.

    Work in a former role counts, too. One query.
    """
    entries = AuditEntry.objects.filter(
        actor=staff, object_type="exams.question", verb__startswith="question."
    )
    return {int(pk) for pk in entries.values_list("object_id", flat=True)}


def items_of(paper: Paper) -> list[PaperItem]:
    """Return the questions of a paper in order, each with its knowledge point and appeal. One query."""
    return list(
        paper.items.select_related("question__point__published", "appeal__decided_by").order_by("place")
    )


def warnings_of(staff: Staff, today: date | None = None) -> list[MissingPass]:
    """Return the person's queue restrictions that apply now or begin within two weeks, earliest first. One query."""
    today = today or timezone.localdate()
    restrictions = QueueRestriction.objects.filter(
        staff=staff, is_lifted=False, since__lte=today + WARNING_PERIOD
    )
    departments: dict[tuple[date, str], list[str]] = {}
    for restriction in restrictions.select_related("department").order_by("since", "pk"):
        departments.setdefault((restriction.since, restriction.why), []).append(str(restriction.department))
    separator = _(", ")
    return [MissingPass(since, exam, separator.join(names)) for (since, exam), names in departments.items()]


def exams_for_setting() -> QuerySet[Exam]:
    """Return all exams, newest first, with the numbers of begun, handed-in and passed papers. Two queries when
    evaluated."""
    handed_in = Q(papers__submitted_at__isnull=False)
    exams = Exam.objects.prefetch_related("departments").annotate(
        begun=Count("papers"),
        handed_in=Count("papers", filter=handed_in),
        passed=Count("papers", filter=Q(papers__is_passed=True)),
    )
    # The grouping drops the default order of the model, so set the order again.
    return exams.order_by("-opens_at", "-pk")


def questions_for_setting(
    *, state: str = "", category: int | None = None, kind: str = "", words: str = ""
) -> QuerySet[Question]:
    """Return the questions that match all filters, newest first.

    `state` is a state of a question, or `look` for accepted questions whose point now has another published version.
    The state `accepted` leaves these questions out. One query when evaluated, plus one if a `category` is given.
    """
    questions = Question.objects.select_related("point__published__category").order_by("-pk")
    is_current = Q(version=F("point__published__number"))
    if state == "look":
        questions = questions.filter(state=Question.State.ACCEPTED).exclude(is_current)
    elif state == Question.State.ACCEPTED:
        questions = questions.filter(is_current, state=state)
    elif state:
        questions = questions.filter(state=state)
    if category is not None:
        questions = questions.filter(point__published__category__in=subtree_ids(category))
    if kind:
        questions = questions.filter(kind=kind)
    if words:
        questions = questions.filter(matches_any_form(("stem", "point__published__title"), words))
    return questions


def proposed_questions(category: int | None = None) -> QuerySet[Question]:
    """Return the questions that need an editor's decision: first outdated questions, then proposals.

    A question is outdated when its point has another published version now. One query when evaluated, plus one if
    a `category` is given.
    """
    is_current = Q(version=F("point__published__number"))
    waiting = Q(state=Question.State.PROPOSED) | (Q(state=Question.State.ACCEPTED) & ~is_current)
    questions = (
        Question.objects.filter(waiting, point__published__isnull=False)
        .select_related("point__published__category")
        .order_by("state", "point__published__category", "point", "pk")
    )
    return (
        questions
        if category is None
        else questions.filter(point__published__category__in=subtree_ids(category))
    )


@dataclass(frozen=True)
class QuestionCounts:
    """The numbers of questions by state.

    `ready` questions may appear on papers, `outdated` ones need an editor because their point has changed, and
    `proposed` ones are not accepted yet.
    """

    ready: int
    outdated: int
    proposed: int


def question_counts() -> QuestionCounts:
    """Return the numbers of questions by state. One query."""
    is_current = Q(version=F("point__published__number"))
    accepted = Q(state=Question.State.ACCEPTED)
    counts = Question.objects.aggregate(
        ready=Count("pk", filter=accepted & is_current),
        outdated=Count("pk", filter=accepted & ~is_current & Q(point__published__isnull=False)),
        proposed=Count("pk", filter=Q(state=Question.State.PROPOSED, point__published__isnull=False)),
    )
    return QuestionCounts(**counts)


# -- Results ----------------------------------------------------------------------------------------------------


def marked_papers(
    *, since: date, until: date, department: int | None = None, exam: int | None = None
) -> QuerySet[Paper]:
    """Return the papers handed in from `since` to `until`, both days included; only of `department` or `exam`, if
    given.

    One query when evaluated.
    """
    papers = Paper.objects.filter(submitted_at__date__gte=since, submitted_at__date__lte=until)
    if department is not None:
        members = Staff.departments.through._default_manager.filter(
            staff=OuterRef("staff"), department=department
        )
        papers = papers.filter(Exists(members))
    return papers if exam is None else papers.filter(exam=exam)


def by_examinee(papers: QuerySet[Paper]) -> list[Figure]:
    """Return the mean percentage of each examinee, lowest first, so that people who need help come first. One query."""
    rows = (
        papers.order_by()
        .values("staff__name", "staff__number")
        .annotate(mean=Avg("percent"), count=Count("pk"), passes=Count("pk", filter=Q(is_passed=True)))
        .order_by("mean", "staff__number")
    )
    return [
        Figure(f"{row['staff__name']} {row['staff__number']}", int(row["mean"]), row["count"], row["passes"])
        for row in rows
    ]


def by_month(papers: QuerySet[Paper]) -> list[Figure]:
    """Return the mean percentage of the papers of each month, oldest month first. One query."""
    rows = (
        papers.order_by()
        .annotate(month=TruncMonth("submitted_at"))
        .values("month")
        .annotate(mean=Avg("percent"), count=Count("pk"), passes=Count("pk", filter=Q(is_passed=True)))
        .order_by("month")
    )
    return [Figure(f"{row['month']:%Y-%m}", int(row["mean"]), row["count"], row["passes"]) for row in rows]


def by_category(papers: QuerySet[Paper]) -> list[Figure]:
    """Return the mean credit of the answers about each category of points, lowest first. Two queries."""
    paths = category_paths()
    rows = (
        PaperItem.objects.filter(paper__in=papers.order_by().values("pk"))
        .order_by()
        .values("question__point__published__category")
        .annotate(credits=Sum("credit"), count=Count("pk"))
    )
    figures = [
        Figure(
            paths.get(row["question__point__published__category"], "—"),
            row["credits"] // row["count"],
            row["count"],
        )
        for row in rows
    ]
    return sorted(figures, key=lambda figure: (figure.percent, figure.name))


def most_missed(papers: QuerySet[Paper]) -> list[Figure]:
    """Return at most MAX_MOST_MISSED points, those whose questions were answered worst, the worst first. One query.

    Points with fewer than two answers, or with right answers only, are left out.
    """
    rows = (
        PaperItem.objects.filter(
            paper__in=papers.order_by().values("pk"), question__point__published__isnull=False
        )
        .order_by()
        .values("question__point", "question__point__key", "question__point__published__title")
        .annotate(credits=Sum("credit"), count=Count("pk"))
        .annotate(mean=Cast("credits", FloatField()) / F("count"))
        .filter(count__gte=2, mean__lt=100)
        .order_by("mean", "-count")[:MAX_MOST_MISSED]
    )
    return [
        Figure(
            row["question__point__published__title"],
            int(row["mean"]),
            row["count"],
            key=row["question__point__key"],
        )
        for row in rows
    ]


def open_appeals() -> QuerySet[Appeal]:
    """Return the undecided appeals, oldest first, with the paper, examinee, exam and question. One query when
    evaluated."""
    return (
        Appeal.objects.filter(state=Appeal.State.OPEN)
        .select_related("item__paper__staff", "item__paper__exam", "item__question__point__published")
        .order_by("pk")
    )


def active_restrictions(departments: Iterable[Department] | None = None) -> QuerySet[QueueRestriction]:
    """Return the queue restrictions because of required exams, lifted ones last. One query when evaluated.

    If `departments` is given, only the restrictions for these departments are returned.
    """
    restrictions = QueueRestriction.objects.filter(key__startswith="exam/").select_related(
        "staff", "department"
    )
    if departments is not None:
        restrictions = restrictions.filter(department__in=departments)
    return restrictions.order_by("is_lifted", "since", "staff__number")
