"""The questions that an exam may draw, with how much sooner than others."""

from collections.abc import Iterator
from datetime import timedelta
from functools import reduce
from operator import or_

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from exams.models import Exam, Question
from exams.rules.drawing import Candidate, weight_of
from knowledge.selectors import subtree_ids

CHANGED_LATELY = timedelta(days=45)
# Of an exam without shares: everything that its departments answer.
WHOLE = 0


def eligible_questions() -> QuerySet[Question]:
    """Accepted questions that ask for what is said now."""
    return Question.objects.filter(
        state=Question.State.ACCEPTED, version=F("point__published__number"), point__published__isnull=False
    )


def candidates_for(exam: Exam) -> tuple[list[Candidate], dict[int, int]]:
    """What may be drawn, each in the first share that names it, and the shares' weights by their ids.

    Two queries, and two for each share of a category.
    """
    found: dict[int, Candidate] = {}
    for share, about in _about(exam).items():
        for candidate in _candidates(eligible_questions().filter(about), share):
            found.setdefault(candidate.question, candidate)
    return list(found.values()), {share.pk: share.weight for share in exam.shares.all()} or {WHOLE: 1}


def eligible_for(exam: Exam) -> Q:
    """Which questions its papers may ask, in terms of `drawable()`. The queries of `candidates_of` without its own."""
    return reduce(or_, _about(exam).values())


def _about(exam: Exam) -> dict[int, Q]:
    """What each share is about, by its id."""
    shares = list(exam.shares.all())
    if not shares:
        departments = exam.departments.values("pk")
        return {
            WHOLE: Q(point__published__department__in=departments)
            | Q(point__published__department__isnull=True)
        }
    return {
        share.pk: Q(point__published__category__in=subtree_ids(share.category_id))
        if share.category_id
        else Q(point__published__department=share.department_id)
        for share in shares
    }


def _candidates(questions: QuerySet[Question], share: int) -> Iterator[Candidate]:
    since = timezone.now() - CHANGED_LATELY
    for pk, point, asked, missed, uses, number, published_at in questions.values_list(
        "pk", "point", "asked", "missed", "point__uses", "version", "point__published__published_at"
    ):
        # A first version is new, not changed; both are worth knowing.
        is_changed = published_at is not None and published_at > since and number > 1
        weight = weight_of(is_changed=is_changed, asked=asked, missed=missed, uses=uses)
        yield Candidate(pk, point, share, weight)
