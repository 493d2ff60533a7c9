"""Set-up for tests of exams: published points, questions about them, and an open exam."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import Department, Role, Staff
from exams.actions import exams, questions
from exams.models import Exam, Paper, Question
from exams.rules.question_parsing import ParsedQuestion
from knowledge.actions.branches import category_at
from knowledge.actions.imports import PointToImport, import_points
from knowledge.content import Content
from knowledge.models import Point
from tests.people import Cast


def create_editor() -> Staff:
    return Staff.objects.create(
        username="bian", name="边编", name_en="Bian Bian", number="4101", role=Role.EDITOR, is_staff=True
    )


def publish_points(
    count: int, *, department: Department | None = None, category: str = "银行卡/挂失"
) -> list[Point]:
    """Publish `count` points with the keys `card-1`, `card-2`, ..., each with its own answer."""
    category_found = category_at(category)
    points = [
        PointToImport(
            f"card-{number}",
            "zh",
            Content(
                title=f"第{number}种卡怎么挂失？",
                answer=f"第{number}种卡请在{number + 3}天内挂失。\n补卡工本费{number + 10}元，到网点办理第{number}项。",
                category=category_found,
                department=department,
            ),
        )
        for number in range(1, count + 1)
    ]
    import_points(by=None, given=points)
    return list(Point.objects.filter(key__startswith="card-").order_by("pk").select_related("published"))


def ask_about(points: list[Point], by: Staff) -> list[Question]:
    """Create one accepted question about each point: a single-choice question about the number of days, whose first
    option is right."""
    return [
        questions.save_question(
            by=by,
            point=point.pk,
            parsed=ParsedQuestion(
                "single",
                f"{point.published.title} 几天内？",  # type: ignore[union-attr]
                ["对的那个", "错的甲", "错的乙", "错的丙"],
                [0],
                "见要点。",
            ),
        )
        for point in points
    ]


def open_exam(by: Staff, *departments: Department, **changes: Any) -> Exam:
    """Create an exam that opened an hour ago and stays open for a week: ten questions, thirty minutes, a pass mark of
    80 percent, one resit.

    `changes` replace these values.
    """
    now = timezone.now()
    values: dict[str, Any] = {
        "name": "十一月月考",
        "departments": departments,
        "opens_at": now - timedelta(hours=1),
        "closes_at": now + timedelta(days=7),
        "minutes": 30,
        "question_count": 10,
        "pass_percent": 80,
        "resits": 1,
    }
    return exams.save_exam(by=by, plan=exams.ExamPlan(**values | changes))


@contextmanager
def before_promotion(staff: Staff) -> Iterator[None]:
    """Make a supervisor an agent inside the `with` block.

    Supervisors are not allowed to sit exams, but might have sat one before their promotion.
    """
    role, staff.role = staff.role, Role.AGENT
    staff.save(update_fields=["role"])
    yield
    staff.role = role
    staff.save(update_fields=["role"])


def right_answers(paper: Paper) -> Mapping[int, Any]:
    return {item.place: item.right for item in paper.items.all()}


def sit(staff: Staff, exam: Exam, *, right: int = 10) -> Paper:
    """Begin a paper, answer the first `right` questions correctly and the others wrongly, and submit it."""
    paper = exams.begin_paper(by=staff, exam=exam.pk)
    answers = {
        place: answer if place <= right else [(answer[0] + 1) % 4]
        for place, answer in right_answers(paper).items()
    }
    return exams.hand_in(by=staff, paper=paper.pk, answers=answers)


def questions_about_cards(cast: Cast, editor: Staff, count: int = 30) -> list[Question]:
    """Publish points of the cards department and create a question about each."""
    return ask_about(publish_points(count, department=cast.cards), editor)
