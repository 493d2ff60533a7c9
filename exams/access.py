"""Access to exams: examinees read their own papers, supervisors read results, editors set and judge exams."""

from accounts.access import may, require
from accounts.models import Staff
from exams.errors import ExamNotFound, SetterSitsNone
from exams.models import Appeal, Exam, Paper, Question


def lock_question(staff: Staff, pk: int) -> Question:
    """A question that this editor may judge and change. Raises ExamNotFound, PermissionDenied."""
    require(staff, "set_exams")
    found = Question.objects.select_for_update(of=("self",)).select_related("point__published").filter(pk=pk)
    question = found.first()
    if question is None:
        raise ExamNotFound
    return question


def exam_for(staff: Staff, pk: int) -> Exam:
    """An exam of one of this examinee's departments. Raises SetterSitsNone, ExamNotFound, PermissionDenied."""
    if may(staff, "set_exams"):
        raise SetterSitsNone
    require(staff, "take_exams")
    exam = Exam.objects.filter(pk=pk, departments__in=staff.departments.all()).distinct().first()
    if exam is None:
        raise ExamNotFound
    return exam


def lock_exam(pk: int) -> Exam:
    """In the caller's transaction: papers of one exam are drawn one after the other."""
    exam = Exam.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if exam is None:
        raise ExamNotFound
    return exam


def paper_for(staff: Staff, pk: int) -> Paper:
    """An examinee's own paper; one that is marked also who sees results. Raises ExamNotFound."""
    paper = Paper.objects.select_related("exam", "staff").filter(pk=pk).first()
    if paper is None or not (
        paper.staff_id == staff.pk or (paper.submitted_at and may(staff, "see_exam_results"))
    ):
        raise ExamNotFound
    return paper


def lock_paper(staff: Staff, pk: int) -> Paper:
    """One's own paper, locked. Raises ExamNotFound."""
    paper = (
        Paper.objects.select_for_update(of=("self",))
        .select_related("exam", "staff")
        .filter(pk=pk, staff=staff)
        .first()
    )
    if paper is None:
        raise ExamNotFound
    return paper


def lock_appeal(staff: Staff, pk: int) -> Appeal:
    require(staff, "set_exams")
    appeal = (
        Appeal.objects.select_for_update(of=("self",))
        .select_related("item__paper", "item__question")
        .filter(pk=pk)
        .first()
    )
    if appeal is None:
        raise ExamNotFound
    return appeal
