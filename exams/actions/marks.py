"""Marking of papers, at hand-in and again after an accepted appeal."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from accounts import audit
from accounts.models import Staff
from exams.actions.pass_requirements import remove_met_restrictions
from exams.actions.questions import count_asked
from exams.models import Appeal, Paper, PaperItem, Question
from exams.rules.gap_answers import without_separators
from exams.rules.marking import FULL, credit_of, percent_of


def mark_paper(paper: Paper, at: datetime, *, by: Staff | None) -> None:
    """Mark every answer of a paper and store the result, with `at` as the time of hand-in.

    The caller has locked the paper in its transaction.
    """
    items = list(paper.items.all())
    granted = Appeal.objects.filter(
        state=Appeal.State.ACCEPTED,
        item__paper__exam=paper.exam_id,
        item__question__in=[item.question_id for item in items],
    ).select_related("item")
    appeal_of = {appeal.item.question_id: appeal for appeal in granted}
    for item in items:
        appeal = appeal_of.get(item.question_id)
        is_granted = appeal is not None and _helps(appeal, item)
        item.credit = FULL if is_granted else credit_of(item.kind, item.right, item.given, item.stem)
    PaperItem.objects.bulk_update(items, ["credit"])
    missed = [item.question_id for item in items if item.credit != FULL]
    count_asked([item.question_id for item in items], missed)
    paper.submitted_at = at
    _store_result(paper, items)
    audit.record(by, "paper.marked", paper, percent=paper.percent, passed=paper.is_passed)


def remark_papers(appeal: Appeal, by: Staff) -> int:
    """Give full marks for a question on every paper that an accepted appeal covers. Return the number of changed
    papers.

    The question becomes a proposal again, so new papers do not contain it until an editor accepts it. The caller has
    locked the appeal in its transaction.
    """
    items = PaperItem.objects.filter(
        question=appeal.item.question_id, paper__exam=appeal.item.paper.exam_id, credit__lt=FULL
    )
    changed = 0
    for pk, paper_pk in list(items.order_by("paper").values_list("pk", "paper")):
        paper = Paper.objects.select_for_update(of=("self",)).select_related("exam", "staff").get(pk=paper_pk)
        item = paper.items.get(pk=pk)
        if not _helps(appeal, item):
            continue
        item.credit = FULL
        item.save(update_fields=["credit"])
        before = paper.percent
        _store_result(paper, list(paper.items.all()))
        audit.record(by, "paper.remarked", paper, place=item.place, before=before, percent=paper.percent)
        changed += 1
    Question.objects.filter(pk=appeal.item.question_id).update(state=Question.State.PROPOSED)
    return changed


def _store_result(paper: Paper, items: Sequence[PaperItem]) -> None:
    """Compute the result of a paper from the credits of its questions, and store it.

    A pass also removes the queue restrictions that the examinee has because of this exam or an earlier one.
    """
    credits = [item.credit or 0 for item in items]
    paper.credit, paper.percent = sum(credits), percent_of(credits)
    paper.is_passed = paper.percent >= paper.exam.pass_percent
    paper.save(update_fields=["submitted_at", "credit", "percent", "is_passed"])
    if paper.is_passed:
        remove_met_restrictions(paper.exam, paper.staff)


def _helps(appeal: Appeal, item: PaperItem) -> bool:
    """Return whether an accepted appeal covers this question of a paper.

    The wording of the question must be the same. With Remedy.SAME, the examinee must also have given the same
    answer as the one who appealed.
    """
    if item.stem != appeal.item.stem:
        return False
    return appeal.remedy == Appeal.Remedy.ALL or (
        bool(item.given) and _comparable_answer(item) == _comparable_answer(appeal.item)
    )


def _comparable_answer(item: PaperItem) -> Any:
    """Return the answer in a form that can be compared between papers.

    The indices of options cannot be compared, because each paper has its own order of options.
    """
    given = item.given or []
    if item.kind == "fill_in":
        return without_separators(str(given[0] if given else ""))
    if item.kind == "true_false":
        return tuple(given)
    texts = [item.shown[index] for index in given]
    return tuple(texts) if item.kind == "order" else frozenset(texts)
