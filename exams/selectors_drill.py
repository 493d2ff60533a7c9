"""Functions that read data for the daily drill. Each docstring gives the number of database queries."""

from datetime import datetime

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.models import Staff
from exams.models import DrillCard, Exam, Paper, PaperItem, Question
from exams.question_pool import eligible_for, eligible_questions


def askable(staff: Staff, now: datetime) -> QuerySet[Question]:
    """Return the questions that may be asked in the person's drill.

    The drill asks about points of the person's departments and points of no department. The drill leaves out questions
    of exams that the person may still sit, and questions on anybody's open paper. While the person has an open paper,
    there are no drill questions.

    At most two queries for the exams that the person may still sit, plus one for each of their shares of a category.
    One more query when evaluated.
    """
    writing = Paper.objects.filter(staff=staff, submitted_at__isnull=True)
    of_departments = Q(point__published__department__in=staff.departments.values("pk")) | Q(
        point__published__department__isnull=True
    )
    on_open_paper = PaperItem.objects.filter(question=OuterRef("pk"), paper__submitted_at__isnull=True)
    questions = (
        eligible_questions()
        .filter(of_departments, ~Exists(writing), ~Exists(on_open_paper))
        .select_related("point__published")
    )
    for exam in exams_to_sit_first(staff, now):
        questions = questions.exclude(eligible_for(exam))
    return questions


def exams_to_sit_first(staff: Staff, now: datetime) -> QuerySet[Exam]:
    """Return the open exams that the person has not passed and may still sit. At most two queries when evaluated."""
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
    """Return the number of drill questions that the person has answered since midnight. One query."""
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return DrillCard.objects.filter(staff=staff, reviewed_at__gte=midnight, reviews__gt=0).count()


def next_question_for(staff: Staff, now: datetime) -> tuple[Question, int] | None:
    """Return the next drill question and the number of times that the person has answered it, or None.

    Questions due for repetition come first, then questions missed on a paper, then questions about the points that
    agents use most. At most three queries, plus the queries of `askable`.
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
    question = (
        new.filter(Exists(missed)).order_by("pk").first()
        or new.order_by(F("point__uses").desc(), F("missed").desc(), "pk").first()
    )
    return (question, 0) if question else None
