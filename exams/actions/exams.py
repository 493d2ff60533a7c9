"""Actions on exams and papers: set up an exam; begin, answer and hand in a paper; mark overdue papers."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import audit
from accounts.access import require
from accounts.models import Department, Staff
from chat.errors import TextTooLong
from core.text.cleaning import clean_line
from exams import access, selectors
from exams.actions.marks import mark_paper
from exams.actions.pass_requirements import update_restrictions
from exams.errors import (
    AlreadyPassed,
    AnotherPaperOpen,
    ExamBegun,
    ExamNotOpen,
    NoAttemptLeft,
    NoQuestions,
    NotAnAnswer,
    PaperOver,
    SetterMayNotSit,
    TimeLeft,
)
from exams.models import Exam, ExamShare, Paper, PaperItem, Question
from exams.question_pool import candidates_for
from exams.rules.drawing import draw, shuffled_options
from exams.rules.marking import is_answer
from knowledge.models import Category

# Answers that arrive up to this long after the end of the paper are still accepted, because they may have been sent
# before the end.
GRACE_PERIOD = timedelta(seconds=5)
# The maximum length of a fill-in answer, in characters.
GAP_CHARACTERS = 100
# A new paper is compared with at most this many of the latest papers of other examinees, so that the papers have few
# questions in common.
MAX_COMPARED_PAPERS = 60


@dataclass(frozen=True)
class ExamPlan:
    """The settings of an exam.

    Each item of `shares` is a pair: a category or a department, and its weight. The weights decide how many of a
    paper's questions come from each category or department.
    """

    name: str
    departments: Sequence[Department]
    opens_at: datetime
    closes_at: datetime
    minutes: int
    question_count: int
    pass_percent: int
    resits: int
    required_from: date | None = None
    shares: Sequence[tuple[Category | Department, int]] = field(default_factory=list)


def save_exam(*, by: Staff, plan: ExamPlan, exam: int | None = None) -> Exam:
    """Store a new exam, or changes to the exam with the id `exam`. Existing papers stay as they are.

    Raises ExamNotFound, and ExamBegun if the pass mark would change after somebody has begun a paper.
    """
    require(by, "set_exams")
    values: dict[str, Any] = {
        name: getattr(plan, name)
        for name in (
            *("opens_at", "closes_at", "minutes", "question_count", "pass_percent", "resits"),
            "required_from",
        )
    } | {"name": clean_line(plan.name, 80)}
    with transaction.atomic():
        if exam is None:
            stored = Exam.objects.create(author=by, **values)
        else:
            stored = access.lock_exam(exam)
            if stored.pass_percent != plan.pass_percent and stored.papers.exists():
                raise ExamBegun
            for name, value in values.items():
                setattr(stored, name, value)
            stored.save(update_fields=list(values))
        stored.departments.set(plan.departments)
        stored.shares.all().delete()
        ExamShare.objects.bulk_create(
            ExamShare(exam=stored, weight=weight, **{part._meta.model_name or "": part})
            for part, weight in plan.shares
        )
        audit.record(by, "exam.created" if exam is None else "exam.changed", stored)
        update_restrictions(stored)
    return stored


def begin_paper(*, by: Staff, exam: int, now: datetime | None = None, seed: int | None = None) -> Paper:
    """Return the examinee's open paper of this exam, or create one with randomly selected questions.

    The demo gives a `seed`, so that the selection is always the same. By default the seed is random.

    Raises ExamNotOpen, NoAttemptLeft, AlreadyPassed, AnotherPaperOpen, SetterMayNotSit, NoQuestions or ExamNotFound.
    """
    now = now or timezone.now()
    access.exam_for(by, exam)
    settle_overdue(now=now, of=by)
    try:
        with transaction.atomic():
            locked = access.lock_exam(exam)
            mine = list(locked.papers.filter(staff=by).order_by("number"))
            if mine and mine[-1].submitted_at is None:
                return mine[-1]
            _require_attempt(locked, mine, now)
            if selectors.has_prepared(by, locked):
                raise SetterMayNotSit
            paper = _draw(locked, by, mine, now, secrets.randbits(62) if seed is None else seed)
            audit.record(by, "paper.begun", paper, exam=locked.pk, attempt=paper.number)
    except IntegrityError as error:
        raise AnotherPaperOpen from error
    return paper


def _require_attempt(exam: Exam, mine: Sequence[Paper], now: datetime) -> None:
    if not exam.opens_at <= now < exam.closes_at:
        raise ExamNotOpen
    if any(paper.is_passed for paper in mine):
        raise AlreadyPassed
    if len(mine) > exam.resits:
        raise NoAttemptLeft


def _draw(exam: Exam, by: Staff, mine: Sequence[Paper], now: datetime, seed: int) -> Paper:
    all_candidates, shares = candidates_for(exam)
    known = selectors.questions_known_to(by)
    candidates = [candidate for candidate in all_candidates if candidate.question not in known]
    others = exam.papers.exclude(staff=by).order_by("-pk").values_list("pk", flat=True)[:MAX_COMPARED_PAPERS]
    neighbours = _questions_on([paper.pk for paper in mine] + list(others))
    drawn = draw(candidates, count=exam.question_count, shares=shares, seed=seed, neighbours=neighbours)
    if not drawn:
        raise NoQuestions
    paper = Paper.objects.create(
        exam=exam,
        staff=by,
        number=len(mine) + 1,
        seed=seed,
        drawn_at=now,
        # After a late start, the paper still ends no later than the exam.
        due_at=min(now + timedelta(minutes=exam.minutes), exam.closes_at),
    )
    questions = Question.objects.in_bulk(drawn)
    items = []
    for place, pk in enumerate(drawn, start=1):
        question = questions[pk]
        shown, right = shuffled_options(question.kind, question.options, question.answer, seed + place)
        items.append(
            PaperItem(
                paper=paper,
                place=place,
                question=question,
                kind=question.kind,
                stem=question.stem,
                shown=shown,
                right=right,
                explanation=question.explanation,
            )
        )
    PaperItem.objects.bulk_create(items)
    return paper


def _questions_on(papers: Sequence[int]) -> list[set[int]]:
    questions: dict[int, set[int]] = {pk: set() for pk in papers}
    for paper, question in PaperItem.objects.filter(paper__in=papers).values_list("paper", "question"):
        questions[paper].add(question)
    return list(questions.values())


@dataclass(frozen=True)
class AnswerOrigin:
    """The origin of an answer. It lets the server tell, without relying on clocks, which of two answers is newer.

    `page` identifies one load of the page in a browser, and `step` counts the answers given since that load. `seen` is
    the latest revision of the stored answer that the page had received.
    """

    page: str = ""
    step: int = 1
    seen: int = 0


@dataclass(frozen=True)
class SavedAnswer:
    """The stored answer to a question, after a page has sent its answer.

    `is_newer` is true if the server already had a newer answer, which the page had not seen. The page's answer was then
    not stored.
    """

    given: Any
    revision: int
    is_newer: bool
    time_left: timedelta


def save_answer(
    *, by: Staff, paper: int, place: int, given: Any, origin: AnswerOrigin, now: datetime | None = None
) -> SavedAnswer:
    """Store the answer to the question with number `place`; None removes the stored answer.

    Repeated and delayed requests are harmless: they never overwrite a newer answer.

    Raises PaperOver, NotAnAnswer, TextTooLong or ExamNotFound.
    """
    now = now or timezone.now()
    with transaction.atomic():
        locked = access.lock_paper(by, paper)
        if locked.submitted_at is not None or now > locked.due_at + GRACE_PERIOD:
            raise PaperOver
        item = locked.items.filter(place=place).first()
        if item is None or not (given is None or _is_answer_to(item, given)):
            if item is not None and item.kind == "fill_in" and is_answer(item.kind, given):
                raise TextTooLong("given", GAP_CHARACTERS)
            raise NotAnAnswer
        is_kept = _store_if_newer(item, given, origin, now) or item.given == given
    return SavedAnswer(item.given, item.revision, not is_kept, max(timedelta(), locked.due_at - now))


def _store_if_newer(item: PaperItem, given: Any, origin: AnswerOrigin, now: datetime) -> bool:
    """Store the answer unless the stored one is newer; return whether it was stored. The caller has locked the
    paper."""
    is_same_page = item.revision > 0 and item.page == origin.page
    is_next = origin.step > item.step if is_same_page else origin.seen == item.revision
    if is_next:
        item.given, item.page, item.step, item.saved_at = given, origin.page, origin.step, now
        item.revision += 1
        item.save(update_fields=["given", "page", "step", "saved_at", "revision"])
    return is_next


def _store_all(
    paper: Paper, answers: Mapping[int, Any], origins: Mapping[int, AnswerOrigin], now: datetime
) -> None:
    valid = _valid_answers(paper, answers)
    for item in paper.items.filter(place__in=valid):
        _store_if_newer(item, valid[item.place], origins.get(item.place, AnswerOrigin()), now)


def _valid_answers(paper: Paper, answers: Mapping[int, Any]) -> dict[int, Any]:
    """Return only the valid answers, by question number.

    An answer is valid if it fits its question, or if it is None, which removes the stored answer.
    """
    return {
        item.place: answers[item.place]
        for item in paper.items.filter(place__in=answers)
        if answers[item.place] is None or _is_answer_to(item, answers[item.place])
    }


def _is_answer_to(item: PaperItem, given: Any) -> bool:
    if not is_answer(item.kind, given):
        return False
    if item.kind == "fill_in":
        return len(given[0]) <= GAP_CHARACTERS
    option_count = 2 if item.kind == "true_false" else len(item.shown)
    is_complete = item.kind != "order" or len(given) == option_count
    return is_complete and all(index < option_count for index in given)


def hand_in(
    *,
    by: Staff,
    paper: int,
    answers: Mapping[int, Any],
    origins: Mapping[int, AnswerOrigin] | None = None,
    is_by_clock: bool = False,
    now: datetime | None = None,
) -> Paper:
    """Hand in a paper: store the `answers` that are not saved yet, unless the time is over, and mark the paper.

    Invalid answers are skipped, so they never keep a paper from being handed in. Handing in twice gives the same
    result. `is_by_clock` is true if the page hands in by itself because its clock says that the time is over. Raises
    TimeLeft if that clock is wrong, and ExamNotFound.
    """
    now = now or timezone.now()
    with transaction.atomic():
        locked = access.lock_paper(by, paper)
        if locked.submitted_at is None:
            if is_by_clock and now < locked.due_at:
                raise TimeLeft
            is_late = now > locked.due_at + GRACE_PERIOD
            if not is_late:
                _store_all(locked, answers, origins or {}, now)
            mark_paper(locked, locked.due_at if is_late else now, by=by)
    return locked


def settle_overdue(*, now: datetime | None = None, of: Staff | None = None) -> int:
    """Mark the open papers whose time is over, using the answers saved so far. Return the number of marked papers.

    With `of`, only the papers of that examinee are marked. One call marks at most 500 papers. Any process may call this
    function at any time. It skips papers that another process is marking. With `of`, it waits for that process instead.
    """
    now = now or timezone.now()
    due = Paper.objects.filter(submitted_at__isnull=True, due_at__lt=now - GRACE_PERIOD)
    if of is not None:
        due = due.filter(staff=of)
    marked = 0
    for pk in list(due.order_by("pk").values_list("pk", flat=True)[:500]):
        with transaction.atomic():
            paper = (
                Paper.objects.select_for_update(of=("self",), skip_locked=of is None)
                .select_related("exam", "staff")
                .filter(pk=pk, submitted_at__isnull=True)
                .first()
            )
            if paper is not None:
                mark_paper(paper, paper.due_at, by=None)
                marked += 1
    return marked
