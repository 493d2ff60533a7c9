"""Tests of exam pages: content, secret right answers, numbers of queries, and refused forms that keep their text."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, QueueRestriction, Staff
from exams import selectors
from exams.actions import appeals, exams, questions
from exams.models import Appeal, Exam, Paper, Question
from exams.rules.question_parsing import ParsedQuestion
from tests.harness.exams import (
    ask_about,
    before_promotion,
    create_editor,
    open_exam,
    publish_points,
    questions_about_cards,
    sit,
)
from tests.people import Cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor(cast: Cast) -> Staff:
    return create_editor()


def client_of(staff: Staff) -> Client:
    client = Client(headers={"accept": "text/html", "accept-language": "en"})
    client.force_login(staff, settings.AUTHENTICATION_BACKENDS[0])
    return client


def page_of(staff: Staff, path: str) -> str:
    answer = client_of(staff).get(f"/console/exams/{path}")
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.content.decode()


def queries_of(staff: Staff, path: str) -> int:
    client = client_of(staff)
    client.get(f"/console/exams/{path}")
    with CaptureQueriesContext(connection) as captured:
        assert client.get(f"/console/exams/{path}").status_code == 200
    return len(captured)


def secret_exam(cast: Cast, editor: Staff) -> Paper:
    """Return Mei's paper with a question of every kind.

    Right answers and explanations contain texts that occur nowhere else, so that tests can search pages for them.
    """
    points = publish_points(5, department=cast.cards)
    kinds: list[tuple[str, str, list[str], list[Any]]] = [
        ("single", "甲题", ["项一", "项二", "项三"], [1]),
        ("multiple", "乙题", ["项四", "项五", "项六"], [0, 2]),
        ("true_false", "丙题", [], [0]),
        ("fill_in", "丁题 ____ 天", [], ["秘密填法"]),
        ("order", "戊题", ["步一", "步二", "步三"], [0, 1, 2]),
    ]
    for point, (kind, stem, options, answer) in zip(points, kinds, strict=True):
        questions.save_question(
            by=editor, point=point.pk, parsed=ParsedQuestion(kind, stem, options, answer, f"秘密解释{kind}")
        )
    return exams.begin_paper(by=cast.mei, exam=open_exam(editor, cast.cards, question_count=5).pk)


# -- The paper --------------------------------------------------------------------------------------------------


def test_right_answers_never_leave_the_server_before_the_paper_is_marked(cast: Cast, editor: Staff) -> None:
    paper = secret_exam(cast, editor)
    client = client_of(cast.mei)
    answers = [
        client.get(f"/console/exams/papers/{paper.pk}/"),
        client.get("/console/exams/"),
        client.post(
            f"/console/exams/papers/{paper.pk}/answers",
            {"place": 1, "given": None, "step": 1},
            content_type="application/json",
        ),
    ]
    page = answers[0].content.decode()
    assert all(stem in page for stem in ("甲题", "乙题", "丙题", "丁题", "戊题"))
    for response in answers:
        assert response.status_code == 200
        text = response.content.decode()
        assert "秘密" not in text
        assert "天内挂失。" not in text
    # The page must be identical when a different option is the right one.
    before = _without_secrets(page_of(cast.mei, f"papers/{paper.pk}/"))
    for item in paper.items.all():
        item.right, item.explanation = [0], "另一个"
        item.save(update_fields=["right", "explanation"])
    assert _without_secrets(client.get(f"/console/exams/papers/{paper.pk}/").content.decode()) == before


def _without_secrets(page: str) -> str:
    """Return the page without the lines that differ each time: the CSRF token and the clock."""
    lines = page.splitlines()
    return "\n".join(line for line in lines if not re.search("csrf|data-token|data-left", line, re.I))


@pytest.mark.both_databases
def test_a_reload_shows_the_same_paper_with_the_saved_answers(cast: Cast, editor: Staff) -> None:
    paper = secret_exam(cast, editor)
    filling = paper.items.get(kind="fill_in")
    choice = paper.items.get(kind="single")
    exams.save_answer(
        by=cast.mei,
        paper=paper.pk,
        place=filling.place,
        given=["我填的"],
        origin=exams.AnswerOrigin(step=1),
    )
    exams.save_answer(
        by=cast.mei, paper=paper.pk, place=choice.place, given=[2], origin=exams.AnswerOrigin(step=1)
    )
    first, second = page_of(cast.mei, f"papers/{paper.pk}/"), page_of(cast.mei, f"papers/{paper.pk}/")
    assert _without_secrets(first) == _without_secrets(second)
    assert 'value="我填的"' in first
    assert f'name="question-{choice.place}" value="2" checked' in first
    assert first.count(" checked") == 1


@pytest.mark.both_databases
def test_starting_an_exam_twice_creates_one_paper(cast: Cast, editor: Staff) -> None:
    questions_about_cards(cast, editor)
    exam = open_exam(editor, cast.cards)
    client = client_of(cast.mei)
    ways = {client.post(f"/console/exams/{exam.pk}/begin")["Location"] for _ in range(2)}
    assert ways == {f"/console/exams/papers/{Paper.objects.get().pk}/"}
    assert ways.pop() in page_of(cast.mei, "")


def test_the_result_shows_right_answers_explanations_and_the_point(cast: Cast, editor: Staff) -> None:
    paper = secret_exam(cast, editor)
    client = client_of(cast.mei)
    given = ((1, [0]), (9, [1]), (2, "x"))
    answers = [{"place": place, "given": answer, "step": 9} for place, answer in given]
    handed_in = client.post(
        f"/console/exams/papers/{paper.pk}/hand-in",
        json.dumps({"answers": answers}),
        content_type="application/json",
    )
    assert handed_in.json() == {"result": f"/console/exams/papers/{paper.pk}/"}
    page = page_of(cast.mei, f"papers/{paper.pk}/")
    assert "Not passed" in page
    assert "秘密填法" in page
    assert "秘密解释fill_in" in page
    assert "天内挂失。" in page
    assert page.count('action="/console/exams/papers/') >= 4
    late = client.post(
        f"/console/exams/papers/{paper.pk}/answers",
        {"place": 1, "given": [1], "step": 10},
        content_type="application/json",
    )
    assert (late.status_code, late.json()["refused"]["code"]) == (409, "paper_over")


def test_the_clock_endpoint_uses_the_time_of_the_server(cast: Cast, editor: Staff) -> None:
    paper = secret_exam(cast, editor)
    client = client_of(cast.mei)
    said = client.get(f"/console/exams/papers/{paper.pk}/clock").json()
    assert said["is_over"] is False
    assert 0 < said["left_ms"] <= 30 * 60_000
    early = client.post(
        f"/console/exams/papers/{paper.pk}/hand-in",
        json.dumps({"answers": [], "is_by_clock": True}),
        content_type="application/json",
    )
    assert (early.status_code, early.json()["refused"]["code"]) == (409, "time_left")
    Paper.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert client.get(f"/console/exams/papers/{paper.pk}/clock").json() == {"left_ms": 0, "is_over": True}


def test_the_result_hides_right_answers_that_are_on_an_open_paper_of_a_colleague(
    cast: Cast, editor: Staff
) -> None:
    asked = questions_about_cards(cast, editor, 10)
    exam = open_exam(editor, cast.cards)
    paper = sit(cast.mei, exam, right=0)
    writing = exams.begin_paper(by=cast.hao, exam=exam.pk)
    while_writing = page_of(cast.mei, f"papers/{paper.pk}/")
    assert "对的那个" not in while_writing
    assert "见要点。" not in while_writing
    assert asked[0].point.published.answer[:12] not in while_writing  # type: ignore[union-attr]
    # Staff who may read results take no exams themselves, so they may see the right answers.
    assert "对的那个" in page_of(cast.yun, f"papers/{paper.pk}/")
    exams.hand_in(by=cast.hao, paper=writing.pk, answers={})
    assert "对的那个" in page_of(cast.mei, f"papers/{paper.pk}/")


def test_an_overdue_paper_is_marked_when_results_are_next_opened(cast: Cast, editor: Staff) -> None:
    paper = secret_exam(cast, editor)
    Paper.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    assert "Not passed" in page_of(cast.mei, f"papers/{paper.pk}/")
    assert Paper.objects.get().submitted_at == Paper.objects.get().due_at


@pytest.mark.both_databases
def test_an_appeal_made_on_the_result_page_is_decided_and_shown_there(cast: Cast, editor: Staff) -> None:
    paper = sit(cast.mei, _exam_of_cards(cast, editor), right=9)
    place = paper.items.get(credit=0).place
    client = client_of(cast.mei)
    client.post(f"/console/exams/papers/{paper.pk}/appeals", {"place": place, "reason": "两个<都>对"})
    page = page_of(editor, "appeals/")
    assert "两个&lt;都&gt;对" in page
    appeal = Appeal.objects.get()
    client_of(editor).post(
        f"/console/exams/appeals/{appeal.pk}/decide", {"verdict": "all", "words": "说得对"}
    )
    result = page_of(cast.mei, f"papers/{paper.pk}/")
    assert "说得对" in result
    assert "100<span> %</span>" in result
    assert client_of(editor).post(f"/console/exams/appeals/{appeal.pk}/decide", {}).status_code == 400


def test_ones_own_appeal_is_shown_without_decision_buttons(cast: Cast, editor: Staff) -> None:
    exam = _exam_of_cards(cast, editor)
    with before_promotion(cast.yun):
        paper = sit(cast.yun, exam, right=9)
    place = paper.items.get(credit=0).place
    appeals.make_appeal(by=cast.yun, paper=paper.pk, place=place, reason="对")
    assert "Someone else has to decide" in page_of(cast.yun, "appeals/")
    assert 'name="verdict"' not in page_of(cast.yun, "appeals/")


def _exam_of_cards(cast: Cast, editor: Staff, **changes: Any) -> Exam:
    questions_about_cards(cast, editor)
    return open_exam(editor, cast.cards, **changes)


# -- Setting ----------------------------------------------------------------------------------------------------


PLAN = {
    "name": "十二月月考", "opens_at": "2030-01-01T09:00", "closes_at": "2030-01-02T09:00", "minutes": "30",
    "question_count": "20", "pass_percent": "80", "resits": "1",
}  # fmt: skip


def test_an_exam_is_created_and_changed_on_its_page(cast: Cast, editor: Staff) -> None:
    publish_points(2, category="银行卡/挂失")
    client = client_of(editor)
    exam_plan = PLAN | {"departments": [cast.cards.pk], f"share_department_{cast.loans.pk}": "3"}
    made = client.post("/console/exams/set/create", exam_plan)
    exam = Exam.objects.get()
    assert made["Location"] == f"/console/exams/set/{exam.pk}/"
    assert [(share.department, share.weight) for share in exam.shares.all()] == [(cast.loans, 3)]
    page = page_of(editor, f"set/{exam.pk}/")
    assert 'value="2030-01-01T09:00"' in page
    assert "0 knowledge points have accepted questions" in page
    client.post(f"/console/exams/set/{exam.pk}/change", exam_plan | {"minutes": "45"})
    exam.refresh_from_db()
    assert exam.minutes == 45


def test_an_invalid_exam_form_keeps_the_typed_values(cast: Cast, editor: Staff) -> None:
    answer = client_of(editor).post(
        "/console/exams/set/create",
        PLAN | {"departments": [cast.cards.pk], "closes_at": "2029-01-01T09:00", "minutes": "0"},
    )
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "The exam must close after it opens." in text
    assert "十二月月考" in text
    assert not Exam.objects.exists()


def test_proposed_questions_are_reviewed_one_after_the_other(cast: Cast, editor: Staff) -> None:
    publish_points(6)
    client = client_of(editor)
    client.post("/console/exams/questions/propose")
    waiting = list(selectors.proposed_questions())
    first, second = waiting[0], waiting[1]
    assert first.stem in page_of(editor, "questions/judging").replace("&quot;", '"')
    way = client.post(f"/console/exams/questions/{first.pk}/judge", {"verdict": "accept"})["Location"]
    page = client.get(way).content.decode()
    assert f"/console/exams/questions/{second.pk}/judge" in page
    way = client.post(f"/console/exams/questions/{first.pk}/judge", {"verdict": "back"})["Location"]
    assert f"/console/exams/questions/{first.pk}/judge" in client.get(way).content.decode()
    assert Question.objects.get(pk=first.pk).state == Question.State.PROPOSED


def test_a_question_is_written_about_a_point_found_by_search(cast: Cast, editor: Staff) -> None:
    publish_points(3)
    assert "point=card-2" in page_of(editor, "questions/new?words=第2种")
    client = client_of(editor)
    form = {"point": "card-2", "kind": "single", "stem": "几天？", "lines": "* 5天\n6天"}
    assert client.post("/console/exams/questions/create", form | {"lines": "5天\n6天"}).status_code == 422
    assert client.post("/console/exams/questions/create", form).status_code == 302
    question = Question.objects.get()
    assert (question.options, question.answer, question.author) == (["5天", "6天"], [0], editor)
    again = client.post("/console/exams/questions/create", form)
    assert again.status_code == 422
    page = page_of(editor, f"questions/{question.pk}/")
    assert "* 5天\n6天" in page
    assert "几天？" in page_of(editor, "questions/?words=几天&state=accepted")
    assert "几天？" not in page_of(editor, "questions/?words=几天&state=declined")


# -- Results ----------------------------------------------------------------------------------------------------


@pytest.mark.both_databases
@pytest.mark.usefixtures("one_day")
def test_results_are_charted_by_examinee_category_and_month_with_tables(cast: Cast, editor: Staff) -> None:
    exam = _exam_of_cards(cast, editor, resits=0)
    sit(cast.mei, exam, right=9)
    sit(cast.hao, exam, right=4)
    page = page_of(cast.yun, "results/")
    assert page.index("陈浩 1002") < page.index("林梅 1001")
    assert 'width="40%"' in page
    assert 'width="90%"' in page
    assert "银行卡/挂失" in page
    assert f"{timezone.localdate():%Y-%m}" in page
    assert "陈浩" not in page_of(cast.yun, f"results/?department={cast.loans.pk}")
    assert "陈浩" not in page_of(cast.yun, "results/?until=2020-01-01")
    assert "陈浩" not in page_of(cast.yun, "results/?until=0001-01-01")
    assert page_of(cast.yun, "results/?since=nonsense")


def test_the_csv_of_results_quotes_formulas_and_is_audited(cast: Cast, editor: Staff) -> None:
    sit(cast.mei, _exam_of_cards(cast, editor, name="=1+1"), right=9)
    answer = client_of(cast.yun).get("/console/exams/results.csv")
    rows = list(csv.reader(StringIO(answer.content.decode("utf-8-sig"))))
    assert rows[1][1:] == ["'=1+1", "1001", "林梅", "1", "90", "1"]
    assert AuditEntry.objects.get(verb="exam.results_exported").actor == cast.yun


@pytest.mark.usefixtures("one_day")
def test_the_console_warns_of_a_missing_pass_two_weeks_before_the_restriction(
    cast: Cast, editor: Staff
) -> None:
    _exam_of_cards(cast, editor, required_from=timezone.localdate() + timedelta(days=30))
    client = client_of(cast.mei)
    assert "bar-warning" not in client.get("/console/").content.decode()
    QueueRestriction.objects.update(since=timezone.localdate() + timedelta(days=14))
    page = client.get("/console/").content.decode()
    assert f"From {timezone.localdate() + timedelta(days=14)}, you can take Cards conversations only" in page
    restriction = QueueRestriction.objects.get(staff=cast.mei)
    assert "from " in page_of(cast.yun, "results/")
    client_of(cast.yun).post(f"/console/exams/bars/{restriction.pk}/lift")
    assert "bar-warning" not in client.get("/console/").content.decode()


# -- Query counts -----------------------------------------------------------------------------------------------


def many(cast: Cast, editor: Staff) -> Callable[[], None]:
    exam = _exam_of_cards(cast, editor, resits=9)
    cast.jun.departments.add(cast.cards)

    def more() -> None:
        for staff in (cast.mei, cast.hao, cast.jun):
            paper = sit(staff, exam, right=3)
            for item in paper.items.filter(credit=0)[:4]:
                appeals.make_appeal(by=staff, paper=paper.pk, place=item.place, reason="对")
        open_exam(editor, cast.cards, cast.loans, name="又一个")

    return more


@pytest.mark.parametrize(
    ("who", "path", "most"),
    [
        ("mei", "", 8),
        ("yun", "set/", 8),
        ("yun", "questions/", 9),
        ("yun", "questions/judging", 8),
        ("yun", "appeals/", 6),
        ("yun", "results/", 14),
    ],
)
def test_exam_pages_make_as_many_queries_for_many_rows_as_for_few(
    cast: Cast, editor: Staff, who: str, path: str, most: int
) -> None:
    more = many(cast, editor)
    more()
    questions.propose_questions(by=editor, category=None)
    few = queries_of(getattr(cast, who), path)
    more()
    ask_about(publish_points(40)[30:], editor)
    assert queries_of(getattr(cast, who), path) <= few <= most


def test_a_paper_and_its_result_make_the_same_queries_at_any_length(cast: Cast, editor: Staff) -> None:
    exam = _exam_of_cards(cast, editor, question_count=30)
    paper = exams.begin_paper(by=cast.mei, exam=exam.pk)
    assert queries_of(cast.mei, f"papers/{paper.pk}/") <= 6
    exams.hand_in(by=cast.mei, paper=paper.pk, answers={})
    assert queries_of(cast.mei, f"papers/{paper.pk}/") <= 7


def test_admin_shows_exams_papers_and_restrictions_read_only(cast: Cast, editor: Staff) -> None:
    exam = _exam_of_cards(cast, editor, required_from=timezone.localdate())
    marked = sit(cast.mei, exam, right=3)
    with before_promotion(cast.yun):
        own = exams.begin_paper(by=cast.yun, exam=exam.pk)
    question = Question.objects.first()
    assert question is not None
    paths = {
        "exams/exam/": 200, f"exams/exam/{exam.pk}/change/": 200, "exams/exam/add/": 403,
        "exams/question/": 200, f"exams/question/{question.pk}/change/": 200,
        "exams/paper/": 200, f"exams/paper/{marked.pk}/change/": 200, f"exams/paper/{own.pk}/change/": 403,
        "accounts/queuerestriction/": 200,
    }  # fmt: skip
    client = client_of(cast.yun)
    assert {path: client.get(f"/admin/{path}").status_code for path in paths} == paths
    changed = client.post(f"/admin/exams/exam/{exam.pk}/change/", {"name": "anders"})
    assert (changed.status_code, Exam.objects.get().name) == (403, "十一月月考")
    assert client_of(cast.wen).get("/admin/exams/paper/").status_code == 403
    assert client_of(editor).get("/admin/exams/paper/").status_code == 403
    assert client_of(editor).get("/admin/exams/exam/").status_code == 200
