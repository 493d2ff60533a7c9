"""Reads of the daily drill. Each says how many queries it makes."""

from datetime import datetime

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.models import Staff
from knowledge.models import DrillCard, Paper, PaperItem, Question
from knowledge.pool import drawable


def askable(staff: Staff) -> QuerySet[Question]:
    """What may be asked of them: of their departments or of all, and nothing while they write a paper."""
    writing = Paper.objects.filter(staff=staff, submitted_at__isnull=True)
    of_theirs = Q(point__published__department__in=staff.departments.values("pk")) | Q(
        point__published__department__isnull=True
    )
    return drawable().filter(of_theirs, ~Exists(writing)).select_related("point__published")


def answered_today(staff: Staff, now: datetime) -> int:
    """How many questions somebody has answered since midnight. One query."""
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return DrillCard.objects.filter(staff=staff, reviewed_at__gte=midnight, reviews__gt=0).count()


def next_for(staff: Staff, now: datetime) -> tuple[Question, int] | None:
    """The question to ask next, and how often it was answered before.

    What is due comes first, then what was missed on a paper, then what customers ask most. Three queries at most.
    """
    due = (
        DrillCard.objects.filter(staff=staff, due_at__lte=now, question__in=askable(staff).values("pk"))
        .select_related("question__point__published")
        .order_by("due_at", "pk")
        .first()
    )
    if due is not None:
        return due.question, due.reviews
    known = DrillCard.objects.filter(staff=staff, question=OuterRef("pk"))
    new = askable(staff).exclude(Exists(known))
    missed = PaperItem.objects.filter(paper__staff=staff, question=OuterRef("pk"), credit__lt=100)
    found = (
        new.filter(Exists(missed)).order_by("pk").first()
        or new.order_by(F("point__uses").desc(), F("missed").desc(), "pk").first()
    )
    return (found, 0) if found else None
