"""Access to exams: examinees read their own papers, supervisors read results, editors set exams and decide appeals."""

from accounts.access import may, require
from accounts.models import Staff
from exams.errors import ExamNotFound, SetterMayNotSit
from exams.models import Appeal, Exam, Paper, Question


def lock_question(staff: Staff, pk: int) -> Question:
    """Return and lock a question that this editor may judge and change. Raises ExamNotFound, PermissionDenied."""
    require(staff, "set_exams")
    questions = (
        Question.objects.select_for_update(of=("self",)).select_related("point__published").filter(pk=pk)
    )
    question = questions.first()
    if question is None:
        raise ExamNotFound
    return question


def exam_for(staff: Staff, pk: int) -> Exam:
    """Return an exam of one of the examinee's departments. Raises SetterMayNotSit, ExamNotFound, PermissionDenied."""
    if may(staff, "set_exams"):
        raise SetterMayNotSit
    require(staff, "take_exams")
    exam = Exam.objects.filter(pk=pk, departments__in=staff.departments.all()).distinct().first()
    if exam is None:
        raise ExamNotFound
    return exam


def lock_exam(pk: int) -> Exam:
    """Lock an exam in the caller's transaction, so that its papers are drawn one at a time. Raises ExamNotFound."""
    exam = Exam.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if exam is None:
        raise ExamNotFound
    return exam


def paper_for(staff: Staff, pk: int) -> Paper:
    """Return the examinee's own paper, or a marked paper to staff who may see results. Raises ExamNotFound."""
    paper = Paper.objects.select_related("exam", "staff").filter(pk=pk).first()
    if paper is None or not (
        paper.staff_id == staff.pk or (paper.submitted_at and may(staff, "see_exam_results"))
    ):
        raise ExamNotFound
    return paper


def lock_paper(staff: Staff, pk: int) -> Paper:
    """Return and lock the examinee's own paper. Raises ExamNotFound."""
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
    """Return and lock an appeal that this editor may decide. Raises ExamNotFound, PermissionDenied."""
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
