"""The daily drill: which question comes, how answers space it, how many a day, and never beside a paper."""

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


def test_what_was_missed_comes_back_tomorrow_and_what_was_known_later(
    cast: Cast, asked_questions: list[Question]
) -> None:
    now = timezone.now()
    missed, known = answer(cast.mei, rightly=False, now=now), answer(cast.mei, rightly=True, now=now)
    assert missed.asked.question != known.asked.question
    assert now < missed.due_at <= now + timedelta(days=1) < known.due_at
    tomorrow = now + timedelta(days=1, minutes=1)
    again = next_question(staff=cast.mei, now=tomorrow)
    assert again is not None
    assert (again.question, again.review) == (missed.asked.question, 1)
    due = [answer(cast.mei, rightly=True, now=tomorrow).due_at]
    for _ in range(3):
        now = due[-1] + timedelta(minutes=1)
        DrillCard.objects.exclude(question=missed.asked.question).update(due_at=now + timedelta(days=900))
        due.append(answer(cast.mei, rightly=True, now=now).due_at)
    gaps = [later - sooner for sooner, later in pairwise(due)]
    assert gaps == sorted(gaps)
    assert gaps[-1] > timedelta(days=7)


def test_the_same_answer_twice_counts_once(cast: Cast, asked_questions: list[Question]) -> None:
    asked = next_question(staff=cast.mei)
    assert asked is not None
    outcomes = [
        answer_question(by=cast.mei, question=asked.question.pk, review=0, given=list(asked.right))
        for _ in range(2)
    ]
    assert [each.credit for each in outcomes] == [100, 100]
    assert outcomes[0].due_at == outcomes[1].due_at
    assert (DrillCard.objects.get().reviews, Question.objects.get(pk=asked.question.pk).asked) == (1, 1)


@pytest.mark.usefixtures("one_day")
def test_ten_a_day_and_then_tomorrow(cast: Cast, asked_questions: list[Question]) -> None:
    lefts = [answer(cast.mei, rightly=True).left for _ in range(settings.DRILL_A_DAY)]
    assert lefts == list(range(9, -1, -1))
    assert next_question(staff=cast.mei) is None
    assert next_question(staff=cast.mei, now=timezone.now() + timedelta(days=1)) is not None
    assert next_question(staff=cast.hao) is not None


def test_what_was_missed_on_a_paper_comes_before_what_is_new_and_then_what_is_asked_most(
    cast: Cast, editor: Staff, asked_questions: list[Question]
) -> None:
    paper = sit(cast.mei, open_exam(editor, cast.cards), right=9)
    missed = paper.items.get(credit=0).question
    often = next(each.point for each in asked_questions if each != missed)
    Point.objects.filter(pk=often.pk).update(uses=50)
    assert answer(cast.mei, rightly=True).asked.question == missed
    assert answer(cast.mei, rightly=True).asked.question.point == often


def test_what_an_open_exam_may_still_ask_of_somebody_is_not_drilled_to_them(
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
    # Before it opens, when it is over, and for whom it is not meant, it is a question like any other.
    for other in (exam.opens_at - timedelta(minutes=1), exam.closes_at):
        assert asked_questions[3] in selectors_drill.askable(cast.mei, other)
    cast.jun.departments.add(cast.cards)
    exam.departments.set([cast.loans])
    assert asked_questions[3] in selectors_drill.askable(cast.mei, now)
    assert asked_questions[3] not in selectors_drill.askable(cast.jun, now)


@pytest.mark.parametrize(
    ("rights", "is_drilled"), [([0], False), ([1], True), ([0, 1], True), ([0, 0], True)]
)
def test_who_has_passed_or_has_no_attempt_left_drills_everything_again(
    cast: Cast, editor: Staff, asked_questions: list[Question], rights: list[int], is_drilled: bool
) -> None:
    exam = open_exam(editor, cast.cards, question_count=1)
    for right in rights:
        sit(cast.mei, exam, right=right)
    assert (next_question(staff=cast.mei) is not None) == is_drilled
    client = Client(headers={"accept-language": "en"})
    client.force_login(cast.mei, settings.AUTHENTICATION_BACKENDS[0])
    page = client.get("/console/drill/next").content.decode()
    assert ("is not drilled before you have sat it" in page) != is_drilled


def test_while_a_paper_is_written_nothing_is_asked_beside_it(
    cast: Cast, editor: Staff, asked_questions: list[Question]
) -> None:
    exams.begin_paper(by=cast.mei, exam=open_exam(editor, cast.cards).pk)
    assert next_question(staff=cast.mei) is None
    with pytest.raises(ExamNotFound):
        answer_question(by=cast.mei, question=asked_questions[0].pk, review=0, given=[0])


def test_only_of_ones_own_departments_and_only_answers(cast: Cast, asked_questions: list[Question]) -> None:
    assert next_question(staff=cast.jun) is None
    with pytest.raises(ExamNotFound):
        answer_question(by=cast.jun, question=asked_questions[0].pk, review=0, given=[0])
    offered = next_question(staff=cast.mei)
    assert offered is not None
    with pytest.raises(NotAnAnswer):
        answer_question(by=cast.mei, question=offered.question.pk, review=0, given=["x"])


def test_the_page_shows_a_question_without_its_answer_and_then_the_answer(
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
    told = client.post(
        "/console/drill/answer",
        {"question": asked.question.pk, "review": 0, "given": wrong},
        content_type="application/json",
    ).json()
    assert told == {"marks": "none", "right": ["对的那个"], "why": "见要点。", "left": 9}


# -- Only what was offered ----------------------------------------------------------------------------------------


def test_a_question_that_was_not_offered_is_not_answered(cast: Cast, asked_questions: list[Question]) -> None:
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
    # Nor with somebody else's offer, nor the same one as another review.
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
def test_no_more_than_the_days_number_is_answered_by_whatever_way(
    cast: Cast, asked_questions: list[Question]
) -> None:
    for _ in range(settings.DRILL_A_DAY):
        answer(cast.mei, rightly=False)
    left = next(each for each in asked_questions if not DrillCard.objects.filter(question=each).exists())
    DrillOffer.objects.filter(staff=cast.mei).update(question=left, review=0, answered_at=None)
    with pytest.raises(ExamNotFound):
        answer_question(by=cast.mei, question=left.pk, review=0, given=[0])


def test_nothing_that_stands_on_a_colleagues_open_paper_is_asked_or_answered(
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
