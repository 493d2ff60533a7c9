"""Reads of exams. Each says how many queries it makes."""

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
WARNED_BEFORE = timedelta(days=14)
MAX_MOST_MISSED = 20


@dataclass(frozen=True)
class Standing:
    """An exam as it stands for one examinee. `papers`: theirs, the first attempt first."""

    exam: Exam
    papers: list[Paper]
    now: datetime

    @property
    def writing(self) -> Paper | None:
        """The paper that they have begun and not handed in."""
        return next((paper for paper in self.papers if paper.submitted_at is None), None)

    @property
    def best(self) -> Paper | None:
        done = [paper for paper in self.papers if paper.submitted_at is not None]
        return max(done, key=lambda paper: paper.percent or 0, default=None)

    @property
    def left(self) -> int:
        """How many attempts they still have."""
        return 0 if self.best and self.best.is_passed else max(0, 1 + self.exam.resits - len(self.papers))

    @property
    def is_open(self) -> bool:
        return self.exam.opens_at <= self.now < self.exam.closes_at

    @property
    def is_to_come(self) -> bool:
        return self.now < self.exam.opens_at


@dataclass(frozen=True)
class MissingPass:
    """From `since` on, no conversations of these departments until the exam that `why` names is passed."""

    since: date
    why: str
    departments: str


@dataclass(frozen=True)
class Figure:
    """`count` papers or answers with a mean of `percent`, of what `name` names; `passed` of them were a pass. `key`: of
    a point."""

    name: str
    percent: int
    count: int
    passed: int | None = None
    key: str = ""


@dataclass(frozen=True)
class Result:
    """An examinee's exams since a day, ready to stand beside other figures of quality."""

    sat: int
    passed: int
    percent: int | None
    answered: int
    missed: int


def standings_of(staff: Staff, now: datetime | None = None) -> list[Standing]:
    """The exams of their departments that are open, to come, or not long over; open ones first. Two queries."""
    now = now or timezone.now()
    mine = Prefetch("papers", Paper.objects.filter(staff=staff).order_by("number"), to_attr="mine")
    found = (
        Exam.objects.filter(departments__in=staff.departments.values("pk"), closes_at__gt=now - RECENT)
        .distinct()
        .order_by("-opens_at", "-pk")
        .prefetch_related(mine)[:60]
    )
    standings = [Standing(exam, exam.mine, now) for exam in found]
    return sorted(standings, key=lambda each: (not each.is_open, not each.is_to_come))


def has_sat(staff: Staff, *, exam: int, question: int) -> bool:
    """Whether they have a paper of this exam, or this question on any paper. One query."""
    of_exam = Q(paper__exam=exam) | Q(question=question)
    return PaperItem.objects.filter(of_exam, paper__staff=staff).exists()


def sat_by(staff: Staff) -> tuple[set[int], set[int]]:
    """The exams and the questions that they have met on papers. One query."""
    met = PaperItem.objects.filter(paper__staff=staff).values_list("paper__exam", "question")
    pairs = list(met)
    return {exam for exam, _ in pairs}, {question for _, question in pairs}


def on_open_papers(questions: Iterable[int]) -> set[int]:
    """Those of these questions that stand on a paper which somebody is writing now. One query."""
    items = PaperItem.objects.filter(question__in=list(questions), paper__submitted_at__isnull=True)
    return set(items.values_list("question", flat=True))


def has_prepared(staff: Staff, exam: Exam) -> bool:
    """Whether they have written or changed this exam, or decided an appeal in it, in any role. Two queries."""
    of_exam = AuditEntry.objects.filter(
        actor=staff, object_type="exams.exam", object_id=str(exam.pk), verb__startswith="exam."
    )
    return of_exam.exists() or Appeal.objects.filter(item__paper__exam=exam, decided_by=staff).exists()


def questions_known_to(staff: Staff) -> set[int]:
    """The questions that they have written or judged, in any role: they know the answers. One query."""
    entries = AuditEntry.objects.filter(
        actor=staff, object_type="exams.question", verb__startswith="question."
    )
    return {int(pk) for pk in entries.values_list("object_id", flat=True)}


def items_of(paper: Paper) -> list[PaperItem]:
    """With their questions, points and appeals. One query."""
    return list(
        paper.items.select_related("question__point__published", "appeal__decided_by").order_by("place")
    )


def warnings_of(staff: Staff, today: date | None = None) -> list[MissingPass]:
    """The bars that hold, or will within two weeks, the first to come first. One query."""
    today = today or timezone.localdate()
    bars = QueueRestriction.objects.filter(staff=staff, is_lifted=False, since__lte=today + WARNED_BEFORE)
    found: dict[tuple[date, str], list[str]] = {}
    for bar in bars.select_related("department").order_by("since", "pk"):
        found.setdefault((bar.since, bar.why), []).append(str(bar.department))
    between = _(", ")
    return [MissingPass(since, why, between.join(names)) for (since, why), names in found.items()]


def exams_for_setting() -> QuerySet[Exam]:
    """All, the newest first, with how many have begun, handed in and passed. Two queries when read."""
    handed_in = Q(papers__submitted_at__isnull=False)
    found = Exam.objects.prefetch_related("departments").annotate(
        begun=Count("papers"),
        handed_in=Count("papers", filter=handed_in),
        passed=Count("papers", filter=Q(papers__is_passed=True)),
    )
    # Said again: what is grouped forgets the order of its model.
    return found.order_by("-opens_at", "-pk")


def questions_for_setting(
    *, state: str = "", category: int | None = None, kind: str = "", words: str = ""
) -> QuerySet[Question]:
    """Newest first. `state`: a state, or `look` for those whose point says something else now. One query when read,
    and one for the category."""
    found = Question.objects.select_related("point__published__category").order_by("-pk")
    is_current = Q(version=F("point__published__number"))
    if state == "look":
        found = found.filter(state=Question.State.ACCEPTED).exclude(is_current)
    elif state == Question.State.ACCEPTED:
        found = found.filter(is_current, state=state)
    elif state:
        found = found.filter(state=state)
    if category is not None:
        found = found.filter(point__published__category__in=subtree_ids(category))
    if kind:
        found = found.filter(kind=kind)
    if words:
        found = found.filter(matches_any_form(("stem", "point__published__title"), words))
    return found


def proposed_questions(category: int | None = None) -> QuerySet[Question]:
    """What an editor has to say yes or no to: outdated ones first, then proposals. One query when read."""
    is_current = Q(version=F("point__published__number"))
    waiting = Q(state=Question.State.PROPOSED) | (Q(state=Question.State.ACCEPTED) & ~is_current)
    found = (
        Question.objects.filter(waiting, point__published__isnull=False)
        .select_related("point__published__category")
        .order_by("state", "point__published__category", "point", "pk")
    )
    return found if category is None else found.filter(point__published__category__in=subtree_ids(category))


@dataclass(frozen=True)
class Stock:
    """How many questions there are. `ready` may be drawn, `look` wait because their point has changed."""

    ready: int
    look: int
    proposed: int


def stock() -> Stock:
    """One query."""
    is_current = Q(version=F("point__published__number"))
    accepted = Q(state=Question.State.ACCEPTED)
    counted = Question.objects.aggregate(
        ready=Count("pk", filter=accepted & is_current),
        look=Count("pk", filter=accepted & ~is_current & Q(point__published__isnull=False)),
        proposed=Count("pk", filter=Q(state=Question.State.PROPOSED, point__published__isnull=False)),
    )
    return Stock(**counted)


# -- Results ----------------------------------------------------------------------------------------------------


def results_of(staff: Staff, since: date) -> Result:
    """How somebody has done in the exams handed in since that day. Two queries."""
    papers = Paper.objects.filter(staff=staff, submitted_at__date__gte=since)
    figures = papers.aggregate(
        sat=Count("pk"), passed=Count("pk", filter=Q(is_passed=True)), mean=Avg("percent")
    )
    items = PaperItem.objects.filter(paper__in=papers.values("pk"))
    answered = items.aggregate(answered=Count("pk"), missed=Count("pk", filter=Q(credit__lt=100)))
    mean = figures["mean"]
    return Result(figures["sat"], figures["passed"], None if mean is None else int(mean), **answered)


def marked(
    *, since: date, until: date, department: int | None = None, exam: int | None = None
) -> QuerySet[Paper]:
    """Papers that were handed in between these days, both included."""
    found = Paper.objects.filter(submitted_at__date__gte=since, submitted_at__date__lte=until)
    if department is not None:
        members = Staff.departments.through._default_manager.filter(
            staff=OuterRef("staff"), department=department
        )
        found = found.filter(Exists(members))
    return found if exam is None else found.filter(exam=exam)


def by_examinee(papers: QuerySet[Paper]) -> list[Figure]:
    """The mean of each examinee's papers, the lowest first: who needs help stands at the top. One query."""
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
    """The mean of each month, the oldest first. One query."""
    rows = (
        papers.order_by()
        .annotate(month=TruncMonth("submitted_at"))
        .values("month")
        .annotate(mean=Avg("percent"), count=Count("pk"), passes=Count("pk", filter=Q(is_passed=True)))
        .order_by("month")
    )
    return [Figure(f"{row['month']:%Y-%m}", int(row["mean"]), row["count"], row["passes"]) for row in rows]


def by_category(papers: QuerySet[Paper]) -> list[Figure]:
    """The mean of the answers about each category, the lowest first. Two queries."""
    paths = category_paths()
    rows = (
        PaperItem.objects.filter(paper__in=papers.order_by().values("pk"))
        .order_by()
        .values("question__point__published__category")
        .annotate(credits=Sum("credit"), count=Count("pk"))
    )
    found = [
        Figure(
            paths.get(row["question__point__published__category"], "—"),
            row["credits"] // row["count"],
            row["count"],
        )
        for row in rows
    ]
    return sorted(found, key=lambda each: (each.percent, each.name))


def most_missed(papers: QuerySet[Paper]) -> list[Figure]:
    """The points that were answered worst, by title; at least two answers. One query."""
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
    """Those that wait, the oldest first; with all that is needed to decide. One query when read."""
    return (
        Appeal.objects.filter(state=Appeal.State.OPEN)
        .select_related("item__paper__staff", "item__paper__exam", "item__question__point__published")
        .order_by("pk")
    )


def active_restrictions(departments: Iterable[Department] | None = None) -> QuerySet[QueueRestriction]:
    """The bars of exams, those that hold first. One query when read."""
    found = QueueRestriction.objects.filter(key__startswith="exam/").select_related("staff", "department")
    if departments is not None:
        found = found.filter(department__in=departments)
    return found.order_by("is_lifted", "since", "staff__number")
