"""Reads of the daily drill. Each says how many queries it makes."""

from datetime import datetime

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.models import Staff
from exams.models import DrillCard, Exam, Paper, PaperItem, Question
from exams.question_pool import eligible_for, eligible_questions


def askable(staff: Staff, now: datetime) -> QuerySet[Question]:
    """The questions that may be asked of them: of their departments or of all, but nothing that an exam may still ask
    of them or that stands on a paper which anybody is writing, and nothing at all while they write one themselves. One
    query, and those of `exams.question_pool` for each exam before them."""
    writing = Paper.objects.filter(staff=staff, submitted_at__isnull=True)
    of_theirs = Q(point__published__department__in=staff.departments.values("pk")) | Q(
        point__published__department__isnull=True
    )
    on_open_paper = PaperItem.objects.filter(question=OuterRef("pk"), paper__submitted_at__isnull=True)
    found = (
        eligible_questions()
        .filter(of_theirs, ~Exists(writing), ~Exists(on_open_paper))
        .select_related("point__published")
    )
    for exam in exams_before(staff, now):
        found = found.exclude(eligible_for(exam))
    return found


def exams_before(staff: Staff, now: datetime) -> QuerySet[Exam]:
    """The exams that are open and that they have not passed and may still sit. One query when read."""
    mine = Q(papers__staff=staff)
    return (
        Exam.objects.filter(
            Exists(
                Exam.departments.through._default_manager.filter(
                    exam=OuterRef("pk"), department__in=staff.departments.values("pk")
                )
            ),
            opens_at__lte=now,
            closes_at__gt=now,
        )
        .annotate(
            begun=Count("papers", filter=mine),
            passes=Count("papers", filter=mine & Q(papers__is_passed=True)),
        )
        .filter(begun__lte=F("resits"), passes=0)
        .prefetch_related("shares")
    )


def answered_today(staff: Staff, now: datetime) -> int:
    """How many questions somebody has answered since midnight. One query."""
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return DrillCard.objects.filter(staff=staff, reviewed_at__gte=midnight, reviews__gt=0).count()


def next_for(staff: Staff, now: datetime) -> tuple[Question, int] | None:
    """The question to ask next, and how often it was answered before.

    What is due comes first, then what was missed on a paper, then what customers ask most. Three queries at most, and
    those of `askable`.
    """
    questions = askable(staff, now)
    due = (
        DrillCard.objects.filter(staff=staff, due_at__lte=now, question__in=questions.values("pk"))
        .select_related("question__point__published")
        .order_by("due_at", "pk")
        .first()
    )
    if due is not None:
        return due.question, due.reviews
    known = DrillCard.objects.filter(staff=staff, question=OuterRef("pk"))
    new = questions.exclude(Exists(known))
    missed = PaperItem.objects.filter(paper__staff=staff, question=OuterRef("pk"), credit__lt=100)
    found = (
        new.filter(Exists(missed)).order_by("pk").first()
        or new.order_by(F("point__uses").desc(), F("missed").desc(), "pk").first()
    )
    return (found, 0) if found else None
