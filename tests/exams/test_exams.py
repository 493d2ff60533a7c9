"""Tests of the actions on exams: questions, papers, marking, resits, appeals and required exams."""

from __future__ import annotations

from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import AuditEntry, QueueRestriction, Staff
from chat.errors import EmptyText, TextTooLong
from exams.actions import appeals, exams, pass_requirements, questions
from exams.errors import (
    AlreadyPassed,
    AnotherPaperOpen,
    AppealDecided,
    AppealTooLate,
    ExamBegun,
    ExamNotFound,
    ExamNotOpen,
    JudgeSatExam,
    NoAttemptLeft,
    NoQuestions,
    NotAnAnswer,
    OwnAppeal,
    PaperOver,
    QuestionIncomplete,
    QuestionTaken,
    SetterMayNotSit,
    TimeLeft,
)
from exams.models import Appeal, Exam, Paper, PaperItem, Question
from exams.question_pool import candidates_for, eligible_questions
from exams.rules.question_parsing import ParsedQuestion, format_lines, parse_lines
from knowledge.actions import points
from knowledge.actions.branches import category_at
from knowledge.content import Content
from knowledge.models import Point
from tests.harness.approvals import approve_version
from tests.harness.exams import (
    ask_about,
    before_promotion,
    create_editor,
    open_exam,
    publish_points,
    questions_about_cards,
    right_answers,
    sit,
)
from tests.people import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

State = Question.State


@pytest.fixture
def editor(cast: Cast) -> Staff:
    return create_editor()


def verbs() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True))


def replace(point: Point, editor: Staff, reviewer: Staff) -> None:
    draft = points.save_draft(
        by=editor,
        point=point.pk,
        content=Content(title="新的问法", answer="现在是 9 天内。", category=category_at("银行卡/挂失")),
    )
    points.submit(by=editor, version=draft.pk)
    approve_version(by=reviewer, version=draft.pk)


# -- Questions --------------------------------------------------------------------------------------------------


def test_propose_questions_creates_each_proposal_once_for_review(cast: Cast, editor: Staff) -> None:
    publish_points(6)
    count = questions.propose_questions(by=editor, category=None)
    assert count == Question.objects.filter(state=State.PROPOSED, author=None).count() > 12
    assert not eligible_questions().exists()
    first, second, *_ = Question.objects.all()
    questions.accept_question(by=editor, question=first.pk)
    questions.accept_question(by=editor, question=first.pk)
    questions.decline_question(by=editor, question=second.pk)
    questions.decline_question(by=editor, question=second.pk)
    assert questions.propose_questions(by=editor, category=None) == 0
    assert verbs().count("question.accepted") == verbs().count("question.declined") == 1
    assert list(eligible_questions()) == [first]
    questions.return_to_proposed(by=editor, question=first.pk)
    assert not eligible_questions().exists()


def test_propose_questions_of_a_category_includes_its_subcategories(cast: Cast, editor: Staff) -> None:
    inside = publish_points(4, category="银行卡/挂失")
    outside = category_at("贷款")
    Point.objects.filter(pk=inside[0].pk)
    inside[0].published.category = outside  # type: ignore[union-attr]
    inside[0].published.save(update_fields=["category"])  # type: ignore[union-attr]
    questions.propose_questions(by=editor, category=category_at("银行卡").pk)
    asked = set(Question.objects.values_list("point", flat=True))
    assert asked == {point.pk for point in inside[1:]}


def test_a_question_about_a_changed_point_must_be_confirmed_before_it_is_drawn(
    cast: Cast, editor: Staff
) -> None:
    (question,) = ask_about(publish_points(1), editor)
    assert list(eligible_questions()) == [question]
    replace(question.point, editor, cast.yun)
    assert not eligible_questions().exists()
    questions.accept_question(by=editor, question=question.pk)
    assert list(eligible_questions()) == [question]
    assert verbs()[-1] == "question.confirmed"
    question.refresh_from_db()
    assert question.version == 2
    points.withdraw(by=cast.yun, point=question.point_id, reason="没有了")
    assert not eligible_questions().exists()


def test_outdated_proposals_are_replaced_by_new_ones(cast: Cast, editor: Staff) -> None:
    (point,) = publish_points(1)
    questions.propose_questions(by=editor, category=None)
    before = set(Question.objects.values_list("pk", flat=True))
    replace(point, editor, cast.yun)
    assert questions.propose_questions(by=editor, category=None) > 0
    assert before.isdisjoint(Question.objects.values_list("pk", flat=True))


@pytest.mark.parametrize(
    ("kind", "stem", "lines", "fields"),
    [
        ("single", "", "* 甲\n乙", {"stem"}),
        ("single", "问", "甲\n乙", {"lines"}),
        ("single", "问", "* 甲\n* 乙", {"lines"}),
        ("single", "问", "* 甲\n甲", {"lines"}),
        ("multiple", "问", "* 甲\n* 乙\n* 丙", {"lines"}),
        ("true_false", "问", "也许", {"lines"}),
        ("fill_in", "没有空", "7", {"stem"}),
        ("fill_in", "____天", "", {"lines"}),
        ("order", "问", "一\n二", {"lines"}),
        ("single", "问" * 501, "* 甲\n乙", {"stem"}),
        ("single", "", "", {"stem", "lines"}),
    ],
)
def test_an_invalid_question_is_refused_with_a_message_for_every_field(
    kind: str, stem: str, lines: str, fields: set[str]
) -> None:
    options, answer = parse_lines(kind, lines)
    with pytest.raises(QuestionIncomplete) as refusal:
        ParsedQuestion(kind, stem, options, answer).validated()
    assert set(refusal.value.problems) == fields


@pytest.mark.parametrize(
    ("kind", "lines", "options", "answer"),
    [
        ("single", "甲\n* 乙\n", ["甲", "乙"], [1]),
        ("multiple", "＊甲\n*乙\n丙", ["甲", "乙", "丙"], [0, 1]),
        ("true_false", "对", [], [1]),
        ("true_false", "false", [], [0]),
        ("fill_in", "1,000\n1000", [], ["1,000", "1000"]),
        ("order", "一\n\n二\n三", ["一", "二", "三"], [0, 1, 2]),
    ],
)
def test_parse_lines_reverses_format_lines(
    kind: str, lines: str, options: list[str], answer: list[object]
) -> None:
    assert parse_lines(kind, lines) == (options, answer)
    assert parse_lines(kind, format_lines(kind, options, answer)) == (options, answer)


def test_a_question_is_unique_per_point_and_a_change_resets_its_counts(cast: Cast, editor: Staff) -> None:
    (question,) = ask_about(publish_points(1), editor)
    with pytest.raises(QuestionTaken):
        ask_about([question.point], editor)
    Question.objects.update(asked=9, missed=4)
    same = ParsedQuestion("single", question.stem, question.options, question.answer, "另一个解释")
    questions.save_question(by=editor, point=question.point_id, parsed=same, question=question.pk)
    assert Question.objects.get().asked == 9
    other = ParsedQuestion("single", question.stem, ["甲", "乙"], [1])
    questions.save_question(by=editor, point=question.point_id, parsed=other, question=question.pk)
    assert (Question.objects.get().asked, Question.objects.get().missed) == (0, 0)


def test_agents_may_neither_set_exams_nor_judge_questions(cast: Cast, editor: Staff) -> None:
    (question,) = ask_about(publish_points(1), editor)
    with pytest.raises(PermissionDenied):
        questions.accept_question(by=cast.mei, question=question.pk)
    with pytest.raises(PermissionDenied):
        questions.propose_questions(by=cast.mei, category=None)
    with pytest.raises(PermissionDenied):
        open_exam(cast.mei, cast.cards)
    with pytest.raises(SetterMayNotSit):
        exams.begin_paper(by=editor, exam=1)


# -- Papers -----------------------------------------------------------------------------------------------------


def test_begin_paper_twice_returns_the_same_paper(cast: Cast, editor: Staff) -> None:
    questions_about_cards(cast, editor)
    exam = open_exam(editor, cast.cards)
    paper = exams.begin_paper(by=cast.mei, exam=exam.pk)
    assert exams.begin_paper(by=cast.mei, exam=exam.pk) == paper
    assert paper.items.count() == 10
    assert paper.due_at - paper.drawn_at == timedelta(minutes=30)
    assert verbs().count("paper.begun") == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        Paper.objects.create(exam=exam, staff=cast.mei, number=2, seed=1, due_at=timezone.now())


def test_an_exam_is_open_only_to_its_departments_and_in_its_period(cast: Cast, editor: Staff) -> None:
    questions_about_cards(cast, editor)
    exam = open_exam(editor, cast.cards)
    with pytest.raises(ExamNotFound):
        exams.begin_paper(by=cast.jun, exam=exam.pk)
    for now in (exam.opens_at - timedelta(seconds=1), exam.closes_at):
        with pytest.raises(ExamNotOpen):
            exams.begin_paper(by=cast.mei, exam=exam.pk, now=now)
    late = exams.begin_paper(by=cast.mei, exam=exam.pk, now=exam.closes_at - timedelta(minutes=5))
    assert late.due_at == exam.closes_at


def test_begin_paper_without_questions_is_refused(cast: Cast, editor: Staff) -> None:
    with pytest.raises(NoQuestions):
        exams.begin_paper(by=cast.mei, exam=open_exam(editor, cast.cards).pk)
    assert not Paper.objects.exists()


def test_an_agent_has_one_open_paper_over_all_exams(cast: Cast, editor: Staff) -> None:
    questions_about_cards(cast, editor)
    first, second = open_exam(editor, cast.cards), open_exam(editor, cast.cards, name="加试")
    exams.begin_paper(by=cast.mei, exam=first.pk)
    with pytest.raises(AnotherPaperOpen):
        exams.begin_paper(by=cast.mei, exam=second.pk)
    later = timezone.now() + timedelta(minutes=31)
    assert exams.begin_paper(by=cast.mei, exam=second.pk, now=later).exam == second
    assert Paper.objects.get(exam=first).percent == 0


def test_papers_of_different_examinees_differ(cast: Cast, editor: Staff) -> None:
    questions_about_cards(cast, editor)
    exam = open_exam(editor, cast.cards)
    cast.jun.departments.add(cast.cards)
    drawn = [
        {item.question_id for item in exams.begin_paper(by=staff, exam=exam.pk).items.all()}
        for staff in (cast.mei, cast.hao, cast.jun)
    ]
    assert all(len(one & other) <= 5 for one, other in combinations(drawn, 2))
    orders = {tuple(item.shown) for item in PaperItem.objects.all()}
    assert len(orders) > 5


def test_a_paper_follows_the_shares_of_categories_and_departments(cast: Cast, editor: Staff) -> None:
    cards = publish_points(20, department=cast.cards)
    ask_about(cards, editor)
    loans = category_at("贷款")
    for point in cards[:8]:
        point.published.category, point.published.department = loans, cast.loans  # type: ignore[union-attr]
        point.published.save(update_fields=["category", "department"])  # type: ignore[union-attr]
    exam = open_exam(
        editor, cast.cards, shares=[(category_at("银行卡"), 3), (cast.loans, 1)], question_count=8
    )
    candidates, shares = candidates_for(exam)
    assert sorted(shares.values()) == [1, 3]
    assert len(candidates) == 20
    paper = exams.begin_paper(by=cast.mei, exam=exam.pk)
    about_loans = paper.items.filter(question__point__published__department=cast.loans).count()
    assert about_loans == 2
    whole = open_exam(editor, cast.cards, name="不分")
    assert len(candidates_for(whole)[0]) == 12


def test_answers_are_saved_singly_and_a_delayed_one_does_not_overwrite_a_newer_one(
    cast: Cast, editor: Staff
) -> None:
    questions_about_cards(cast, editor)
    paper = exams.begin_paper(by=cast.mei, exam=open_exam(editor, cast.cards).pk)
    for step, given in ((1, [0]), (3, [2]), (3, [2]), (2, [1])):
        exams.save_answer(
            by=cast.mei, paper=paper.pk, place=1, given=given, origin=exams.AnswerOrigin(step=step)
        )
    assert paper.items.get(place=1).given == [2]
    exams.save_answer(by=cast.mei, paper=paper.pk, place=1, given=None, origin=exams.AnswerOrigin(step=4))
    assert paper.items.get(place=1).given is None
    for place, wrong in ((1, [7]), (1, ["x"]), (1, [0, 1]), (99, [0]), (1, {"a": 1})):
        with pytest.raises(NotAnAnswer):
            exams.save_answer(
                by=cast.mei, paper=paper.pk, place=place, given=wrong, origin=exams.AnswerOrigin(step=9)
            )
    with pytest.raises(ExamNotFound):
        exams.save_answer(by=cast.hao, paper=paper.pk, place=1, given=[0], origin=exams.AnswerOrigin(step=9))
    paper.items.filter(place=1).update(kind="fill_in")
    with pytest.raises(TextTooLong) as caught:
        exams.save_answer(
            by=cast.mei, paper=paper.pk, place=1, given=["长" * 101], origin=exams.AnswerOrigin(step=9)
        )
    assert (caught.value.field, caught.value.limit) == ("given", 100)


def test_answers_after_the_time_and_the_grace_period_are_refused(cast: Cast, editor: Staff) -> None:
    questions_about_cards(cast, editor)
    paper = exams.begin_paper(by=cast.mei, exam=open_exam(editor, cast.cards).pk)
    right = right_answers(paper)
    in_grace, over = paper.due_at + timedelta(seconds=4), paper.due_at + timedelta(seconds=6)
    exams.save_answer(
        by=cast.mei,
        paper=paper.pk,
        place=1,
        given=right[1],
        origin=exams.AnswerOrigin(step=1),
        now=in_grace,
    )
    with pytest.raises(PaperOver):
        exams.save_answer(
            by=cast.mei,
            paper=paper.pk,
            place=2,
            given=right[2],
            origin=exams.AnswerOrigin(step=1),
            now=over,
        )
    assert exams.settle_overdue(now=in_grace) == 0
    handed_in = exams.hand_in(by=cast.mei, paper=paper.pk, answers=right, now=over)
    assert (handed_in.percent, handed_in.submitted_at) == (10, paper.due_at)


def test_an_overdue_paper_is_marked_from_its_saved_answers(cast: Cast, editor: Staff) -> None:
    questions_about_cards(cast, editor)
    paper = exams.begin_paper(by=cast.mei, exam=open_exam(editor, cast.cards).pk)
    for place, answer in list(right_answers(paper).items())[:4]:
        exams.save_answer(
            by=cast.mei, paper=paper.pk, place=place, given=answer, origin=exams.AnswerOrigin(step=1)
        )
    over = paper.due_at + timedelta(minutes=1)
    assert [exams.settle_overdue(now=over), exams.settle_overdue(now=over)] == [1, 0]
    paper.refresh_from_db()
    assert (paper.percent, paper.is_passed, paper.submitted_at) == (40, False, paper.due_at)


def test_hand_in_twice_gives_one_result(cast: Cast, editor: Staff) -> None:
    questions_about_cards(cast, editor)
    paper = sit(cast.mei, open_exam(editor, cast.cards), right=9)
    again = exams.hand_in(by=cast.mei, paper=paper.pk, answers={})
    assert (paper.percent, paper.is_passed, again.percent) == (90, True, 90)
    assert verbs().count("paper.marked") == 1
    with pytest.raises(PaperOver):
        exams.save_answer(by=cast.mei, paper=paper.pk, place=1, given=[0], origin=exams.AnswerOrigin(step=99))
    asked = Question.objects.filter(asked=1)
    assert (asked.count(), asked.filter(missed=1).count()) == (10, 1)


def test_a_resit_is_a_new_paper_within_the_limit_and_not_after_a_pass(cast: Cast, editor: Staff) -> None:
    questions_about_cards(cast, editor)
    exam = open_exam(editor, cast.cards)
    first, second = sit(cast.mei, exam, right=5), sit(cast.mei, exam, right=7)
    assert (first.number, second.number) == (1, 2)
    shared = {i.question_id for i in first.items.all()} & {i.question_id for i in second.items.all()}
    assert len(shared) <= 5
    with pytest.raises(NoAttemptLeft):
        exams.begin_paper(by=cast.mei, exam=exam.pk)
    sit(cast.hao, exam)
    with pytest.raises(AlreadyPassed):
        exams.begin_paper(by=cast.hao, exam=exam.pk)


def test_the_pass_mark_cannot_change_after_a_paper_was_begun(cast: Cast, editor: Staff) -> None:
    questions_about_cards(cast, editor)
    exam = open_exam(editor, cast.cards)
    exams.begin_paper(by=cast.mei, exam=exam.pk)
    plan = exams.ExamPlan(
        name="改名", departments=[cast.cards], opens_at=exam.opens_at, closes_at=exam.closes_at, minutes=20,
        question_count=5, pass_percent=80, resits=3,
    )  # fmt: skip
    exams.save_exam(by=editor, plan=plan, exam=exam.pk)
    assert Exam.objects.get().resits == 3
    with pytest.raises(ExamBegun):
        exams.save_exam(by=editor, plan=exams.ExamPlan(**vars(plan) | {"pass_percent": 60}), exam=exam.pk)


# -- Appeals ----------------------------------------------------------------------------------------------------


def sat_alike(cast: Cast, editor: Staff, **changes: object) -> tuple[Paper, Paper, Paper]:
    """Let Mei, Hao and Yun (then an agent) sit the same ten questions, and return their marked papers.

    All three answer one question wrongly: Mei and Hao give the same wrong answer, and Yun gives a different one.
    """
    questions_about_cards(cast, editor, 10)
    exam = open_exam(editor, cast.cards, pass_percent=100, **changes)
    papers = []
    for staff, wrong in ((cast.mei, "错的甲"), (cast.hao, "错的甲"), (cast.yun, "错的乙")):
        with before_promotion(staff):
            paper = exams.begin_paper(by=staff, exam=exam.pk)
        answers = {
            item.place: [item.shown.index(wrong)] if "第1种" in item.stem else item.right
            for item in paper.items.all()
        }
        papers.append(exams.hand_in(by=staff, paper=paper.pk, answers=answers))
    mei, hao, yun = papers
    return mei, hao, yun


def missed(paper: Paper) -> PaperItem:
    return paper.items.get(credit=0)


def test_an_accepted_appeal_remarks_papers_with_the_same_answer(cast: Cast, editor: Staff) -> None:
    mei, _hao, _yun = sat_alike(cast, editor)
    place = missed(mei).place
    appeal = appeals.make_appeal(by=cast.mei, paper=mei.pk, place=place, reason="两个都对。")
    assert appeals.make_appeal(by=cast.mei, paper=mei.pk, place=place, reason="再说一次。") == appeal
    for _ in range(2):
        appeals.decide_appeal(by=editor, appeal=appeal.pk, is_accepted=True, words="是的。")
    with pytest.raises(AppealDecided):
        appeals.decide_appeal(by=editor, appeal=appeal.pk, is_accepted=False)
    marks = {paper.staff: paper.percent for paper in Paper.objects.select_related("staff")}
    assert marks == {cast.mei: 100, cast.hao: 100, cast.yun: 90}
    assert verbs().count("paper.remarked") == 2
    assert Question.objects.get(stem__contains="第1种").state == State.PROPOSED


def test_an_appeal_accepted_for_all_remarks_marked_and_open_papers(cast: Cast, editor: Staff) -> None:
    questions_about_cards(cast, editor, 10)
    exam = open_exam(editor, cast.cards)
    writing = exams.begin_paper(by=cast.hao, exam=exam.pk)
    mei = sit(cast.mei, exam, right=9)
    appeal = appeals.make_appeal(by=cast.mei, paper=mei.pk, place=10, reason="题目有误。")
    appeals.decide_appeal(by=cast.yun, appeal=appeal.pk, is_accepted=True, remedy=Appeal.Remedy.ALL)
    assert exams.hand_in(by=cast.hao, paper=writing.pk, answers={}).percent == 10


def test_an_appeal_needs_a_reason_a_miss_and_a_timely_request_and_another_judge(
    cast: Cast, editor: Staff
) -> None:
    _mei, _hao, yun = sat_alike(cast, editor)
    place = missed(yun).place
    other = place % 10 + 1
    with pytest.raises(EmptyText):
        appeals.make_appeal(by=cast.yun, paper=yun.pk, place=place, reason=" ")
    with pytest.raises(TextTooLong):
        appeals.make_appeal(by=cast.yun, paper=yun.pk, place=place, reason="长" * 1001)
    with pytest.raises(ExamNotFound):
        appeals.make_appeal(by=cast.yun, paper=yun.pk, place=other, reason="对的")
    with pytest.raises(ExamNotFound):
        appeals.make_appeal(by=cast.mei, paper=yun.pk, place=place, reason="别人的")
    late = timezone.now() + timedelta(days=15)
    with pytest.raises(AppealTooLate):
        appeals.make_appeal(by=cast.yun, paper=yun.pk, place=place, reason="晚了", now=late)
    lines = "长" * 998 + "\r\n" + "长"
    appeal = appeals.make_appeal(by=cast.yun, paper=yun.pk, place=place, reason=lines)
    assert len(appeal.reason) == 1000, "a line break is one character, as the browser counts"
    with pytest.raises(TextTooLong):
        appeals.decide_appeal(by=cast.ning, appeal=appeal.pk, is_accepted=False, words="长" * 1001)
    with pytest.raises(OwnAppeal):
        appeals.decide_appeal(by=cast.yun, appeal=appeal.pk, is_accepted=True)
    with pytest.raises(PermissionDenied):
        appeals.decide_appeal(by=cast.mei, appeal=appeal.pk, is_accepted=True)
    rejected = appeals.decide_appeal(by=editor, appeal=appeal.pk, is_accepted=False, words="见要点。")
    assert (rejected.state, Paper.objects.get(pk=yun.pk).percent) == (Appeal.State.REJECTED, 90)


def test_staff_who_sat_the_exam_or_had_the_question_may_not_decide_its_appeals(
    cast: Cast, editor: Staff
) -> None:
    mei, _hao, yun = sat_alike(cast, editor)
    appeal = appeals.make_appeal(by=cast.mei, paper=mei.pk, place=missed(mei).place, reason="两个都对。")
    for accepted in (True, False):
        with pytest.raises(JudgeSatExam):
            appeals.decide_appeal(
                by=cast.yun, appeal=appeal.pk, is_accepted=accepted, remedy=Appeal.Remedy.ALL
            )
    assert Paper.objects.get(pk=yun.pk).percent == 90
    # Yun had the question in the first exam. Deciding this appeal would not change Yun's own mark, but would support a
    # later appeal by Yun.
    other = open_exam(editor, cast.cards, name="另一个", question_count=10)
    again = sit(cast.hao, other, right=0)
    about = again.items.get(question=missed(mei).question)
    second = appeals.make_appeal(by=cast.hao, paper=again.pk, place=about.place, reason="我也是。")
    with pytest.raises(JudgeSatExam):
        appeals.decide_appeal(by=cast.yun, appeal=second.pk, is_accepted=True)
    appeals.decide_appeal(by=editor, appeal=appeal.pk, is_accepted=True)


# -- Access to exams ---------------------------------------------------------------------------------------------


def test_staff_who_may_set_exams_may_not_sit_them(cast: Cast, editor: Staff) -> None:
    questions_about_cards(cast, editor)
    exam = open_exam(editor, cast.cards)
    for setter in (cast.yun, cast.an, editor):
        setter.departments.add(cast.cards)
        with pytest.raises(SetterMayNotSit):
            exams.begin_paper(by=setter, exam=exam.pk)
    assert not Paper.objects.exists()


def test_staff_who_prepared_an_exam_in_a_former_role_may_not_sit_it(cast: Cast, editor: Staff) -> None:
    asked = questions_about_cards(cast, editor, 12)
    exam = open_exam(editor, cast.cards)
    for changed_by in (cast.yun, cast.ning):
        plan = exams.ExamPlan(
            name="改名", departments=[cast.cards], opens_at=exam.opens_at, closes_at=exam.closes_at, minutes=20,
            question_count=10, pass_percent=80, resits=3,
        )  # fmt: skip
        exams.save_exam(by=changed_by, plan=plan, exam=exam.pk)
    for setter in (editor, cast.yun, cast.ning):
        setter.departments.add(cast.cards)
        with before_promotion(setter), pytest.raises(SetterMayNotSit):
            exams.begin_paper(by=setter, exam=exam.pk)
    # In another exam, An gets no question that An has ever written, accepted or declined, even if somebody else has
    # changed it since then.
    questions.return_to_proposed(by=cast.an, question=asked[0].pk)
    questions.accept_question(by=cast.an, question=asked[0].pk)
    cast.an.departments.add(cast.cards)
    with before_promotion(cast.an):
        paper = exams.begin_paper(by=cast.an, exam=exam.pk)
    assert asked[0].pk not in paper.items.values_list("question", flat=True)
    assert paper.items.count() == 10


def test_the_judge_of_an_appeal_may_not_sit_the_exam_afterwards(cast: Cast, editor: Staff) -> None:
    mei, _hao, _yun = sat_alike(cast, editor)
    appeal = appeals.make_appeal(by=cast.mei, paper=mei.pk, place=missed(mei).place, reason="两个都对。")
    appeals.decide_appeal(by=cast.an, appeal=appeal.pk, is_accepted=True)
    cast.an.departments.add(cast.cards)
    with before_promotion(cast.an), pytest.raises(SetterMayNotSit):
        exams.begin_paper(by=cast.an, exam=mei.exam_id)


# -- Two tabs, delayed answers, wrong clocks ---------------------------------------------------------------------


def test_the_tab_that_has_seen_the_newest_answer_wins_whatever_the_clocks(cast: Cast, editor: Staff) -> None:
    questions_about_cards(cast, editor)
    paper = exams.begin_paper(by=cast.mei, exam=open_exam(editor, cast.cards).pk)

    def save(given: Any, page: str, step: int, seen: int) -> tuple[Any, int, bool]:
        writing = exams.AnswerOrigin(page, step, seen)
        kept = exams.save_answer(by=cast.mei, paper=paper.pk, place=1, given=given, origin=writing)
        return kept.given, kept.revision, kept.is_newer

    assert save([0], "first", 1, 0) == ([0], 1, False)
    # Send a repeated request, then the next answer of a page that has not received the response to its first answer.
    assert save([0], "first", 1, 0) == ([0], 1, False)
    assert save([1], "first", 2, 0) == ([1], 2, False)
    # Send a delayed request: it carries an answer from before the page's latest one.
    assert save([0], "first", 1, 0) == ([1], 2, True)
    # Send two answers from another tab. The first was given without seeing the stored answer, so it is refused,
    # although its huge step, like a timestamp of a fast clock, looks newer. The second has seen it and is stored.
    assert save([3], "second", 9_999_999_999_999, 0) == ([1], 2, True)
    assert save([3], "second", 1, 2) == ([3], 3, False)
    # The same answer from another tab is no conflict.
    assert save([3], "third", 1, 0) == ([3], 3, False)
    writings = {1: exams.AnswerOrigin("third", 2, 0)}
    exams.hand_in(by=cast.mei, paper=paper.pk, answers={1: [2]}, origins=writings)
    assert paper.items.get(place=1).given == [3]


def test_a_page_with_a_wrong_clock_cannot_hand_in_early(cast: Cast, editor: Staff) -> None:
    questions_about_cards(cast, editor)
    paper = exams.begin_paper(by=cast.mei, exam=open_exam(editor, cast.cards).pk)
    sooner = paper.due_at - timedelta(minutes=1)
    with pytest.raises(TimeLeft):
        exams.hand_in(by=cast.mei, paper=paper.pk, answers={}, is_by_clock=True, now=sooner)
    assert Paper.objects.get().submitted_at is None
    exams.hand_in(by=cast.mei, paper=paper.pk, answers={}, is_by_clock=True, now=paper.due_at)
    assert Paper.objects.get().submitted_at is not None


# -- Required exams ------------------------------------------------------------------------------------------------


def restriction_starts() -> dict[str, object]:
    return {
        restriction.staff.username: restriction.since
        for restriction in QueueRestriction.objects.select_related("staff")
    }


@pytest.mark.usefixtures("one_day")
def test_a_required_exam_adds_restrictions_with_a_warning_and_a_pass_removes_them(
    cast: Cast, editor: Staff
) -> None:
    questions_about_cards(cast, editor)
    today = timezone.localdate()
    far = today + timedelta(days=20)
    exam = open_exam(editor, cast.cards, required_from=far)
    assert restriction_starts() == {"mei": far, "hao": far}
    sit(cast.mei, exam)
    assert restriction_starts() == {"hao": far}
    assert pass_requirements.update_all_restrictions() == 0
    sit(cast.hao, exam, right=3)
    assert restriction_starts() == {"hao": far}


@pytest.mark.usefixtures("one_day")
def test_no_restriction_starts_without_two_weeks_notice(cast: Cast, editor: Staff) -> None:
    today = timezone.localdate()
    exam = open_exam(editor, cast.cards, required_from=today)
    assert restriction_starts() == {"mei": today + timedelta(days=14), "hao": today + timedelta(days=14)}
    cast.jun.departments.add(cast.cards)
    assert pass_requirements.update_all_restrictions(today + timedelta(days=3)) == 1
    assert restriction_starts()["jun"] == today + timedelta(days=17)
    cast.jun.departments.remove(cast.cards)
    assert pass_requirements.update_all_restrictions() == 1
    Exam.objects.filter(pk=exam.pk).update(closes_at=timezone.now() - timedelta(minutes=1))
    cast.jun.departments.add(cast.cards)
    assert pass_requirements.update_all_restrictions() == 0
    assert set(restriction_starts()) == {"mei", "hao"}


def test_a_lifted_restriction_stays_lifted_and_a_later_pass_meets_earlier_requirements(
    cast: Cast, editor: Staff
) -> None:
    questions_about_cards(cast, editor)
    old = open_exam(
        editor, cast.cards, required_from=timezone.localdate(), opens_at=timezone.now() - timedelta(days=40)
    )
    restriction = QueueRestriction.objects.get(staff=cast.hao)
    for _ in range(2):
        pass_requirements.lift_restriction(by=cast.yun, restriction=restriction.pk)
    with pytest.raises(PermissionDenied):
        pass_requirements.lift_restriction(by=cast.mei, restriction=restriction.pk)
    assert pass_requirements.update_all_restrictions() == 0
    assert QueueRestriction.objects.get(staff=cast.hao).is_lifted
    assert verbs().count("bar.lifted") == 1
    new = open_exam(editor, cast.cards, name="十二月", required_from=timezone.localdate())
    sit(cast.mei, new)
    assert not QueueRestriction.objects.filter(staff=cast.mei).exists()
    assert pass_requirements.update_all_restrictions() == 0
    assert QueueRestriction.objects.filter(key=pass_requirements.key_of(old)).count() == 1


def test_an_accepted_appeal_that_leads_to_a_pass_removes_the_restriction(cast: Cast, editor: Staff) -> None:
    mei, _hao, _yun = sat_alike(cast, editor, required_from=timezone.localdate())
    assert set(restriction_starts()) == {"mei", "hao"}
    appeal = appeals.make_appeal(by=cast.mei, paper=mei.pk, place=missed(mei).place, reason="都对。")
    appeals.decide_appeal(by=editor, appeal=appeal.pk, is_accepted=True)
    assert restriction_starts() == {}
