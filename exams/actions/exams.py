"""An exam: set up, its papers begun, answered, handed in and marked."""

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
from exams.actions.pass_requirements import keep_requirement
from exams.errors import (
    AlreadyPassed,
    AnotherPaperOpen,
    ExamBegun,
    ExamNotOpen,
    NoAttemptLeft,
    NoQuestions,
    NotAnAnswer,
    PaperOver,
    SetterSitsNone,
    TimeLeft,
)
from exams.models import Exam, ExamShare, Paper, PaperItem, Question
from exams.question_pool import candidates_for
from exams.rules.drawing import draw, shuffled_options
from exams.rules.marking import is_answer
from knowledge.models import Category

# For what is on its way when the clock runs out.
GRACE_PERIOD = timedelta(seconds=5)
# Of a filled gap.
GAP_CHARACTERS = 100
# Papers of others are looked at when one is drawn: so many of the latest.
BESIDE = 60


@dataclass(frozen=True)
class ExamPlan:
    """An exam as it is set up. `shares`: how much of a paper is about a category or a department, by weight."""

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
    """Stores a new exam, or what has changed of one. Papers that were drawn stay as they are.

    Raises ExamBegun when the pass mark would be another one than somebody has sat for, ExamNotFound.
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
        keep_requirement(stored)
    return stored


def begin_paper(*, by: Staff, exam: int, now: datetime | None = None, seed: int | None = None) -> Paper:
    """The examinee's open paper of this exam, drawn if there is none. Beginning twice gives the same.

    `seed` is what it is drawn by, for a demo that is the same each time; without it, chance.

    Raises ExamNotOpen, NoAttemptLeft, AlreadyPassed, AnotherPaperOpen, SetterSitsNone, NoQuestions, ExamNotFound.
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
                raise SetterSitsNone
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
    everything, shares = candidates_for(exam)
    known = selectors.questions_known_to(by)
    candidates = [each for each in everything if each.question not in known]
    neighbours = exam.papers.exclude(staff=by).order_by("-pk").values_list("pk", flat=True)[:BESIDE]
    beside = _questions_on([paper.pk for paper in mine] + list(neighbours))
    drawn = draw(candidates, count=exam.question_count, shares=shares, seed=seed, beside=beside)
    if not drawn:
        raise NoQuestions
    paper = Paper.objects.create(
        exam=exam,
        staff=by,
        number=len(mine) + 1,
        seed=seed,
        drawn_at=now,
        # Who begins late has until the end of the exam, like everybody.
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
    found: dict[int, set[int]] = {pk: set() for pk in papers}
    for paper, question in PaperItem.objects.filter(paper__in=papers).values_list("paper", "question"):
        found[paper].add(question)
    return list(found.values())


@dataclass(frozen=True)
class PaperInProgress:
    """Where an answer comes from. No clock decides which of two is newer.

    `page` is one load of the page, `step` counts what that page has answered, and `seen` is the revision of the answer
    that it had before it.
    """

    page: str = ""
    step: int = 1
    seen: int = 0


@dataclass(frozen=True)
class SavedAnswers:
    """What the server holds now. `is_newer`: something that the page had not seen, so its own answer was left out."""

    given: Any
    revision: int
    is_newer: bool
    left: timedelta


def save_answer(
    *, by: Staff, paper: int, place: int, given: Any, writing: PaperInProgress, now: datetime | None = None
) -> SavedAnswers:
    """Keeps the answer to one question; None takes it away. Repeats are harmless, and so is one that comes late.

    Raises PaperOver, NotAnAnswer, TextTooLong, ExamNotFound.
    """
    now = now or timezone.now()
    with transaction.atomic():
        locked = access.lock_paper(by, paper)
        if locked.submitted_at is not None or now > locked.due_at + GRACE_PERIOD:
            raise PaperOver
        item = locked.items.filter(place=place).first()
        if item is None or not (given is None or _is_for(item, given)):
            if item is not None and item.kind == "fill_in" and is_answer(item.kind, given):
                raise TextTooLong("given", GAP_CHARACTERS)
            raise NotAnAnswer
        is_kept = _keep(item, given, writing, now) or item.given == given
    return SavedAnswers(item.given, item.revision, not is_kept, max(timedelta(), locked.due_at - now))


def _keep(item: PaperItem, given: Any, writing: PaperInProgress, now: datetime) -> bool:
    """Stores the answer unless it is older than what is stored. In the caller's transaction, the paper locked."""
    is_same_page = item.revision > 0 and item.page == writing.page
    is_next = writing.step > item.step if is_same_page else writing.seen == item.revision
    if is_next:
        item.given, item.page, item.step, item.saved_at = given, writing.page, writing.step, now
        item.revision += 1
        item.save(update_fields=["given", "page", "step", "saved_at", "revision"])
    return is_next


def _keep_all(
    paper: Paper, answers: Mapping[int, Any], writings: Mapping[int, PaperInProgress], now: datetime
) -> None:
    fitting = _fitting(paper, answers)
    for item in paper.items.filter(place__in=fitting):
        _keep(item, fitting[item.place], writings.get(item.place, PaperInProgress()), now)


def _fitting(paper: Paper, answers: Mapping[int, Any]) -> dict[int, Any]:
    return {
        item.place: answers[item.place]
        for item in paper.items.filter(place__in=answers)
        if answers[item.place] is None or _is_for(item, answers[item.place])
    }


def _is_for(item: PaperItem, given: Any) -> bool:
    if not is_answer(item.kind, given):
        return False
    if item.kind == "fill_in":
        return len(given[0]) <= GAP_CHARACTERS
    most = 2 if item.kind == "true_false" else len(item.shown)
    return all(each < most for each in given) and (item.kind != "order" or len(given) == most)


def hand_in(
    *,
    by: Staff,
    paper: int,
    answers: Mapping[int, Any],
    writings: Mapping[int, PaperInProgress] | None = None,
    is_by_clock: bool = False,
    now: datetime | None = None,
) -> Paper:
    """Marks the paper by what is saved, with `answers` that were not saved yet if the time is not over.

    What is no answer is left out: a paper is never stuck for it. Handing in twice gives the same result.
    `is_by_clock`: nobody has pressed, the page believes that the time is over. Raises ExamNotFound, and TimeLeft when
    the page's clock is wrong.
    """
    now = now or timezone.now()
    with transaction.atomic():
        locked = access.lock_paper(by, paper)
        if locked.submitted_at is None:
            if is_by_clock and now < locked.due_at:
                raise TimeLeft
            is_late = now > locked.due_at + GRACE_PERIOD
            if not is_late:
                _keep_all(locked, answers, writings or {}, now)
            mark_paper(locked, locked.due_at if is_late else now, by=by)
    return locked


def settle_overdue(*, now: datetime | None = None, of: Staff | None = None) -> int:
    """Marks the papers whose time is over, by what was saved; returns how many.

    Any process may call it at any time: what another is marking just now is left to it.
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
