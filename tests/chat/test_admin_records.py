"""Tests of conversations in admin: search, transcript, audit trail and export. Nobody can change a conversation
there."""

from __future__ import annotations

import csv
import re
from datetime import timedelta
from io import BytesIO, StringIO
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from openpyxl.utils.escape import unescape

from accounts.models import AuditEntry, Staff
from chat.actions import agents, visitors
from chat.archive.exports import _in_xml, quote_formula
from chat.models import Conversation, Message, Visitor
from tests.people import Cast, say, session_of, start, start_with

pytestmark = pytest.mark.django_db

LIST = "/admin/chat/conversation/"
NASTY = [
    '=HYPERLINK("https://evil.example","click")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "＝1+1",
    "'already quoted",
    "''twice",
    'plain, with "quotes"\nand lines\r\nand a _x000D_ of its own',
    "\x01\x0b control 🙂 𠀀 \u2028",
    "<script>alert(1)</script>",
    "00123",
    "1e5",
    "#N/A",
    "TRUE",
    "  blanks  .",
]


def browser_of(staff: Staff) -> Client:
    client = Client()
    client.cookies["sessionid"] = session_of(staff)
    return client


@pytest.fixture
def reader(cast: Cast) -> Client:
    return browser_of(cast.wen)


def listed(client: Client, **query: str) -> set[int]:
    answer = client.get(LIST, query)
    assert answer.status_code == 200, answer.get("Location")
    return {conversation.pk for conversation in answer.context["cl"].result_list}


def closed(cast: Cast, *, score: int = 0, language: str = "zh") -> Conversation:
    conversation = start_with(cast, cast.mei, language=language)
    say(conversation, "你好")
    agents.close_conversation(staff=cast.mei, uuid=conversation.uuid, code=cast.done, comment="ok")
    if score:
        visitors.rate(visitor=conversation.visitor, score=score, comment="谢谢")
    conversation.refresh_from_db()
    return conversation


# -- search ----------------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_filters_narrow_the_list(cast: Cast, reader: Client) -> None:
    waiting, good, bad = start(cast, department="loans"), closed(cast, score=5), closed(cast, score=1)
    unrated = closed(cast)
    everything = {waiting.pk, good.pk, bad.pk, unrated.pk}
    assert listed(reader) == everything
    assert listed(reader, status__exact="waiting") == {waiting.pk}
    assert listed(reader, department__id__exact=str(cast.loans.pk)) == {waiting.pk}
    assert listed(reader, agent__id__exact=str(cast.mei.pk)) == everything - {waiting.pk}
    assert listed(reader, wrap_up_code__id__exact=str(cast.done.pk)) == everything - {waiting.pk}
    assert listed(reader, visitor__level__exact="anonymous") == everything
    assert listed(reader, visitor__level__exact="verified") == set()
    assert listed(reader, rating="5") == {good.pk}
    assert listed(reader, rating="low") == {bad.pk}
    assert listed(reader, rating="none") == {waiting.pk, unrated.pk}


@pytest.mark.both_databases
def test_date_filter_covers_whole_days_of_the_banks_time_zone(cast: Cast, reader: Client) -> None:
    # Shanghai is eight hours ahead of UTC. These are the first and the last minute of 10 March in Shanghai.
    first, last, after = start(cast), start(cast), start(cast)
    for conversation, at in (
        (first, "2026-03-09T16:00:00Z"),
        (last, "2026-03-10T15:59:59Z"),
        (after, "2026-03-10T16:00:00Z"),
    ):
        Conversation.objects.filter(pk=conversation.pk).update(started_at=at)
    assert listed(reader, started_at_from="2026-03-10", started_at_until="2026-03-10") == {first.pk, last.pk}
    assert listed(reader, started_at_from="2026-03-11") == {after.pk}
    assert listed(reader, started_at_until="2026-03-09") == set()
    everything = {first.pk, last.pk, after.pk}
    assert listed(reader, started_at_from="soon") == everything
    # The first and the last day that Python supports cannot be converted to UTC.
    assert listed(reader, started_at_from="0001-01-01", started_at_until="9999-12-31") == everything
    assert listed(reader, started_at_from="9999-12-31") == set()


@pytest.mark.both_databases
def test_search_finds_text_names_references_and_numbers(cast: Cast, reader: Client) -> None:
    said, named, verified = start(cast), start(cast, name="欧阳娜娜"), start(cast)
    say(said, "我的银行卡被吞了")
    Visitor.objects.filter(pk=verified.visitor.pk).update(
        level="verified", customer_reference="C-778", name="王先生"
    )
    assert listed(reader, q="行卡") == {said.pk}
    assert listed(reader, q="欧阳") == {named.pk}
    assert listed(reader, q="C-778") == {verified.pk}
    assert listed(reader, q=str(said.uuid)) == {said.pk}
    assert listed(reader, q=str(said.uuid)[:8]) == {said.pk}
    assert listed(reader, q=said.uuid.hex[:12].upper()) == {said.pk}
    assert listed(reader, q="没有人说过") == set()
    for hostile in ("'", '"', "%", "_", "\\", "1' OR '1'='1", "*", "银行卡 AND", "é" * 500):
        assert listed(reader, q=hostile) <= {said.pk, named.pk, verified.pk}


def test_list_query_count_does_not_depend_on_the_number_of_rows(cast: Cast, reader: Client) -> None:
    def queries(**query: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            listed(reader, **query)
        return len(captured)

    closed(cast, score=3)
    queries()
    plain, searched = queries(), queries(q="你好")
    for number in range(12):
        closed(cast, score=number % 5 + 1)
    assert (queries(), queries(q="你好")) == (plain, searched)
    assert plain <= 12
    assert searched <= plain + 4


def test_administrators_see_no_conversations(cast: Cast) -> None:
    conversation = closed(cast)
    client = browser_of(cast.an)
    pages = [
        LIST,
        f"{LIST}{conversation.pk}/change/",
        f"{LIST}{conversation.pk}/transcript/",
        f"{LIST}export/",
    ]
    assert [client.get(page).status_code for page in pages] == [403] * 4
    assert client.post(f"{LIST}export/", {"resource": 0, "format": 0}).status_code == 403
    assert "你好" not in client.get("/admin/", follow=True).content.decode()


# -- transcript ------------------------------------------------------------------------------------------------


def test_each_opening_of_a_conversation_is_audited(cast: Cast, reader: Client) -> None:
    conversation = closed(cast)
    for _ in range(2):
        assert reader.get(f"{LIST}{conversation.pk}/change/").status_code == 200
    entries = AuditEntry.objects.filter(verb="transcript.read")
    assert [(entry.actor, entry.object_type, entry.object_id) for entry in entries] == [
        (cast.wen, "chat.conversation", str(conversation.uuid))
    ] * 2


def test_list_view_is_not_audited_as_reading_a_transcript(cast: Cast, reader: Client) -> None:
    closed(cast)
    listed(reader, q="你好")
    assert not AuditEntry.objects.filter(verb="transcript.read").exists()


@pytest.mark.both_databases
def test_record_shows_assignments_with_reason_author_and_next_agent(cast: Cast, reader: Client) -> None:
    conversation = start_with(cast, cast.mei)
    from tests.people import go_online

    go_online(cast.hao)
    agents.transfer_to_agent(staff=cast.mei, uuid=conversation.uuid, to=cast.hao, note="请接着办")
    agents.close_conversation(staff=cast.hao, uuid=conversation.uuid, code=cast.done)
    visitors.rate(visitor=conversation.visitor, score=4, comment="还行")
    page = reader.get(f"{LIST}{conversation.pk}/change/").content.decode()
    text = " ".join(re.sub(r"<[^>]+>", " ", page[page.index('class="assignments"') :]).split())
    assert re.match(r".*林梅 1001 · 信用卡 .*主管分配, 操作人 赵云 9001", text)
    assert re.match(r".*陈浩 1002 · 信用卡 .*同事转接, 操作人 林梅 1001 下一位本应是 林梅 1001", text)
    assert "请接着办" in page
    assert "还行" in page
    assert "★★★★☆" in page


@pytest.mark.both_databases
def test_pages_of_a_long_record_show_each_note_once(
    cast: Cast, reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.archive.conversation_log.PAGE", 4)
    conversation = start_with(cast, cast.mei)
    agents.add_note(staff=cast.mei, uuid=conversation.uuid, body="note-first")
    for number in range(8):
        say(conversation, f"words-{number}")
        if number in (2, 6):
            agents.add_note(staff=cast.mei, uuid=conversation.uuid, body=f"note-{number}")
    shown: list[str] = []
    query: dict[str, str] = {}
    while True:
        answer = reader.get(f"{LIST}{conversation.pk}/change/", query)
        shown += re.findall(r">((?:words|note)-(?:\d|first))<", answer.content.decode())
        after = answer.context["record"].after
        if after is None:
            break
        query = {"after": str(after)}
    assert shown == [
        "note-first", "words-0", "words-1", "words-2", "note-2", "words-3", "words-4", "words-5", "words-6", "note-6",
        "words-7",
    ]  # fmt: skip


def test_record_query_count_does_not_depend_on_its_length(cast: Cast, reader: Client) -> None:
    conversation = start_with(cast, cast.mei)
    url = f"{LIST}{conversation.pk}/change/"

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert reader.get(url).status_code == 200
        return len(captured)

    queries()
    short = queries()
    for number in range(30):
        say(conversation, f"{number}", by=cast.mei if number % 2 else None)
    agents.add_note(staff=cast.mei, uuid=conversation.uuid, body="note")
    assert queries() == short
    assert short <= 12


@pytest.mark.parametrize("path", ["0", "999999", "x", "99999999999999999999", "-1"])
def test_unknown_conversation_is_404(cast: Cast, reader: Client, path: str) -> None:
    assert reader.get(f"{LIST}{path}/change/").status_code == 404


def test_records_cannot_be_changed_in_admin(cast: Cast) -> None:
    conversation = closed(cast)
    entry, last = AuditEntry.objects.order_by("pk")[0], AuditEntry.objects.latest("pk")

    def stored() -> Any:
        # Refused requests add audit entries. The earlier entries must stay unchanged.
        entries = AuditEntry.objects.filter(pk__lte=last.pk).order_by("pk")
        return [list(Message.objects.values()), list(Conversation.objects.values()), list(entries.values())]

    before = stored()
    for staff in (cast.yun, cast.wen, cast.an, cast.mei):
        client = browser_of(staff)
        for url in (
            f"{LIST}add/",
            f"{LIST}{conversation.pk}/change/",
            f"{LIST}{conversation.pk}/delete/",
            "/admin/accounts/auditentry/add/",
            f"/admin/accounts/auditentry/{entry.pk}/change/",
            f"/admin/accounts/auditentry/{entry.pk}/delete/",
        ):
            answer = client.post(url, {"post": "yes", "subject": "x", "verb": "x", "status": "waiting"})
            assert answer.status_code in (403, 302), (staff, url)
            assert answer.get("Location", "/admin/login").startswith("/admin/login"), (staff, url)
        for url in (LIST, "/admin/accounts/auditentry/"):
            delete = {
                "action": "delete_selected",
                "_selected_action": [conversation.pk, entry.pk],
                "post": "yes",
            }
            client.post(url, delete)
    assert stored() == before
    new = AuditEntry.objects.filter(pk__gt=last.pk).values_list("verb", flat=True)
    assert set(new) <= {"access.refused", "records.searched", "audit.read"}


# -- the audit trail -------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_audit_trail_is_filtered_by_verb_actor_object_and_date(cast: Cast, reader: Client) -> None:
    conversation = closed(cast)
    reader.get(f"{LIST}{conversation.pk}/change/")

    def verbs(**query: str) -> set[str]:
        answer = reader.get("/admin/accounts/auditentry/", query)
        # Viewing the audit trail is itself audited.
        return {entry.verb for entry in answer.context["cl"].result_list} - {"audit.read"}

    assert {"conversation.assigned", "conversation.closed", "transcript.read"} <= verbs()
    assert verbs(verb="transcript.read") == {"transcript.read"}
    assert verbs(actor__id__exact=str(cast.wen.pk)) == {"transcript.read"}
    assert verbs(q="9101") == {"transcript.read"}
    assert "transcript.read" in verbs(q=str(conversation.uuid))
    tomorrow = f"{timezone.localtime() + timedelta(days=1):%Y-%m-%d}"
    assert verbs(at_from=tomorrow) == set()
    assert "查看会话记录" in reader.get("/admin/accounts/auditentry/").content.decode()


# -- export ----------------------------------------------------------------------------------------------------

CONVERSATIONS, TRANSCRIPTS = 0, 1
XLSX, CSV = 0, 1


def exported(client: Client, resource: int, kind: int, **query: str) -> list[list[Any]]:
    url = f"{LIST}export/?" + "&".join(f"{name}={value}" for name, value in query.items())
    answer = client.post(url, {"resource": resource, "format": kind})
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith("attachment;"), answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    if kind == CSV:
        assert answer.content.startswith(b"\xef\xbb\xbf")
        return list(csv.reader(StringIO(answer.content.decode("utf-8-sig"), newline="")))
    sheet = load_workbook(BytesIO(answer.content)).active
    assert sheet is not None
    assert "f" not in {cell.data_type for row in sheet.iter_rows() for cell in row}
    return [
        [unescape(value) if isinstance(value, str) else value for value in row]
        for row in sheet.iter_rows(values_only=True)
    ]


@pytest.mark.parametrize("kind", [XLSX, CSV])
def test_exported_transcript_has_no_formulas_and_keeps_every_character(
    cast: Cast, reader: Client, kind: int
) -> None:
    conversation = start_with(cast, cast.mei)
    for body in NASTY:
        say(conversation, body)
    head, *rows = exported(reader, TRANSCRIPTS, kind)
    bodies = [row[head.index("内容")] for row in rows]
    assert [int(row[head.index("消息序号")]) for row in rows] == list(range(1, len(NASTY) + 2))
    for body in bodies:
        assert not body.startswith(("=", "+", "-", "@", "\t", "\r", "＝"))
    stored = list(Message.objects.order_by("seq").values_list("body", flat=True))
    assert [body.removeprefix("'") for body in bodies] == stored
    assert stored[1:] == NASTY


@pytest.mark.parametrize("kind", [XLSX, CSV])
def test_export_has_one_row_for_each_conversation(cast: Cast, reader: Client, kind: int) -> None:
    good = closed(cast, score=5)
    Visitor.objects.filter(pk=good.visitor.pk).update(name="=cmd")
    waiting = start(cast)
    head, *rows = exported(reader, CONVERSATIONS, kind)
    assert len(set(head)) == len(head)
    by_number = {row[head.index("会话")]: dict(zip(head, row, strict=True)) for row in rows}
    assert set(by_number) == {str(good.uuid), str(waiting.uuid)}
    row = by_number[str(good.uuid)]
    assert (row["访客"], str(row["评分"]), row["小结代码"], row["工号"]) == ("'=cmd", "5", "done", "1001")
    assert row["开始时间"] == f"{timezone.localtime(good.started_at):%Y-%m-%d %H:%M:%S}"
    assert by_number[str(waiting.uuid)]["评分"] in ("", None)


@pytest.mark.both_databases
def test_export_applies_the_filters_of_the_list_and_is_audited(cast: Cast, reader: Client) -> None:
    closed(cast)
    waiting = start(cast)
    say(waiting, "一句很特别的话")
    rows = exported(reader, CONVERSATIONS, CSV, status__exact="waiting")
    assert [row[0] for row in rows[1:]] == [str(waiting.uuid)]
    exported(reader, TRANSCRIPTS, XLSX, q="特别")
    first, second = AuditEntry.objects.filter(verb="records.exported").order_by("pk")
    assert first.actor == cast.wen
    assert first.detail == {
        "what": "ConversationTable", "count": 1, "filters": {"status__exact": "waiting"}, "is_search": False,
    }  # fmt: skip
    assert (second.detail["count"], second.detail["is_search"]) == (1, True)
    assert "特别" not in str(second.detail)


def test_export_over_the_limit_is_refused_with_a_message(
    cast: Cast, reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.archive.exports.MAX_ROWS", 2)
    conversation = start(cast)
    for number in range(3):
        say(conversation, f"{number}")
    answer = reader.post(f"{LIST}export/", {"resource": TRANSCRIPTS, "format": CSV})
    assert "Content-Disposition" not in answer
    assert any("2" in str(message) for message in answer.context["messages"])
    assert not AuditEntry.objects.filter(verb="records.exported").exists()
    assert len(exported(reader, CONVERSATIONS, CSV)) == 2


def test_export_requires_the_right(cast: Cast) -> None:
    closed(cast)
    statuses = {}
    for staff in (cast.yun, cast.wen, cast.an, cast.mei):
        answer = browser_of(staff).post(f"{LIST}export/", {"resource": 0, "format": 0})
        statuses[staff.username] = answer.status_code
    assert statuses == {"yun": 200, "wen": 200, "an": 403, "mei": 302}


@given(st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_quote_formula_adds_only_an_apostrophe(text: str) -> None:
    quoted = quote_formula(text)
    assert quoted.removeprefix("'") == text
    assert not quoted.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))


@given(st.text(st.characters(codec="utf-8")))
def test_characters_invalid_in_xml_survive_the_round_trip(text: str) -> None:
    written = _in_xml(text)
    assert unescape(written) == text
    assert not re.search("[\x00-\x08\x0b-\x1f]", written)
