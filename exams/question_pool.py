"""The questions that papers of an exam may contain, each with its weight in the random selection."""

from collections.abc import Iterator
from datetime import timedelta
from functools import reduce
from operator import or_

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from exams.models import Exam, Question
from exams.rules.drawing import Candidate, weight_of
from knowledge.selectors import subtree_ids

RECENTLY = timedelta(days=45)
# The share id used when an exam has no shares. Such an exam covers all points of its departments, and all points that
# belong to no department.
WHOLE_EXAM = 0


def eligible_questions() -> QuerySet[Question]:
    """Return the accepted questions that belong to the currently published version of their knowledge point."""
    return Question.objects.filter(
        state=Question.State.ACCEPTED, version=F("point__published__number"), point__published__isnull=False
    )


def candidates_for(exam: Exam) -> tuple[list[Candidate], dict[int, int]]:
    """Return the questions that a paper may contain, and the weights of the exam's shares by share id.

    A question that several shares cover counts only for the first of these shares. Two queries, plus one for each share
    of a department and two for each share of a category; three queries if the exam has no shares.
    """
    candidates: dict[int, Candidate] = {}
    for share, condition in _share_conditions(exam).items():
        for candidate in _candidates(eligible_questions().filter(condition), share):
            candidates.setdefault(candidate.question, candidate)
    return list(candidates.values()), {share.pk: share.weight for share in exam.shares.all()} or {
        WHOLE_EXAM: 1
    }


def eligible_for(exam: Exam) -> Q:
    """Return a filter for `eligible_questions()`: only the questions that papers of this exam may contain.

    One query, plus one for each share of a category.
    """
    return reduce(or_, _share_conditions(exam).values())


def _share_conditions(exam: Exam) -> dict[int, Q]:
    """Return a filter for the questions of each share of the exam, by share id."""
    shares = list(exam.shares.all())
    if not shares:
        departments = exam.departments.values("pk")
        return {
            WHOLE_EXAM: Q(point__published__department__in=departments)
            | Q(point__published__department__isnull=True)
        }
    return {
        share.pk: Q(point__published__category__in=subtree_ids(share.category_id))
        if share.category_id
        else Q(point__published__department=share.department_id)
        for share in shares
    }


def _candidates(questions: QuerySet[Question], share: int) -> Iterator[Candidate]:
    since = timezone.now() - RECENTLY
    for pk, point, asked, missed, uses, number, published_at in questions.values_list(
        "pk", "point", "asked", "missed", "point__uses", "version", "point__published__published_at"
    ):
        # Only a changed point gives its questions extra weight; a first version is new, not changed.
        is_changed = published_at is not None and published_at > since and number > 1
        weight = weight_of(is_changed=is_changed, asked=asked, missed=missed, uses=uses)
        yield Candidate(pk, point, share, weight)
