"""Tests of the daily drill: the choice of questions, their repetition, the daily limit, and the exclusion of exam
questions."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.models import Staff
from exams import selectors_drill
from exams.actions import exams
from exams.actions.drill import DrillResult, answer_question, next_question, offered_question
from exams.errors import ExamNotFound, NotAnAnswer
from exams.models import DrillCard, DrillOffer, Question
from knowledge.actions.branches import category_at
from knowledge.models import Point
from tests.harness.exams import create_editor, open_exam, questions_about_cards, sit
from tests.people import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def editor(cast: Cast) -> Staff:
    return create_editor()


@pytest.fixture
def asked_questions(cast: Cast, editor: Staff) -> list[Question]:
    return questions_about_cards(cast, editor, 14)


def answer(staff: Staff, *, rightly: bool, now: Any = None) -> DrillResult:
    asked = next_question(staff=staff, now=now)
    assert asked is not None
    given = list(asked.right) if rightly else [(asked.right[0] + 1) % 4]
    return answer_question(by=staff, question=asked.question.pk, review=asked.review, given=given, now=now)


def test_a_missed_question_returns_tomorrow_and_a_known_one_later(
    cast: Cast, asked_questions: list[Question]
) -> None:
    now = timezone.now()
    missed, known = answer(cast.mei, rightly=False, now=now), answer(cast.mei, rightly=True, now=now)
    assert missed.drill_question.question != known.drill_question.question
    assert now < missed.due_at <= now + timedelta(days=1) < known.due_at
    tomorrow = now + timedelta(days=1, minutes=1)
    again = next_question(staff=cast.mei, now=tomorrow)
    assert again is not None
    assert (again.question, again.review) == (missed.drill_question.question, 1)
    due = [answer(cast.mei, rightly=True, now=tomorrow).due_at]
    for _ in range(3):
        now = due[-1] + timedelta(minutes=1)
        DrillCard.objects.exclude(question=missed.drill_question.question).update(
            due_at=now + timedelta(days=900)
        )
        due.append(answer(cast.mei, rightly=True, now=now).due_at)
    gaps = [later - sooner for sooner, later in pairwise(due)]
    assert gaps == sorted(gaps)
    assert gaps[-1] > timedelta(days=7)


def test_a_repeated_drill_answer_counts_once(cast: Cast, asked_questions: list[Question]) -> None:
    asked = next_question(staff=cast.mei)
    assert asked is not None
    outcomes = [
        answer_question(by=cast.mei, question=asked.question.pk, review=0, given=list(asked.right))
        for _ in range(2)
    ]
    assert [outcome.credit for outcome in outcomes] == [100, 100]
    assert outcomes[0].due_at == outcomes[1].due_at
    assert (DrillCard.objects.get().reviews, Question.objects.get(pk=asked.question.pk).asked) == (1, 1)


@pytest.mark.usefixtures("one_day")
def test_the_drill_stops_at_the_daily_limit_until_tomorrow(
    cast: Cast, asked_questions: list[Question]
) -> None:
    lefts = [answer(cast.mei, rightly=True).left_today for _ in range(settings.DRILL_A_DAY)]
    assert lefts == list(range(9, -1, -1))
    assert next_question(staff=cast.mei) is None
    assert next_question(staff=cast.mei, now=timezone.now() + timedelta(days=1)) is not None
    assert next_question(staff=cast.hao) is not None


def test_questions_missed_on_a_paper_come_first_then_those_about_points_used_most(
    cast: Cast, editor: Staff, asked_questions: list[Question]
) -> None:
    paper = sit(cast.mei, open_exam(editor, cast.cards), right=9)
    missed = paper.items.get(credit=0).question
    often = next(question.point for question in asked_questions if question != missed)
    Point.objects.filter(pk=often.pk).update(uses=50)
    assert answer(cast.mei, rightly=True).drill_question.question == missed
    assert answer(cast.mei, rightly=True).drill_question.question.point == often


def test_questions_that_an_open_exam_may_still_ask_are_not_drilled(
    cast: Cast, editor: Staff, asked_questions: list[Question]
) -> None:
    inside = asked_questions[3].point.published
    assert inside is not None
    inside.category = category_at("贷款/申请")
    inside.save(update_fields=["category"])
    exam = open_exam(editor, cast.cards, shares=[(category_at("贷款"), 1)], question_count=1)
    now = timezone.now()
    assert asked_questions[3] not in selectors_drill.askable(cast.mei, now)
    assert selectors_drill.askable(cast.mei, now).count() == 13
    with pytest.raises(ExamNotFound):
        answer_question(by=cast.mei, question=asked_questions[3].pk, review=0, given=[0])
    # The drill may ask the exam's questions before the exam opens, after it closes, and in other departments.
    for other in (exam.opens_at - timedelta(minutes=1), exam.closes_at):
        assert asked_questions[3] in selectors_drill.askable(cast.mei, other)
    cast.jun.departments.add(cast.cards)
    exam.departments.set([cast.loans])
    assert asked_questions[3] in selectors_drill.askable(cast.mei, now)
    assert asked_questions[3] not in selectors_drill.askable(cast.jun, now)


@pytest.mark.parametrize(
    ("rights", "is_drilled"), [([0], False), ([1], True), ([0, 1], True), ([0, 0], True)]
)
def test_all_questions_are_drilled_after_a_pass_or_the_last_attempt(
    cast: Cast, editor: Staff, asked_questions: list[Question], rights: list[int], is_drilled: bool
) -> None:
    exam = open_exam(editor, cast.cards, question_count=1)
    for right in rights:
        sit(cast.mei, exam, right=right)
    assert (next_question(staff=cast.mei) is not None) == is_drilled
    client = Client(headers={"accept-language": "en"})
    client.force_login(cast.mei, settings.AUTHENTICATION_BACKENDS[0])
    page = client.get("/console/drill/next").content.decode()
    assert ("until you have sat the exam" in page) != is_drilled


def test_the_drill_asks_nothing_while_the_person_has_an_open_paper(
    cast: Cast, editor: Staff, asked_questions: list[Question]
) -> None:
    exams.begin_paper(by=cast.mei, exam=open_exam(editor, cast.cards).pk)
    assert next_question(staff=cast.mei) is None
    with pytest.raises(ExamNotFound):
        answer_question(by=cast.mei, question=asked_questions[0].pk, review=0, given=[0])


def test_the_drill_asks_about_ones_own_departments_and_rejects_invalid_answers(
    cast: Cast, asked_questions: list[Question]
) -> None:
    assert next_question(staff=cast.jun) is None
    with pytest.raises(ExamNotFound):
        answer_question(by=cast.jun, question=asked_questions[0].pk, review=0, given=[0])
    offered = next_question(staff=cast.mei)
    assert offered is not None
    with pytest.raises(NotAnAnswer):
        answer_question(by=cast.mei, question=offered.question.pk, review=0, given=["x"])


def test_the_drill_page_shows_the_answer_only_after_answering(
    cast: Cast, asked_questions: list[Question]
) -> None:
    client = Client(headers={"accept-language": "en"})
    client.force_login(cast.mei, settings.AUTHENTICATION_BACKENDS[0])
    page = client.get("/console/drill/next").content.decode()
    assert "见要点。" not in page
    asked = next_question(staff=cast.mei)
    assert asked is not None
    assert f'data-question="{asked.question.pk}" data-review="0"' in page
    wrong = [(asked.right[0] + 1) % 4]
    result = client.post(
        "/console/drill/answer",
        {"question": asked.question.pk, "review": 0, "given": wrong},
        content_type="application/json",
    ).json()
    assert result == {"marks": "none", "right": ["对的那个"], "why": "见要点。", "left": 9}


# -- Only offered questions ---------------------------------------------------------------------------------------


def test_answering_a_question_that_was_not_offered_is_refused(
    cast: Cast, asked_questions: list[Question]
) -> None:
    offered = next_question(staff=cast.mei)
    assert offered is not None
    answered = 0
    for question in asked_questions:
        try:
            answer_question(by=cast.mei, question=question.pk, review=0, given=[0])
            answered += 1
        except ExamNotFound:
            assert question != offered.question
    assert answered == 1
    # An offer to another person does not count, nor does an offer of the same question with another review number.
    with pytest.raises(ExamNotFound):
        answer_question(by=cast.hao, question=offered.question.pk, review=0, given=[0])
    with pytest.raises(ExamNotFound):
        answer_question(by=cast.mei, question=offered.question.pk, review=1, given=[0])


def test_asking_again_offers_the_same_question_until_it_is_answered(
    cast: Cast, asked_questions: list[Question]
) -> None:
    first = next_question(staff=cast.mei)
    Point.objects.filter(pk=asked_questions[9].point_id).update(uses=500)
    assert first is not None
    assert next_question(staff=cast.mei) == first
    answer(cast.mei, rightly=True)
    second = next_question(staff=cast.mei)
    assert second is not None
    assert second.question == asked_questions[9]


@pytest.mark.usefixtures("one_day")
def test_the_daily_limit_holds_for_every_way_of_answering(
    cast: Cast, asked_questions: list[Question]
) -> None:
    for _ in range(settings.DRILL_A_DAY):
        answer(cast.mei, rightly=False)
    left = next(
        outcome for outcome in asked_questions if not DrillCard.objects.filter(question=outcome).exists()
    )
    DrillOffer.objects.filter(staff=cast.mei).update(question=left, review=0, answered_at=None)
    with pytest.raises(ExamNotFound):
        answer_question(by=cast.mei, question=left.pk, review=0, given=[0])


def test_questions_on_a_colleagues_open_paper_are_neither_asked_nor_answered(
    cast: Cast, editor: Staff, asked_questions: list[Question]
) -> None:
    exam = open_exam(editor, cast.cards, question_count=10)
    sit(cast.mei, exam, right=10)
    offered = next_question(staff=cast.mei)
    assert offered is not None
    paper = exams.begin_paper(by=cast.hao, exam=exam.pk)
    on_paper = set(paper.items.values_list("question", flat=True))
    assert not on_paper & set(selectors_drill.askable(cast.mei, timezone.now()).values_list("pk", flat=True))
    if offered.question.pk not in on_paper:
        DrillOffer.objects.update(question=paper.items.all()[0].question)
        offered = offered_question(cast.mei, paper.items.all()[0].question, 0)
    with pytest.raises(ExamNotFound):
        answer_question(by=cast.mei, question=offered.question.pk, review=0, given=[0])
    again = next_question(staff=cast.mei)
    assert again is not None
    assert again.question.pk not in on_paper
