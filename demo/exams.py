"""Stores the demo's exam questions, two past exams, one open exam, and drill answers.

All of it runs through the real actions with a simulated clock. The random seeds of papers and the numbers of right
answers are fixed here, so every demo is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from zlib import crc32

from django.utils import timezone

from accounts.models import Department, Staff
from demo.clock import Clock
from exams.actions import appeals, drill, exams, questions
from exams.models import Exam, Paper, Question, QuestionKind
from exams.rules.question_parsing import ParsedQuestion
from knowledge.actions.branches import category_at
from knowledge.models import Point

# Questions are generated from points of these categories, at most PROPOSALS_PER_CATEGORY from each.
CATEGORIES = (
    "银行卡",
    "信用卡",
    "取款机",
    "贷款",
    "手机银行",
    "转账",
    "账户",
    "存款",
    "安全与防骗",
    "Cards",
    "Accounts",
)
PROPOSALS_PER_CATEGORY = 30
# At most MAX_WAITING proposals wait for a decision. Every DECLINE_EVERY-th of the earlier proposals is declined,
# and the rest are accepted.
MAX_WAITING, DECLINE_EVERY = 12, 9

QUESTION_COUNT = 20
OPEN_FOR = timedelta(days=21)
OPENED_AGO = timedelta(days=2)


@dataclass(frozen=True)
class Sitting:
    """One attempt at an exam: the person, the time, and the number of right answers.

    `day` counts the days after the exam opened.
    """

    username: str
    day: int
    hour: int
    right_answers: int
    appeals: bool = False


TWO_MONTHS_AGO = [
    Sitting("qian", 2, 10, 19),
    Sitting("tang", 3, 15, 16),
    Sitting("lin", 4, 14, 17),
    Sitting("zhao", 5, 9, 16),
    Sitting("he", 6, 16, 14),
    Sitting("sun", 8, 11, 13),
    Sitting("he", 12, 10, 17),
    Sitting("sun", 15, 15, 16),
]
LAST_MONTH = [
    Sitting("lin", 2, 9, 19),
    Sitting("zhao", 3, 10, 18),
    Sitting("tang", 5, 14, 17),
    Sitting("he", 6, 11, 15),
    Sitting("sun", 9, 16, 12),
    Sitting("he", 13, 15, 18),
    Sitting("sun", 18, 10, 15),
    Sitting("qian", 20, 14, 18, appeals=True),
]
THIS_MONTH = [Sitting("tang", 0, 15, 18), Sitting("qian", 1, 10, 19)]

# Exam questions that an editor wrote by hand, by the key of the knowledge point.
WRITTEN_QUESTIONS = {
    "mb-phone-lost": ParsedQuestion(
        QuestionKind.ORDER,
        "客户说手机刚被偷，手机银行和银行卡都在里面。请把要做的事排成正确的顺序。",
        ["借电话拨 400-000-1024 按 0 停手机银行和卡", "请运营商停号", "改微信、支付宝密码", "报警 110"],
        [0, 1, 2, 3],
    ),
    "card-pin-locked": ParsedQuestion(
        QuestionKind.MULTIPLE,
        "客户取款密码输错三次被锁，今晚急用现金。可以告诉客户哪些办法？",
        [
            "手机银行扫码取款，每天 3000 元",
            "等零点自动解开再试",
            "本人到网点当场重设",
            "把密码发来，由我们解锁",
        ],
        [0, 1, 2],
    ),
    "fraud-police": ParsedQuestion(
        QuestionKind.TRUE_FALSE, "客户说“公安”要他把钱转到安全账户。我们可以先帮他转，再请他报警。", [], [0]
    ),
    "atm-swallowed-own": ParsedQuestion(
        QuestionKind.FILL_IN, "我行取款机吞的卡，我们保管 ____ 个工作日。", [], ["15", "十五"]
    ),
}


def hold_exams(staff: dict[str, Staff], clock: Clock, now: datetime) -> int:
    """Let staff sit three exams, from two months ago until shortly before `now`. Return the number of papers."""
    editor, supervisor = staff["bian"], staff["zhou"]
    opening_times = openings(now)
    clock.at = opening_times[0] - timedelta(days=4)
    _create_questions(editor)
    for number, (opens_at, sittings) in enumerate(
        zip(opening_times, (TWO_MONTHS_AGO, LAST_MONTH, THIS_MONTH), strict=True)
    ):
        clock.at = opens_at - timedelta(days=1)
        is_last, is_open = sittings is LAST_MONTH, sittings is THIS_MONTH
        if is_open:
            _drill(staff["lin"], clock, opens_at)
            _drill(staff["zhao"], clock, opens_at)
        required_from = timezone.localdate(now) + timedelta(days=6) if is_last else None
        exam = exams.save_exam(
            by=supervisor, plan=_plan(opens_at, is_open=is_open, required_from=required_from)
        )
        for sitting in sittings:
            clock.at = sat_at(opens_at, sitting)
            paper = _sit(staff[sitting.username], exam, sitting, clock, seed=number)
            if sitting.appeals:
                clock.at += timedelta(minutes=20)
                _appeal(paper)
    clock.at = now - timedelta(hours=30)
    questions.propose_questions(by=editor, category=category_at("支付").pk, max_new=MAX_WAITING)
    return sum(map(len, (TWO_MONTHS_AGO, LAST_MONTH, THIS_MONTH)))


def openings(now: datetime) -> list[datetime]:
    """Return the times at which the three exams opened, oldest first.

    The last exam opened at 8:00 on the day before yesterday.
    """
    opened = timezone.localtime(now - OPENED_AGO).replace(hour=8, minute=0, second=0, microsecond=0)
    return [_months_before(opened, 2), _months_before(opened, 1), opened]


def sat_at(opens_at: datetime, sitting: Sitting) -> datetime:
    """Return the time at which an attempt began, in an exam that opened at `opens_at`."""
    return (timezone.localtime(opens_at) + timedelta(days=sitting.day)).replace(hour=sitting.hour, minute=5)


def _months_before(day: datetime, months: int) -> datetime:
    """Return the same day of an earlier month, but at most the 25th, so that the first paper falls into that month."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return day.replace(year=year, month=month + 1, day=min(day.day, 25))


def _plan(opens_at: datetime, *, is_open: bool, required_from: date | None) -> exams.ExamPlan:
    # The open exam covers only some categories, so that questions of other categories remain for the drill.
    subjects = [("手机银行", 2), ("转账", 2), ("安全与防骗", 1)] if is_open else []
    return exams.ExamPlan(
        name=f"{timezone.localtime(opens_at).month}月月考",
        departments=list(Department.objects.all()),
        opens_at=opens_at,
        closes_at=opens_at + OPEN_FOR,
        minutes=30,
        question_count=QUESTION_COUNT,
        pass_percent=80,
        resits=1,
        required_from=required_from,
        shares=[(category_at(name), weight) for name, weight in subjects],
    )


def _create_questions(editor: Staff) -> None:
    for name in CATEGORIES:
        questions.propose_questions(by=editor, category=category_at(name).pk, max_new=PROPOSALS_PER_CATEGORY)
    for number, pk in enumerate(Question.objects.order_by("pk").values_list("pk", flat=True)):
        if number % DECLINE_EVERY == DECLINE_EVERY - 1:
            questions.decline_question(by=editor, question=pk)
        else:
            questions.accept_question(by=editor, question=pk)
    for key, question in WRITTEN_QUESTIONS.items():
        point = Point.objects.get(key=key)
        assert point.published is not None
        with_explanation = replace(question, explanation=point.published.answer)
        questions.save_question(by=editor, point=point.pk, parsed=with_explanation)


def _sit(examinee: Staff, exam: Exam, sitting: Sitting, clock: Clock, *, seed: int) -> Paper:
    seed = crc32(f"{seed} {sitting.username} {sitting.day}".encode())
    paper = exams.begin_paper(by=examinee, exam=exam.pk, seed=seed)
    items = list(paper.items.select_related("question__point"))
    # Everyone misses questions about the same points, so that the results show points that are often missed.
    items.sort(key=lambda item: crc32(item.question.point.key.encode()))
    answers = {
        item.place: (_right if number < sitting.right_answers else _wrong)(item.kind, item.shown, item.right)
        for number, item in enumerate(items)
    }
    clock.at += timedelta(minutes=12 + sitting.right_answers % 9)
    return exams.hand_in(by=examinee, paper=paper.pk, answers=answers)


def _right(kind: str, shown: Sequence[str], right: Sequence[Any]) -> list[Any]:
    return list(right[:1] if kind == QuestionKind.FILL_IN else right)


def _wrong(kind: str, shown: Sequence[str], right: Sequence[Any]) -> list[Any]:
    """Return an answer to this kind of question that gets no marks."""
    if kind == QuestionKind.FILL_IN:
        return [str(int(right[0]) + 5) if str(right[0]).isdecimal() else f"{right[0]}0"]
    if kind == QuestionKind.ORDER:
        return list(reversed(right))
    if kind == QuestionKind.TRUE_FALSE:
        return [1 - right[0]]
    return [next(index for index in range(len(shown)) if index not in right)]


def _appeal(paper: Paper) -> None:
    item = paper.items.filter(credit=0).order_by("kind", "place").first()
    assert item is not None
    appeals.make_appeal(
        by=paper.staff,
        paper=paper.pk,
        place=item.place,
        reason="题目没有说清是哪一种情况。按另一种情况，我填的也对，请再看一下。",
    )


def _drill(agent: Staff, clock: Clock, before: datetime) -> None:
    """Answer four drill questions on each of three days, every second one wrongly.

    A missed question returns on the next day.
    """
    for days in (4, 3, 2):
        clock.at = before - timedelta(days=days, hours=-7)
        for number in range(4):
            offer = drill.next_question(staff=agent)
            if offer is None:
                return
            answer = _right if number % 2 == 0 else _wrong
            given = answer(offer.question.kind, offer.shown, offer.right)
            drill.answer_question(by=agent, question=offer.question.pk, review=offer.review, given=given)
            clock.at += timedelta(minutes=3)
