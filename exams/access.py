"""Access checks for exams: each function returns an object if the person may see or change it, and refuses
otherwise."""

from accounts.access import may, require
from accounts.models import Staff
from exams.errors import ExamNotFound, SetterMayNotSit
from exams.models import Appeal, Exam, Paper, Question


def lock_question(staff: Staff, pk: int) -> Question:
    """Lock and return a question for an editor who accepts, declines or changes it. Raises ExamNotFound or
    PermissionDenied."""
    require(staff, "set_exams")
    questions = (
        Question.objects.select_for_update(of=("self",)).select_related("point__published").filter(pk=pk)
    )
    question = questions.first()
    if question is None:
        raise ExamNotFound
    return question


def exam_for(staff: Staff, pk: int) -> Exam:
    """Return an exam that this staff member may sit, as a member of one of its departments.

    Raises SetterMayNotSit for staff who may set exams. Also raises ExamNotFound or PermissionDenied.
    """
    if may(staff, "set_exams"):
        raise SetterMayNotSit
    require(staff, "take_exams")
    exam = Exam.objects.filter(pk=pk, departments__in=staff.departments.all()).distinct().first()
    if exam is None:
        raise ExamNotFound
    return exam


def lock_exam(pk: int) -> Exam:
    """Lock and return an exam. Raises ExamNotFound.

    The lock lasts until the caller's transaction ends. Because of the lock, only one paper of an exam is created at a
    time.
    """
    exam = Exam.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if exam is None:
        raise ExamNotFound
    return exam


def paper_for(staff: Staff, pk: int) -> Paper:
    """Return a paper that this staff member may see.

    Examinees see their own papers; staff who may see results also see the marked papers of others.

    Raises ExamNotFound.
    """
    paper = Paper.objects.select_related("exam", "staff").filter(pk=pk).first()
    if paper is None or not (
        paper.staff_id == staff.pk or (paper.submitted_at and may(staff, "see_exam_results"))
    ):
        raise ExamNotFound
    return paper


def lock_paper(staff: Staff, pk: int) -> Paper:
    """Lock and return a paper for the examinee who sits it. Raises ExamNotFound for the paper of somebody else."""
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
    """Lock and return an appeal for an editor who decides it. Raises ExamNotFound or PermissionDenied."""
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
