"""Marks: of a paper that is handed in, and anew after an appeal."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from accounts import audit
from accounts.models import Staff
from exams.actions.pass_requirements import is_requirement_met
from exams.actions.questions import count_asked
from exams.models import Appeal, Paper, PaperItem, Question
from exams.rules.gap_answers import bare
from exams.rules.marking import FULL, credit_of, percent_of


def mark_paper(paper: Paper, at: datetime, *, by: Staff | None) -> None:
    """Marks a paper as handed in at this time. In the caller's transaction, the paper locked."""
    items = list(paper.items.all())
    granted = Appeal.objects.filter(
        state=Appeal.State.ACCEPTED,
        item__paper__exam=paper.exam_id,
        item__question__in=[item.question_id for item in items],
    ).select_related("item")
    of_question = {appeal.item.question_id: appeal for appeal in granted}
    for item in items:
        appeal = of_question.get(item.question_id)
        is_granted = appeal is not None and _helps(appeal, item)
        item.credit = FULL if is_granted else credit_of(item.kind, item.right, item.given, item.stem)
    PaperItem.objects.bulk_update(items, ["credit"])
    missed = [item.question_id for item in items if item.credit != FULL]
    count_asked([item.question_id for item in items], missed)
    paper.submitted_at = at
    _sum_up(paper, items)
    audit.record(by, "paper.marked", paper, percent=paper.percent, passed=paper.is_passed)


def remark_papers(appeal: Appeal, by: Staff) -> int:
    """Gives full marks for the question to everybody whom the accepted appeal helps; returns how many papers changed.

    In the caller's transaction, the appeal locked. Until an editor has looked at it, the question is drawn no more.
    """
    asked = PaperItem.objects.filter(
        question=appeal.item.question_id, paper__exam=appeal.item.paper.exam_id, credit__lt=FULL
    )
    changed = 0
    for pk, paper_pk in list(asked.order_by("paper").values_list("pk", "paper")):
        paper = Paper.objects.select_for_update(of=("self",)).select_related("exam", "staff").get(pk=paper_pk)
        item = paper.items.get(pk=pk)
        if not _helps(appeal, item):
            continue
        item.credit = FULL
        item.save(update_fields=["credit"])
        before = paper.percent
        _sum_up(paper, list(paper.items.all()))
        audit.record(by, "paper.remarked", paper, place=item.place, before=before, percent=paper.percent)
        changed += 1
    Question.objects.filter(pk=appeal.item.question_id).update(state=Question.State.PROPOSED)
    return changed


def _sum_up(paper: Paper, items: Sequence[PaperItem]) -> None:
    """The result by the credits of the items; a pass meets the requirement."""
    credits = [item.credit or 0 for item in items]
    paper.credit, paper.percent = sum(credits), percent_of(credits)
    paper.is_passed = paper.percent >= paper.exam.pass_percent
    paper.save(update_fields=["submitted_at", "credit", "percent", "is_passed"])
    if paper.is_passed:
        is_requirement_met(paper.exam, paper.staff)


def _helps(appeal: Appeal, item: PaperItem) -> bool:
    """Only those who were asked in the same words; with Remedy.SAME, who gave the same answer."""
    if item.stem != appeal.item.stem:
        return False
    return appeal.remedy == Appeal.Remedy.ALL or (
        bool(item.given) and _in_words(item) == _in_words(appeal.item)
    )


def _in_words(item: PaperItem) -> Any:
    """The answer in terms that are the same on every paper: the options stand in another order on each."""
    given = item.given or []
    if item.kind == "fill_in":
        return bare(str(given[0] if given else ""))
    if item.kind == "true_false":
        return tuple(given)
    texts = [item.shown[index] for index in given]
    return tuple(texts) if item.kind == "order" else frozenset(texts)
