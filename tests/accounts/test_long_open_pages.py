"""Tests of pages that stay open for a long time: forms sent after another sign-in or after the session has ended,
and forms sent twice."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import Department, Staff, SubmittedForm
from chat.models import CannedReply
from exams.models import Exam, Question
from knowledge.models import Point
from tests.harness.exams import create_editor, open_exam, publish_points, questions_about_cards
from tests.people import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

MIDNIGHT = datetime(2026, 11, 30, 16, 0, 1, tzinfo=UTC)
BACKEND = settings.AUTHENTICATION_BACKENDS[0]
WORDS = "您好，您的卡已经寄出，请留意短信。" * 20
REPLY = {"shortcut": "card", "title": "寄卡", "body": WORDS, "language": "zh", "scope": "personal"}
SAME_PAGE = {"sec-fetch-site": "same-origin"}


def client_of(staff: Staff | None, **options: Any) -> Client:
    client = Client(headers={"accept": "text/html", "accept-language": "en"}, **options)
    if staff is not None:
        client.force_login(staff, BACKEND)
    return client


def token_of(client: Client) -> str:
    return str(client.get("/console/token").json()["token"])


def form_in(page: str, action: str) -> dict[str, str]:
    """Return the hidden fields of the page's form with this action URL."""
    form = page[page.index(f'action="{action}"') :]
    form = form[: form.index("</form>")]
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))


# -- After another sign-in ----------------------------------------------------------------------------------------


def test_token_endpoint_names_the_signed_in_staff_member_and_is_not_cached(cast: Cast) -> None:
    anonymous = client_of(None).get("/console/token")
    assert anonymous.json()["staff"] == 0
    assert "no-store" in anonymous["Cache-Control"]
    assert client_of(cast.mei).get("/console/token").json()["staff"] == cast.mei.pk


def test_clock_returns_the_servers_time_and_the_banks_day_without_a_query(
    cast: Cast, django_assert_num_queries: Any
) -> None:
    client = client_of(cast.mei)
    with django_assert_num_queries(0), patch("django.utils.timezone.now", lambda: MIDNIGHT):
        clock = client.get("/console/clock").json()
    assert clock == {"now": 1_796_054_401_000, "day": "2026-12-01"}


def test_script_with_an_old_token_is_refused_as_stale_and_succeeds_with_the_new_one(cast: Cast) -> None:
    client = client_of(cast.mei, enforce_csrf_checks=True)
    old = token_of(client)
    # A sign-in in another tab replaces the cookie, so the CSRF tokens of all open pages become invalid.
    client.cookies["csrftoken"] = "b" * 32
    new = token_of(client)
    headers = {"accept": "application/json"}
    refused = client.post("/console/presence", {"status": "online"}, headers=headers | {"x-csrftoken": old})
    assert (refused.status_code, refused.json()["refused"]["code"]) == (403, "stale_page")
    done = client.post("/console/presence", {"status": "online"}, headers=headers | {"x-csrftoken": new})
    assert done.status_code == 200


def test_form_with_an_old_token_comes_back_complete_and_can_be_sent_again(cast: Cast) -> None:
    client = client_of(cast.mei, enforce_csrf_checks=True)
    token_of(client)
    answer = client.post(
        "/console/replies/create", REPLY | {"csrfmiddlewaretoken": "x" * 64}, headers=SAME_PAGE
    )
    page = answer.content.decode()
    assert answer.status_code == 403
    assert WORDS in page
    assert not CannedReply.objects.exists()
    again = REPLY | {"csrfmiddlewaretoken": form_in(page, "/console/replies/create")["csrfmiddlewaretoken"]}
    assert client.post("/console/replies/create", again, headers=SAME_PAGE).status_code == 302
    assert CannedReply.objects.get().body == WORDS


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {}]
)
def test_form_of_a_foreign_page_is_not_returned(cast: Cast, headers: dict[str, str]) -> None:
    client = client_of(cast.mei, enforce_csrf_checks=True)
    token_of(client)
    page = client.post("/console/replies/create", REPLY, headers=headers).content.decode()
    assert WORDS not in page
    assert "csrfmiddlewaretoken" not in page


def test_passwords_are_never_returned(cast: Cast) -> None:
    client = client_of(cast.mei, enforce_csrf_checks=True)
    token_of(client)
    typed = {"login": "mei", "password": "lamp-in-the-window"}
    page = client.post("/console/login/", typed, headers=SAME_PAGE).content.decode()
    assert "lamp-in-the-window" not in page
    assert "Send again" not in page


# -- After the session has ended ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        ("/console/replies/create", REPLY),
        ("/console/exams/questions/create", {"stem": WORDS, "kind": "single", "point": "card-1"}),
        ("/console/new-point/create", {"title": "标题", "answer": WORDS}),
        ("/admin/chat/wrapupcode/add/", {"name_zh": WORDS}),
    ],
)
def test_form_sent_after_the_session_ended_is_returned_with_its_text(
    cast: Cast, path: str, typed: dict[str, str]
) -> None:
    answer = client_of(None).post(path, typed)
    page = answer.content.decode()
    assert answer.status_code == 401
    assert answer["Content-Type"].startswith("text/html")
    assert WORDS in page
    assert "Sign in" in page


def test_refused_form_is_answered_with_a_page_and_not_with_json(cast: Cast) -> None:
    exam = open_exam(create_editor(), cast.cards)
    answer = client_of(cast.mei).post(f"/console/exams/{exam.pk}/begin")
    assert answer["Content-Type"].startswith("text/html")
    assert answer.status_code == 409


# -- Sent twice ---------------------------------------------------------------------------------------------------


def exam_form(cast: Cast) -> dict[str, Any]:
    return {
        "name": "十二月月考", "departments": [cast.cards.pk], "opens_at": "2026-12-01T09:00",
        "closes_at": "2026-12-08T18:00", "minutes": 30, "question_count": 20, "pass_percent": 80, "resits": 1,
    }  # fmt: skip


def test_exam_form_sent_twice_creates_one_exam_and_redirects_to_the_same_page(cast: Cast) -> None:
    client = client_of(cast.yun)
    page = client.get("/console/exams/set/new").content.decode()
    typed = exam_form(cast) | {"form_key": form_in(page, "/console/exams/set/create")["form_key"]}
    answers = [client.post("/console/exams/set/create", typed) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [302, 302]
    assert answers[0]["Location"] == answers[1]["Location"]
    assert Exam.objects.count() == 1
    # The same content in a new form creates another exam.
    client.post("/console/exams/set/create", typed | {"form_key": str(uuid4())})
    assert Exam.objects.count() == 2


def test_form_with_errors_may_be_sent_again_with_its_key(cast: Cast) -> None:
    client = client_of(cast.yun)
    typed = exam_form(cast) | {"form_key": str(uuid4())}
    assert client.post("/console/exams/set/create", typed | {"name": ""}).status_code == 422
    assert client.post("/console/exams/set/create", typed).status_code == 302
    assert Exam.objects.count() == 1


def test_form_key_belongs_to_the_person_who_sent_it(cast: Cast) -> None:
    typed = exam_form(cast) | {"form_key": str(uuid4())}
    assert client_of(cast.yun).post("/console/exams/set/create", typed).status_code == 302
    assert client_of(cast.an).post("/console/exams/set/create", typed).status_code == 409
    assert Exam.objects.count() == 1


def test_reply_question_and_point_forms_sent_twice_create_one_record(cast: Cast) -> None:
    publish_points(1, department=cast.cards)
    mei, yun = client_of(cast.mei), client_of(cast.yun)
    page = mei.get("/console/replies/new").content.decode()
    reply = REPLY | form_in(page, "/console/replies/create")
    assert [mei.post("/console/replies/create", reply).status_code for _ in range(2)] == [302, 302]
    assert CannedReply.objects.count() == 1
    page = yun.get("/console/exams/questions/new?point=card-1").content.decode()
    question = {"kind": "single", "stem": "几天？", "lines": "*4\n5\n6", "explanation": ""}
    question |= form_in(page, "/console/exams/questions/create")
    assert [yun.post("/console/exams/questions/create", question).status_code for _ in range(2)] == [302, 302]
    assert Question.objects.count() == 1
    page = yun.get("/console/new-point").content.decode()
    point = {
        "key": "reissue",
        "title": "挂失后多久补卡？",
        "answer": "七天。",
        "language": "zh",
        "category": "银行卡/挂失",
        "is_new_category": "on",
    }
    point |= form_in(page, "/console/new-point/create") | {"seen": ""}
    assert [yun.post("/console/new-point/create", point).status_code for _ in range(2)] == [302, 302]
    assert Point.objects.count() == 2


@pytest.mark.parametrize("is_popup", [False, True])
def test_admin_form_sent_twice_creates_one_record(cast: Cast, is_popup: bool) -> None:
    client = client_of(cast.an)
    path = "/admin/accounts/department/add/"
    page = client.get(path).content.decode()
    keys = re.findall(r'name="form_key" value="([^"]+)"', page)
    assert len(keys) == 1
    typed = {"code": "new", "name_zh": "新部门", "name_en": "New", "order": 9, "form_key": keys[0]}
    if is_popup:
        typed |= {"_popup": "1"}
    answers = [client.post(path, typed) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200 if is_popup else 302] * 2
    assert answers[0].content == answers[1].content
    assert Department.objects.filter(code="new").count() == 1


def test_every_admin_add_form_has_a_form_key(cast: Cast) -> None:
    client = client_of(cast.an)
    checked = 0
    for model in admin.site._registry:
        path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/add/"
        answer = client.get(path)
        if answer.status_code == 200:
            checked += 1
            assert 'name="form_key"' in answer.content.decode(), path
    assert checked >= 5


def test_old_form_keys_are_deleted(cast: Cast) -> None:
    SubmittedForm.objects.create(key=uuid4(), staff=cast.yun, at=timezone.now() - timedelta(days=3))
    client_of(cast.yun).post("/console/exams/set/create", exam_form(cast) | {"form_key": str(uuid4())})
    assert SubmittedForm.objects.count() == 1


def test_exam_started_twice_gives_one_paper(cast: Cast) -> None:
    editor = create_editor()
    questions_about_cards(cast, editor)
    exam = open_exam(editor, cast.cards)
    client = client_of(cast.mei)
    assert len({client.post(f"/console/exams/{exam.pk}/begin")["Location"] for _ in range(2)}) == 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_requests_with_one_key_create_one_exam(cast: Cast) -> None:
    typed = exam_form(cast) | {"form_key": str(uuid4())}
    clients = [client_of(cast.yun) for _ in range(4)]
    start = Barrier(len(clients))

    def send(client: Client) -> str:
        start.wait(20)
        try:
            return str(client.post("/console/exams/set/create", typed)["Location"])
        finally:
            connection.close()

    with ThreadPoolExecutor(len(clients)) as pool:
        assert len(set(pool.map(send, clients))) == 1
    assert Exam.objects.count() == 1
