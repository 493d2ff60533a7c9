"""Tests of the console's permission table: the HTTP status that each person gets from each URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from accounts.models import AuditEntry, QueueRestriction, Staff
from chat.actions import agents
from chat.models import CannedReply, Conversation
from exams.actions import appeals
from exams.actions.exams import begin_paper
from exams.models import Appeal, Exam, Paper, Question
from knowledge.actions import points
from knowledge.actions.branches import category_at
from knowledge.actions.editing import edit_token
from knowledge.actions.files import attach_file
from knowledge.content import Content
from knowledge.models import Phrasing, Point, PointFile, UnansweredQuestion
from tests.conftest import WriterAtOnce
from tests.harness.approvals import approve_pending, approve_version, digest_of_version, pending
from tests.harness.exams import create_editor, open_exam, questions_about_cards, sit
from tests.harness.files import pdf
from tests.people import Cast, create_cast, go_online, say, start, start_with

pytestmark = pytest.mark.django_db

PEOPLE = ("mei", "hao", "jun", "yun", "wen", "an", "ning")
PAGE = {"accept": "text/html"}
SCRIPT = {"accept": "application/json"}


@dataclass(frozen=True)
class Address:
    """One row of the permission table.

    `codes` holds the expected statuses for mei (the assigned agent), hao (of mei's department), jun (of another
    department) and yun (supervisor). `others` holds those for wen (auditor), an (administrator) and ning (editor).
    Without a session, a page redirects to the sign-in page (302), and any other URL answers 401.
    """

    name: str
    path: str
    codes: tuple[int, int, int, int]
    verb: str = "get"
    data: Any = None
    is_page: bool = False
    others: tuple[int, int, int] = (403, 403, 403)


def addresses(world: World) -> list[Address]:
    active, waiting, closed = world.active.uuid, world.waiting.uuid, world.closed.uuid
    one, other = f"conversations/{active}", f"conversations/{closed}"
    message = {"client_id": str(uuid4()), "body": "您好"}
    note = {"client_id": str(uuid4()), "body": "查过了"}
    transfer = {"to": f"department:{world.cast.loans.pk}", "note": "拜托"}
    close = {"code": world.cast.done.pk}
    reply = {"scope": "personal", "language": "zh", "shortcut": "x", "title": "稍等", "body": "请稍等"}
    return [
        Address("inbox", "", (200, 200, 200, 200), is_page=True, others=(403, 302, 302)),
        Address("conversation", f"{one}/", (200, 200, 404, 200), is_page=True),
        Address("search", "search", (200, 200, 200, 200), is_page=True),
        Address("suggestions", "points/likely", (200, 200, 404, 200), "json", {"conversation": str(active)}),
        Address("suggestion_search", "points/find", (200, 200, 200, 200), "json", {"q": "挂失"}),
        Address(
            "point_judge",
            "points/judge",
            (400, 400, 404, 400),
            "json",
            {"conversation": str(active), "source": "point/0/1", "is_helpful": True},
        ),
        Address("replies_page", "replies/", (200, 200, 200, 200), is_page=True),
        Address("reply_new", "replies/new", (200, 200, 200, 200), is_page=True),
        Address("reply_edit", f"replies/{world.own.pk}/", (200, 404, 404, 404), is_page=True),
        Address("reply_edit", f"replies/{world.shared.pk}/", (404, 404, 404, 200), is_page=True),
        Address("replies", "replies.json", (200, 200, 200, 200)),
        Address("today", "today", (200, 200, 200, 200)),
        Address("agent_settings", "agent-settings", (200, 200, 200, 200)),
        Address("thread", f"{one}/thread", (200, 200, 404, 200)),
        Address("thread", f"{other}/thread", (200, 200, 404, 200)),
        Address("card", f"{one}/card", (200, 200, 404, 200)),
        Address("transfer_form", f"{one}/forms/transfer", (200, 200, 404, 200)),
        Address("close_form", f"{one}/forms/close", (200, 200, 404, 200)),
        Address("note_form", f"{one}/forms/note", (200, 200, 404, 200)),
        Address("transcript", f"{one}/transcript", (200, 200, 404, 200)),
        Address("attachment", f"attachments/{uuid4()}", (404, 404, 404, 404)),
        Address("attachments", f"{one}/attachments", (400, 400, 404, 400), "post"),
        Address("search_results", "search/results", (200, 200, 200, 200), "post", {"q": "吞卡"}),
        Address("presence", "presence", (200, 200, 200, 200), "post", {"status": "busy"}),
        Address("presence", "presence", (400, 400, 400, 400), "post", {"status": "asleep"}),
        Address("take_next", "next", (200, 200, 409, 200), "post"),
        Address("take", f"conversations/{waiting}/take", (200, 200, 404, 200), "post"),
        Address("take", f"{one}/take", (200, 409, 404, 409), "post"),
        Address("offer", f"conversations/{waiting}/offer", (200, 200, 404, 200)),
        Address("accept", f"conversations/{waiting}/accept", (409, 409, 404, 409), "post"),
        Address("decline", f"conversations/{waiting}/decline", (409, 409, 404, 409), "post"),
        Address("raise_emergency", f"{one}/emergency/raise", (204, 204, 404, 204), "post"),
        Address("confirm_emergency", f"{one}/emergency/confirm", (403, 403, 403, 204), "post"),
        Address("lower_emergency", f"{one}/emergency/lower", (403, 403, 403, 204), "post"),
        Address("explanation", f"{one}/explanation", (200, 200, 404, 200)),
        Address("reassignment", f"{one}/reassignment", (200, 200, 404, 200)),
        Address("post_message", f"{one}/messages", (200, 409, 404, 409), "json", message),
        Address("post_message", f"{other}/messages", (409, 409, 404, 409), "json", message),
        Address("end", f"{one}/end", (204, 409, 404, 409), "post"),
        Address("note", f"{one}/notes", (204, 204, 404, 204), "post", note),
        Address("transfer", f"{one}/transfer", (204, 409, 404, 204), "post", transfer),
        Address("close", f"{one}/close", (204, 409, 404, 409), "post", close),
        Address("close", f"{one}/close", (422, 409, 404, 409), "post", {}),
        Address("reply_create", "replies/create", (302, 302, 302, 302), "post", reply),
        Address("reply_create", "replies/create", (422, 422, 422, 302), "post", reply | {"scope": "shared"}),
        Address("reply_change", f"replies/{world.own.pk}/change", (302, 404, 404, 404), "post", reply),
        Address("reply_delete", f"replies/{world.own.pk}/delete", (302, 404, 404, 404), "post"),
        Address("reply_delete", f"replies/{world.shared.pk}/delete", (404, 404, 404, 302), "post"),
        *board_addresses(world),
        *exam_addresses(world),
        *knowledge_addresses(world),
        *approval_addresses(world),
    ]


def board_addresses(world: World) -> list[Address]:
    """Return the rows of the permission table for the supervisor's board."""
    agent = f"board/agents/{world.cast.mei.pk}"
    reads, writes = (403, 403, 403, 200), (403, 403, 403, 204)
    settings = {"capacity": 5, "departments": [world.cast.cards.pk]}
    return [
        Address("board", "board/", reads, is_page=True),
        Address("board_now", "board/now", reads),
        Address("board_department", f"board/departments/{world.cast.cards.pk}/", reads),
        Address("board_department", "board/departments/999999/", (403, 403, 403, 404)),
        Address("board_agent", f"{agent}/", reads),
        Address("board_agent", f"board/agents/{world.cast.wen.pk}/", (403, 403, 403, 404)),
        Address("board_presence", f"{agent}/presence", writes, "post", {"status": "break"}),
        Address("board_agent_change", f"{agent}/change", writes, "post", settings),
        Address("board_agent_change", f"{agent}/change", (403, 403, 403, 422), "post", {}),
    ]


def exam_addresses(world: World) -> list[Address]:
    """Return the rows of the permission table for exams of the cards department.

    `paper` is an open paper of mei, and `marked` is a passed paper of hao.
    """
    exam, question = f"exams/set/{world.exam.pk}", f"exams/questions/{world.question.pk}"
    paper, marked = f"exams/papers/{world.paper.pk}", f"exams/papers/{world.marked.pk}"
    answer = {"place": 1, "given": [0], "step": 5}
    # The drill has not offered this question to anyone, so nobody may get its answer.
    drilled = {"question": world.question.pk, "review": 0, "given": [0]}
    plan = {
        "name": "月考", "departments": [world.cast.cards.pk], "opens_at": "2030-01-01T09:00",
        "closes_at": "2030-01-02T09:00", "minutes": 30, "question_count": 10, "pass_percent": 80, "resits": 1,
    }  # fmt: skip
    words = {"kind": "fill_in", "stem": "____ 天", "lines": "7"}
    setting, editing = (403, 403, 403, 200), (403, 403, 403, 302)
    return [
        Address("exams", "exams/", (200, 200, 200, 302), others=(403, 302, 302), is_page=True),
        Address("exam_begin", f"exams/{world.exam.pk}/begin", (302, 409, 404, 409), "post"),
        Address("exam_paper", f"{paper}/", (200, 404, 404, 404), is_page=True),
        Address("exam_paper", f"{marked}/", (404, 200, 404, 200), is_page=True),
        Address("exam_clock", f"{paper}/clock", (200, 404, 404, 404)),
        Address("exam_answer", f"{paper}/answers", (200, 404, 404, 404), "json", answer),
        Address("exam_answer", f"{paper}/answers", (422, 404, 404, 404), "json", answer | {"given": [9]}),
        Address("exam_answer", f"{paper}/answers", (400, 400, 400, 400), "json", {}),
        Address("exam_hand_in", f"{paper}/hand-in", (200, 404, 404, 404), "json", {"answers": []}),
        Address(
            "exam_appeal", f"{marked}/appeals", (404, 302, 404, 404), "post", {"place": 2, "reason": "对"}
        ),
        Address("exam_setting", "exams/set/", setting, others=(403, 200, 200), is_page=True),
        Address("exam_new", "exams/set/new", setting, others=(403, 200, 200), is_page=True),
        Address("exam_create", "exams/set/create", editing, "post", plan, others=(403, 302, 302)),
        Address("exam_edit", f"{exam}/", setting, others=(403, 200, 200), is_page=True),
        Address("exam_change", f"{exam}/change", (403, 403, 403, 422), "post", {}, others=(403, 422, 422)),
        Address("questions", "exams/questions/", setting, others=(403, 200, 200), is_page=True),
        Address("questions_propose", "exams/questions/propose", editing, "post", others=(403, 302, 302)),
        Address("question_judging", "exams/questions/judging", setting, others=(403, 200, 200), is_page=True),
        Address(
            "question_new", "exams/questions/new?point=card-1", setting, others=(403, 200, 200), is_page=True
        ),
        Address(
            "question_create",
            "exams/questions/create",
            editing,
            "post",
            words | {"point": "card-1"},
            others=(403, 302, 302),
        ),
        Address("question_edit", f"{question}/", setting, others=(403, 200, 200), is_page=True),
        Address("question_change", f"{question}/change", editing, "post", words, others=(403, 302, 302)),
        Address(
            "question_judge",
            f"{question}/judge",
            editing,
            "post",
            {"verdict": "decline"},
            others=(403, 302, 302),
        ),
        Address("exam_appeals", "exams/appeals/", setting, others=(403, 200, 200), is_page=True),
        Address(
            "exam_appeal_decide",
            f"exams/appeals/{world.appeal.pk}/decide",
            editing,
            "post",
            {"verdict": "all"},
            others=(403, 302, 302),
        ),
        Address("exam_results", "exams/results/", setting, others=(403, 200, 403), is_page=True),
        Address("exam_results_table", "exams/results.csv", setting, others=(403, 200, 403), is_page=True),
        Address("drill", "drill/next", (200, 200, 200, 200)),
        Address("drill_answer", "drill/answer", (400, 400, 400, 400), "json", {}),
        Address("drill_answer", "drill/answer", (404, 404, 404, 404), "json", drilled),
        Address(
            "queue_restriction_lift",
            f"exams/bars/{world.restriction.pk}/lift",
            editing,
            "post",
            others=(403, 302, 403),
        ),
    ]


READ, KEEP = (403, 200, 200), (403, 302, 302)


def approval_addresses(world: World) -> list[Address]:
    """Return the rows of the permission table for an approval request about a version of a knowledge point.

    The editor wrote the version, and the supervisor and the administrator may approve it.
    """
    request = next(entry for entry in pending() if entry.kind == "knowledge.version")
    one, digest = f"approvals/{request.uuid}", {"digest": request.digest}
    reads, writes, refuses = (403, 403, 403, 200), (403, 403, 403, 302), (403, 403, 403, 409)
    several, reason = {"request": f"{request.uuid}:{request.digest}"}, {"reason": "费用？"}
    unknown = f"approvals/{uuid4()}/"
    return [
        Address("approvals", "approvals/", reads, is_page=True, others=READ),
        Address("approvals_review", f"approvals/review?id={request.uuid}", reads, is_page=True, others=READ),
        Address("approvals_approve", "approvals/approve", reads, "post", several, others=READ),
        Address("approval", f"{one}/", reads, is_page=True, others=READ),
        Address("approval", unknown, (403, 403, 403, 404), is_page=True, others=(403, 404, 404)),
        Address("approval_approve", f"{one}/approve", writes, "post", digest, others=(403, 302, 409)),
        Address("approval_approve", f"{one}/approve", refuses, "post", others=(403, 409, 409)),
        Address("approval_reject", f"{one}/reject", writes, "post", reason, others=KEEP),
        Address("approval_reject", f"{one}/reject", (403, 403, 403, 422), "post", others=(403, 422, 422)),
        Address("approval_withdraw", f"{one}/withdraw", (403, 403, 403, 403), "post", others=(403, 403, 302)),
    ]


def knowledge_addresses(world: World) -> list[Address]:
    """Return the rows of the permission table for knowledge points.

    Everyone except the auditor may read points. Supervisors, administrators and editors may edit them.
    """
    all_read, one_keeps, one_reads = (200, 200, 200, 200), (403, 403, 403, 302), (403, 403, 403, 200)
    one, making = "points/card-lost", "points/card-lost/versions/2"
    point = {
        "title": "卡丢了怎么挂失？", "answer": "请马上挂失。", "category": "银行卡/挂失", "language": "zh",
    }  # fmt: skip
    changed = point | {"seen": edit_token(world.point)}
    digest = digest_of_version(world.point.versions.get(number=2).pk)
    phrasing, gap, file = world.phrasing.pk, world.gap.pk, world.file.pk
    return [
        Address("points", "points/", all_read, is_page=True, others=READ),
        Address("points_found", "found-points", all_read, "post", {"q": "挂失"}, others=READ),
        Address("point", f"{one}/", all_read, is_page=True, others=READ),
        Address("point", "points/not-there/", (404, 404, 404, 404), is_page=True, others=(403, 404, 404)),
        Address("point_file", f"point-files/{file}", all_read, others=READ),
        Address("reply_new", "replies/new?point=card-lost", all_read, is_page=True),
        Address("point_new", "new-point", one_reads, is_page=True, others=READ),
        Address("point_create", "new-point/create", one_keeps, "post", point | {"key": "new"}, others=KEEP),
        Address("point_edit", f"{one}/edit", one_reads, is_page=True, others=READ),
        Address("point_save", f"{one}/save", one_keeps, "post", changed, others=KEEP),
        Address("point_save", f"{one}/save", (403, 403, 403, 422), "post", {}, others=(403, 422, 422)),
        Address("point_differences", f"{one}/differences", one_reads, is_page=True, others=READ),
        Address("point_submit", f"{making}/submit", one_keeps, "post", others=KEEP),
        # The editor wrote this version, so a second person must approve it.
        Address(
            "point_approve",
            f"{making}/approve",
            one_keeps,
            "post",
            {"digest": digest},
            others=(403, 302, 409),
        ),
        Address("point_approve", f"{making}/approve", (403, 403, 403, 409), "post", others=(403, 409, 409)),
        Address(
            "point_send_back", f"{making}/send-back", one_keeps, "post", {"remark": "费用？"}, others=KEEP
        ),
        Address(
            "point_withdraw", f"{one}/versions/1/withdraw", one_keeps, "post", {"remark": "停办"}, others=KEEP
        ),
        Address("point_discard", f"{making}/discard", one_keeps, "post", others=KEEP),
        Address("point_files", f"{one}/attachments", (403, 403, 403, 400), "post", others=(403, 400, 400)),
        Address("point_file_remove", f"point-files/{file}/remove", one_keeps, "post", others=KEEP),
        Address("phrasings", "phrasings/", one_reads, is_page=True, others=READ),
        Address(
            "phrasing_judge", f"phrasings/{phrasing}/judge", one_keeps, "post", {"accept": "1"}, others=KEEP
        ),
        Address("unanswered_questions", "gaps/", one_reads, is_page=True, others=READ),
        Address(
            "unanswered_question_points", f"gaps/{gap}/points", one_reads, "post", {"q": "卡"}, others=READ
        ),
        Address(
            "unanswered_question_settle",
            f"gaps/{gap}/settle",
            one_keeps,
            "post",
            {"point": "card-lost"},
            others=KEEP,
        ),
        Address("unanswered_question_settle", f"gaps/{gap}/settle", one_keeps, "post", others=KEEP),
        # The list of recipients contains personal data of customers, so only supervisors and auditors may read it.
        Address("point_recipients", f"{one}/told", one_reads, is_page=True, others=(200, 403, 403)),
        Address("point_recipient_rows", f"{one}/told/rows", one_reads, others=(200, 403, 403)),
        Address("point_recipients_export", f"{one}/told.csv", one_reads, others=(200, 403, 403)),
    ]


@dataclass(frozen=True)
class World:
    cast: Cast
    active: Conversation
    waiting: Conversation
    closed: Conversation
    own: CannedReply
    shared: CannedReply
    exam: Exam
    question: Question
    paper: Paper
    marked: Paper
    appeal: Appeal
    restriction: QueueRestriction
    point: Point
    phrasing: Phrasing
    gap: UnansweredQuestion
    file: PointFile


@pytest.fixture(scope="module")
def shared_world(shared_transaction: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with (
        override_settings(MEDIA_ROOT=tmp_path_factory.mktemp("media")),
        pytest.MonkeyPatch.context() as patch,
    ):
        yield make_world(create_cast(), patch)


@pytest.fixture
def world(shared_world: World, db: None) -> World:
    # Agents stay online for only a minute, so renew their presence for each test.
    go_online(*(getattr(shared_world.cast, name) for name in ("mei", "hao", "jun", "yun")))
    return shared_world


def make_world(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> World:
    closed = start_with(cast, cast.mei)
    say(closed, "谢谢")
    agents.close_conversation(staff=cast.mei, uuid=closed.uuid, code=cast.done)
    active = start_with(cast, cast.mei)
    waiting = start(cast)
    go_online(cast.mei, cast.hao, cast.jun)
    own = CannedReply.objects.create(owner=cast.mei, shortcut="wz", title="我在", body="我在的。")
    shared = CannedReply.objects.create(shortcut="nh", title="问候", body="您好")
    monkeypatch.setattr("console.inbox.message_views.writer", WriterAtOnce())
    editor = create_editor()
    question, *_ = questions_about_cards(cast, editor)
    exam = open_exam(editor, cast.cards, required_from=timezone.localdate(), resits=3, pass_percent=10)
    restriction = QueueRestriction.objects.get(staff=cast.mei)
    marked = sit(cast.hao, exam, right=1)
    appeal = appeals.make_appeal(by=cast.hao, paper=marked.pk, place=3, reason="两个都对。")
    paper = begin_paper(by=cast.mei, exam=exam.pk)
    point = a_point(cast)
    content = Content("卡丢了怎么挂失？", "请尽快挂失。", category_at("银行卡/挂失"))
    points.submit(by=cast.ning, version=points.save_draft(by=cast.ning, point=point.pk, content=content).pk)
    phrasing = Phrasing.objects.create(point=point, text="卡找不到了", state=Phrasing.State.SUGGESTED)
    gap = UnansweredQuestion.objects.create(text="你们会下班吗", count=3)
    file = attach_file(by=cast.ning, point=point.pk, upload=pdf_upload())
    approve_pending(by=cast.yun, kind="knowledge.point_file")
    return World(
        cast,
        active,
        waiting,
        closed,
        own,
        shared,
        exam,
        question,
        paper,
        marked,
        appeal,
        restriction,
        point,
        phrasing,
        gap,
        file,
    )


def a_point(cast: Cast) -> Point:
    """Create and return a published point, written by the editor and approved by the supervisor."""
    content = Content("卡丢了怎么挂失？", "请在手机银行里挂失。", category_at("银行卡/挂失"))
    version = points.create_point(
        by=cast.ning, key="card-lost", language="zh", owner=cast.ning, content=content, phrasings=["卡丢了"]
    )
    points.submit(by=cast.ning, version=version.pk)
    approve_version(by=cast.yun, version=version.pk)
    return version.point


def pdf_upload() -> SimpleUploadedFile:
    return SimpleUploadedFile("表.pdf", pdf())


@contextmanager
def rolled_back() -> Iterator[None]:
    """Roll back all changes made inside the `with` block, so that every URL is tested with the same data."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def ask(client: Client, address: Address) -> Any:
    path = f"/console/{address.path}"
    headers = PAGE if address.is_page else SCRIPT
    if address.verb == "get":
        response = client.get(path, headers=headers)
        if response.streaming:
            # Reading the response to its end also closes the file.
            response.getvalue()
        return response
    if address.verb == "json":
        return client.post(path, address.data, content_type="application/json", headers=headers)
    return client.post(path, address.data or {}, headers=headers)


def signed_in(staff: Staff) -> Client:
    client = Client()
    client.force_login(staff, settings.AUTHENTICATION_BACKENDS[0])
    return client


@pytest.mark.both_databases
@pytest.mark.parametrize("name", PEOPLE)
def test_every_address_answers_each_person_with_the_expected_status(world: World, name: str) -> None:
    client = signed_in(getattr(world.cast, name))
    place = PEOPLE.index(name)
    wrong = []
    for address in addresses(world):
        expected = (address.codes + address.others)[place]
        with rolled_back():
            got = ask(client, address).status_code
        if got != expected:
            wrong.append(f"{address.name} {address.verb} {address.data}: {got}, not {expected}")
    assert not wrong, "\n".join(wrong)


def test_requests_without_a_session_are_refused(world: World) -> None:
    client = Client()
    for address in addresses(world):
        response = ask(client, address)
        assert response.status_code == (302 if address.is_page else 401), address
        if address.is_page:
            assert response["Location"].startswith("/console/login/"), address


def test_every_post_needs_a_csrf_token(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.cast.mei, settings.AUTHENTICATION_BACKENDS[0])
    for address in addresses(world):
        if address.verb != "get":
            assert ask(client, address).status_code == 403, address


def test_every_address_refuses_the_other_http_method(world: World) -> None:
    client = signed_in(world.cast.mei)
    for address in addresses(world):
        path = f"/console/{address.path}"
        with rolled_back():
            response = client.post(path) if address.verb == "get" else client.get(path)
        assert response.status_code == 405, address


def test_the_permission_table_names_every_console_url(world: World) -> None:
    named = {address.name for address in addresses(world)}
    assert named == names_in("console")


def names_in(namespace: str) -> set[str]:
    def names(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                yield from names(pattern.url_patterns)
            elif pattern.name:
                yield pattern.name

    for pattern in get_resolver().url_patterns:
        if isinstance(pattern, URLResolver) and pattern.namespace == namespace:
            return set(names(pattern.url_patterns))
    raise AssertionError(f"no namespace {namespace}")


def test_a_refusal_is_in_the_language_of_the_reader(world: World) -> None:
    client = signed_in(world.cast.jun)
    path = f"/console/conversations/{world.active.uuid}/thread"
    said = {
        language: client.get(path, headers={"accept-language": language}).json()["refused"]["words"]
        for language in ("zh-hans", "en")
    }
    assert said["en"] == "This conversation does not exist, or you don't have access to it."
    assert said["zh-hans"] != said["en"]


@pytest.mark.both_databases
def test_reading_a_closed_conversation_is_audited_and_reading_an_open_department_one_is_not(
    world: World,
) -> None:
    client = signed_in(world.cast.hao)

    def marks(uuid: UUID) -> list[Staff | None]:
        return [e.actor for e in AuditEntry.objects.filter(verb="transcript.read", object_id=str(uuid))]

    for conversation in (world.active, world.closed):
        path = f"/console/conversations/{conversation.uuid}/thread"
        assert client.get(path, headers=SCRIPT).status_code == 200
    assert marks(world.active.uuid) == []
    assert marks(world.closed.uuid) == [world.cast.hao]
