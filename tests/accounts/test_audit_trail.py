"""Tests of the audit entries that are written when staff read data.

A table says for every URL whether reading there is audited. Further tests check the audit entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from accounts.audit_verbs import VERBS
from accounts.models import AuditEntry, Staff
from chat.models import Attachment, Conversation
from tests.conftest import Processes, WriterAtOnce
from tests.console.test_access import World, make_world, pdf_upload
from tests.harness.sockets import Console
from tests.people import Cast, create_cast, go_online, say, session_of, start, start_with

# The reasons why reading at a URL is not audited.
WRITES = "changes something: its action is audited"
OWN = "shows only the reader's own work"
KNOWLEDGE = "shows the bank's knowledge, which names no customer"
SETTINGS = "shows settings, which contain no personal data"
FORM = "shows an empty form"
SIGN_IN = "sign-in and sign-out have their own audit entries"
VISITOR = "shows a visitor their own data"
NOTHING = "shows nothing that is stored"

CONSOLE = {
    **dict.fromkeys(
        (
            "inbox",
            "conversation",
            "today",
            "waiting",
            "board",
            "board_now",
            "board_department",
            "board_agent",
        ),
        "lists show one row for each conversation; opening one is audited",
    ),
    **dict.fromkeys(("offer", "explanation"), "names agents and their load, and no customer"),
    "reassignment": "the reader's own screen asks for it when it gains or loses the conversation",
    "thread": "conversation.read",
    "card": "conversation.read",
    "attachment": "file.read",
    "transcript": "transcript.downloaded",
    "search_results": "conversations.searched",
    "exam_results": "exam.results_read",
    "exam_results_table": "exam.results_exported",
    "exam_paper": "exam.paper_read",
    "exam_clock": OWN,
    **dict.fromkeys(("approvals", "approvals_review", "approval"), SETTINGS),
    **dict.fromkeys(
        ("approvals_approve", "approval_approve", "approval_reject", "approval_withdraw"), WRITES
    ),
    "exam_appeals": "appeals.read",
    "point_recipients": "point.told_read",
    "point_recipient_rows": "point.told_read",
    "point_recipients_export": "point.told_exported",
    **dict.fromkeys(
        (
            "search",
            "transfer_form",
            "close_form",
            "note_form",
            "reply_new",
            "point_new",
            "exam_new",
            "question_new",
        ),
        FORM,
    ),
    **dict.fromkeys(
        ("replies", "replies_page", "reply_edit", "exams", "drill", "suggestions", "agent_settings"), OWN
    ),
    **dict.fromkeys(
        (
            *(
                "points",
                "points_found",
                "suggestion_search",
                "point",
                "point_differences",
                "point_edit",
                "point_file",
            ),
            *(
                "phrasings",
                "unanswered_questions",
                "unanswered_question_points",
                "exam_setting",
                "exam_edit",
                "questions",
                "question_judging",
            ),
            "question_edit",
        ),
        KNOWLEDGE,
    ),
    **dict.fromkeys(
        (
            *(
                "board_presence",
                "board_agent_change",
                "presence",
                "take_next",
                "post_message",
                "take",
                "accept",
                "decline",
                "raise_emergency",
                "confirm_emergency",
                "lower_emergency",
                "end",
                "transfer",
                "close",
                "note",
                "attachments",
            ),
            *("reply_create", "reply_change", "reply_delete", "exam_begin", "exam_answer", "exam_hand_in"),
            *("exam_appeal", "exam_create", "exam_change", "questions_propose", "question_create"),
            *(
                "question_change",
                "question_judge",
                "exam_appeal_decide",
                "queue_restriction_lift",
                "drill_answer",
            ),
            *(
                "point_judge",
                "phrasing_judge",
                "unanswered_question_settle",
                "point_create",
                "point_file_remove",
                "point_save",
            ),
            *(
                "point_files",
                "point_submit",
                "point_approve",
                "point_send_back",
                "point_withdraw",
                "point_discard",
            ),
        ),
        WRITES,
    ),
}
# For the list page and the change page of each model in admin: the verb of the audit entry, or the reason why reading
# is not audited. `ADMIN` has the exceptions and the other pages of admin.
ADMIN_MODELS = {
    "accounts_auditentry": "audit.read",
    "accounts_department": SETTINGS,
    "accounts_skill": SETTINGS,
    "accounts_staff": SETTINGS,
    "accounts_queuerestriction": SETTINGS,
    "chat_assignment": "assignments.read",
    "chat_cannedreply": SETTINGS,
    "chat_conversation": "records.searched",
    "chat_emergencyrule": SETTINGS,
    "chat_site": SETTINGS,
    "chat_wrapupcode": SETTINGS,
    "knowledge_branch": KNOWLEDGE,
    "knowledge_category": KNOWLEDGE,
    "exams_exam": KNOWLEDGE,
    "exams_paper": "exam.results_read",
    "knowledge_point": KNOWLEDGE,
    "exams_question": KNOWLEDGE,
    "knowledge_region": KNOWLEDGE,
    "routing_offer": "assignments.read",
}
ADMIN = {
    "chat_conversation_change": "transcript.read",
    "chat_conversation_export": "records.exported",
    "chat_conversation_file": "file.read",
    "chat_conversation_transcript": "transcript.downloaded",
    "accounts_department_dry_run": "shows times of contacts and names of staff, nothing about customers",
    "chat_emergencyrule_test": NOTHING,
    "chat_site_secret": "site.secret_renewed",
    "knowledge_branch_export": "branches.exported",
    "knowledge_point_export": "points.exported",
    "exams_paper_change": "exam.paper_read",
    "auth_user_password_change": "staff.password_set",
    **dict.fromkeys(("login", "logout", "password_change", "password_change_done"), SIGN_IN),
    **dict.fromkeys(("index", "app_list", "jsi18n", "view_on_site"), NOTHING),
    "autocomplete": "no list has a field that asks for it",
    **dict.fromkeys(
        (
            *("knowledge_branch_import", "knowledge_branch_process_import"),
            *("knowledge_point_import", "knowledge_point_process_import"),
        ),
        WRITES,
    ),
}
OTHERS = {
    **dict.fromkeys(("login", "account_login", "account_logout", "password"), SIGN_IN),
    **dict.fromkeys(("set_language", "form_token", "clock"), NOTHING),
    **dict.fromkeys(("chat:attachment", "chat:attachments", "chat:transcript"), VISITOR),
    **dict.fromkeys(("chat:widget", "chat:loader", "chat:site_script", "chat:sample"), SETTINGS),
    **dict.fromkeys(("knowledge:answers", "knowledge:judge_answer"), VISITOR),
}


def names(patterns: Any, prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from names(pattern.url_patterns, prefix + inner)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield prefix + pattern.name


def decision_for(name: str) -> str | None:
    """Return how reading at the URL with this name is audited, according to the tables of this module.

    The result is the verb of the audit entry, the reason why reading is not audited, or None if no table has the name.
    """
    area, _, rest = name.partition(":")
    if area == "console":
        return CONSOLE.get(rest)
    if area != "admin":
        return OTHERS.get(name)
    model, _, page = rest.rpartition("_")
    by_model = ADMIN_MODELS.get(model) if page in ("changelist", "change") else None
    # Admin pages for adding and deleting show no stored data, and the history page lists only actions in admin.
    return ADMIN.get(rest) or by_model or (NOTHING if page in ("add", "delete", "history") else None)


def test_every_url_has_a_decision_about_the_audit_trail() -> None:
    undecided = [name for name in names(get_resolver().url_patterns) if decision_for(name) is None]
    assert not undecided, "state in this file whether reading at these URLs is audited"
    decisions = {decision_for(name) for name in names(get_resolver().url_patterns)}
    verbs = {decision for decision in decisions if decision and "." in decision and " " not in decision}
    assert verbs <= VERBS.keys()


# -- Audit entries for reads -----------------------------------------------------------------------------------


def browser_of(staff: Staff) -> Client:
    client = Client()
    client.cookies["sessionid"] = session_of(staff)
    return client


def audited(verb: str) -> list[tuple[Staff | None, str]]:
    return [(entry.actor, entry.object_id) for entry in AuditEntry.objects.filter(verb=verb).order_by("pk")]


@pytest.fixture
def world(cast: Cast, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    with override_settings(MEDIA_ROOT=tmp_path):
        yield make_world(cast, monkeypatch)


@pytest.mark.usefixtures("one_day")
@pytest.mark.django_db
@pytest.mark.both_databases
def test_colleagues_open_conversation_is_audited_once_per_reader_and_day(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    path = f"/console/conversations/{conversation.uuid}"
    for reader in (cast.hao, cast.yun):
        for _ in range(2):
            assert browser_of(reader).get(f"{path}/thread").status_code == 200
            assert browser_of(reader).get(f"{path}/card").status_code == 200
    uuid = str(conversation.uuid)
    assert audited("conversation.read") == [(cast.hao, uuid), (cast.yun, uuid)]
    AuditEntry.objects.filter(actor=cast.hao).update(at=timezone.now() - timedelta(days=1))
    browser_of(cast.hao).get(f"{path}/card")
    assert audited("conversation.read")[-1] == (cast.hao, uuid)
    assert len(audited("conversation.read")) == 3


@pytest.mark.django_db
def test_own_and_waiting_conversations_of_the_readers_queue_are_not_audited(cast: Cast) -> None:
    own, waiting = start_with(cast, cast.mei), start(cast, department="cards")
    for conversation in (own, waiting):
        for part in ("thread", "card"):
            path = f"/console/conversations/{conversation.uuid}/{part}"
            assert browser_of(cast.mei).get(path).status_code == 200
    assert audited("conversation.read") == []
    elsewhere = start(cast, department="loans")
    cast.yun.departments.set([cast.cards])
    browser_of(cast.yun).get(f"/console/conversations/{elsewhere.uuid}/thread")
    assert audited("conversation.read") == [(cast.yun, str(elsewhere.uuid))]


@pytest.mark.usefixtures("one_day")
@pytest.mark.django_db
def test_files_of_other_agents_conversations_are_audited(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.actions.attachments.writer", WriterAtOnce())
    conversation = start_with(cast, cast.mei)
    with override_settings(MEDIA_ROOT=tmp_path):
        path = f"/console/conversations/{conversation.uuid}/attachments"
        sent = {"file": pdf_upload(), "client_id": str(uuid4())}
        assert browser_of(cast.mei).post(path, sent).status_code == 200
        file = Attachment.objects.get()
        for reader, address in (
            (cast.mei, f"/console/attachments/{file.uuid}"),
            (cast.hao, f"/console/attachments/{file.uuid}"),
            (cast.hao, f"/console/attachments/{file.uuid}"),
            (cast.wen, f"/admin/chat/conversation/files/{file.uuid}/"),
        ):
            answer = browser_of(reader).get(address)
            assert answer.status_code == 200
            answer.getvalue()
    assert audited("file.read") == [(cast.hao, str(file.uuid)), (cast.wen, str(file.uuid))]


@pytest.mark.django_db
def test_searches_are_audited_with_length_and_filters_but_never_with_their_text(cast: Cast) -> None:
    say(start_with(cast, cast.mei), "我叫李小雷")
    form = {"q": "李小雷", "mine": "on", "department": cast.cards.pk}
    assert browser_of(cast.mei).post("/console/search/results", form).status_code == 200
    lists = {"q": "李小雷", "status__exact": "active"}
    assert browser_of(cast.wen).get("/admin/chat/conversation/", lists).status_code == 200
    assert browser_of(cast.wen).get("/admin/accounts/auditentry/", {"q": "李小雷"}).status_code == 200
    details = {entry.verb: entry.detail for entry in AuditEntry.objects.filter(detail__has_key="length")}
    assert details == {
        "conversations.searched": {"length": 3, "filters": ["department", "mine"]},
        "records.searched": {"length": 3, "filters": ["status__exact"]},
        "audit.read": {"length": 3, "filters": []},
    }
    assert "李小雷" not in str(list(AuditEntry.objects.values()))


@pytest.mark.usefixtures("one_day")
@pytest.mark.django_db
def test_exam_results_papers_and_appeals_of_others_are_audited_but_not_ones_own(world: World) -> None:
    supervisor, mei = browser_of(world.cast.yun), browser_of(world.cast.mei)
    paper = world.marked
    own = browser_of(paper.staff)
    assert own.get(f"/console/exams/papers/{paper.pk}/").status_code == 200
    assert audited("exam.paper_read") == []
    for _ in range(2):
        assert supervisor.get(f"/console/exams/papers/{paper.pk}/").status_code == 200
        assert supervisor.get(f"/admin/exams/paper/{paper.pk}/change/").status_code == 200
    assert audited("exam.paper_read") == [(world.cast.yun, str(paper.pk))]
    for path in ("/console/exams/results/", "/admin/exams/paper/", "/console/exams/appeals/"):
        assert supervisor.get(path).status_code == 200
        assert mei.get(path).status_code in (302, 403)
    assert [actor for actor, _ in audited("exam.results_read")] == [world.cast.yun] * 2
    assert [actor for actor, _ in audited("appeals.read")] == [world.cast.yun]


@pytest.mark.usefixtures("one_day")
@pytest.mark.django_db
def test_refusals_are_audited_with_the_view_at_most_once_a_minute(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    jun = browser_of(cast.jun)
    for _ in range(3):
        assert jun.get(f"/console/conversations/{conversation.uuid}/thread").status_code == 404
        assert jun.get("/console/exams/results/").status_code == 403
        assert jun.get("/admin/", follow=True).status_code == 403
    assert browser_of(cast.yun).get(f"/admin/accounts/staff/{cast.mei.pk}/change/").status_code == 403
    refusals = [
        (entry.actor, entry.detail["view"]) for entry in AuditEntry.objects.filter(verb="access.refused")
    ]
    assert sorted(refusals, key=str) == sorted(
        [
            (cast.jun, "console:thread"),
            (cast.jun, "console:exam_results"),
            (cast.jun, "admin:login"),
            (cast.yun, "admin:accounts_staff_change"),
        ],
        key=str,
    )
    entry = AuditEntry.objects.get(verb="access.refused", detail__view="console:thread")
    assert entry.object_id == str(conversation.uuid)


@pytest.mark.django_db
def test_reading_the_audit_trail_is_audited(cast: Cast) -> None:
    start_with(cast, cast.mei)
    entry = AuditEntry.objects.latest("pk")
    for path in ("/admin/accounts/auditentry/", f"/admin/accounts/auditentry/{entry.pk}/change/"):
        assert browser_of(cast.an).get(path).status_code == 200
    assert [actor for actor, _ in audited("audit.read")] == [cast.an, cast.an]


@pytest.mark.usefixtures("one_day")
@pytest.mark.django_db
def test_card_needs_one_query_less_when_its_reading_is_already_audited(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    client = browser_of(cast.hao)
    path = f"/console/conversations/{conversation.uuid}/card"

    def queries() -> int:
        with CaptureQueriesContext(connection) as taken:
            client.get(path)
        return len(taken)

    first, second = queries(), queries()
    assert first - second == 1


@pytest.mark.django_db(transaction=True)
def test_conversation_opened_over_the_socket_is_audited_once_and_a_forbidden_one_as_refused(
    processes: Processes,
) -> None:
    cast = create_cast()
    conversation: Conversation = start_with(cast, cast.mei)
    go_online(cast.hao)
    uuid = str(conversation.uuid)
    for staff in (cast.mei, cast.hao):
        with Console(processes.daphne, session_of(staff)) as console:
            console.open()
            for _ in range(2):
                console.watch(uuid)
    with Console(processes.daphne, session_of(cast.jun)) as console:
        console.open()
        console.send("watch", conversation=uuid, after=0)
        assert console.wait_for("refused")["code"] == "not_found"
    assert audited("conversation.read") == [(cast.hao, uuid)]
    assert audited("access.refused") == [(cast.jun, uuid)]
