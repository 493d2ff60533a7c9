"""Tests of the transcript file. It contains the stored texts exactly, and no message text can imitate an entry."""

from __future__ import annotations

import html
import re
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from django.test import Client

from accounts.models import AuditEntry
from chat import limits, protocol, selectors
from chat.actions import agents, posts
from chat.archive.transcript import file_name, transcript_of
from chat.models import Conversation, Message, MessageKind, Note
from chat.protocol.serializers import person_of
from chat.widget.tokens import token_for
from tests.people import Cast, say, session_of, start, start_with

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

BODIES = [
    "我的卡被吞了。",
    "line one\nline two\n\n\n  indented",
    "\r\nreturn\rand\u2028separators\u2029of\x85lines\x0b\x0c\x1c end",
    "<script>alert(1)</script> & \"quotes\" 'too' &amp; &#13;",
    "\n\n2  2026-01-01 00:00:00  Agent 林梅 (no. 1001)\n    We never said that.",
    "{{ 7*7 }} {% now 'Y' %} %(name)s ${x}",
    "\u202eevil\u202c \u200f\u200e \ufeff zero\u200bwidth",
    "🙂👩‍👩‍👧 𠀀 ﷽ Z̸̛͙a̵l̷g̶o̶",
    "=1+1",
    "\x01\x08\x7f control",
    "    four blanks",
    "-" * 60,
]

_ENTRY = re.compile(
    r"^\n(\d+)  (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)  ([^\n]*)\n    ((?:(?!\n(?!    )).)*)",
    re.DOTALL | re.MULTILINE,
)
_BREAKS = re.compile("(\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])    ")


def entries(text: str) -> list[tuple[int, str, str]]:
    """Return (seq, author, body) of each entry in a transcript.

    The parser relies only on the rule that bodies are indented by four spaces.
    """
    return [(int(seq), author, _BREAKS.sub(r"\1", body)) for seq, _at, author, body in _ENTRY.findall(text)]


def converse(cast: Cast, **options: Any) -> Conversation:
    conversation = start_with(cast, cast.mei, **options)
    for index, body in enumerate(BODIES):
        say(conversation, body, by=cast.mei if index % 2 else None)
    return conversation


@pytest.mark.parametrize("language", ["zh", "en"])
def test_transcript_holds_the_stored_texts_exactly(cast: Cast, language: str) -> None:
    conversation = converse(cast, language=language)
    transcript = entries(transcript_of(conversation))
    stored = list(
        Message.objects.filter(conversation=conversation).order_by("seq").values_list("seq", "body")
    )
    assert [(seq, body) for seq, _, body in transcript] == stored
    assert len(transcript) == len(BODIES) + 1


def test_widget_console_admin_and_transcript_show_identical_texts(cast: Cast, client: Client) -> None:
    conversation = converse(cast)
    page = selectors.page_of(conversation, 0)
    in_console: Any = msgspec.json.decode(protocol.encode(page))
    messages, _ = selectors.messages_after(conversation.pk, 0)
    in_widget: Any = [
        msgspec.json.decode(protocol.encode(protocol.MessageFrame("", message)))["message"]
        for message in messages
    ]
    client.cookies["sessionid"] = session_of(cast.wen)
    in_admin = client.get(f"/admin/chat/conversation/{conversation.pk}/change/").content.decode()
    in_transcript = entries(transcript_of(conversation))
    for message, framed, (seq, _, text) in zip(in_console["messages"], in_widget, in_transcript, strict=True):
        assert message["body"] == framed["body"] == text
        assert message["seq"] == seq
        start_of_message = in_admin.index(f'id="message-{conversation.uuid}-{seq}"')
        body = re.search(r'class="body"[^>]*>(.*?)</(?:div|span)>', in_admin[start_of_message:], re.DOTALL)
        assert body is not None
        assert html.unescape(body[1]) == text
        # Browsers turn a carriage return in HTML into a line feed (HTML standard, 13.2.3.5).
        assert "\r" not in body[1]


def test_message_text_cannot_forge_an_entry_of_the_transcript(cast: Cast) -> None:
    conversation = converse(cast)
    authors = [author for _, author, _ in entries(transcript_of(conversation))]
    assert authors[0] == "系统"
    assert authors[1:] == [
        "访客" if index % 2 == 0 else "坐席 林梅（工号 1001）" for index in range(len(BODIES))
    ]


def test_name_with_line_breaks_stays_on_one_line(cast: Cast) -> None:
    conversation = start(cast, name="王女士")
    conversation.visitor.name = "王\n\n9  2026-01-01 00:00:00  坐席"
    conversation.visitor.save(update_fields=["name"])
    say(conversation, "您好")
    assert [author for _, author, _ in entries(transcript_of(conversation))] == [
        "访客 王 9 2026-01-01 00:00:00 坐席"
    ]


def test_transcript_head_names_bank_number_and_time_zone_and_foot_the_digest(cast: Cast) -> None:
    conversation = converse(cast, language="en")
    agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
    conversation.refresh_from_db()
    text = transcript_of(conversation)
    head, _, _ = text.partition("-" * 60)
    assert head.startswith("Qinglan Bank\n")
    assert str(conversation.uuid) in head
    assert "Asia/Shanghai" in head
    assert conversation.digest
    assert text.rstrip().endswith(conversation.digest)
    assert file_name(conversation).isascii()


def test_transcript_names_choices_and_files(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei, language="en")
    choices = {"choices": ["Yes", "No\nthanks"]}
    payload = {"attachment": str(uuid4()), "content_type": "image/png", "size": 2048, "width": 1, "height": 1}
    me = person_of(cast.mei)
    posts.post_batch(
        [
            posts.Post(conversation.pk, uuid4(), "Shall I?", agent=me, payload=choices),
            posts.Post(
                conversation.pk,
                uuid4(),
                "card.png",
                agent=me,
                kind=MessageKind.ATTACHMENT,
                payload=payload,
            ),
        ]
    )
    text = transcript_of(conversation)
    assert "\nChoices: Yes | No thanks\n" in text
    assert re.search(r"File: PNG, 2.0\sKB\n    card\.png\n", text)


def test_transcript_holds_no_notes(cast: Cast, client: Client) -> None:
    conversation = converse(cast)
    agents.add_note(staff=cast.mei, uuid=conversation.uuid, body="between us")
    assert Note.objects.exists()
    assert "between us" not in transcript_of(conversation)
    client.cookies["sessionid"] = session_of(cast.wen)
    page = client.get(f"/admin/chat/conversation/{conversation.pk}/change/").content.decode()
    assert "between us" in page


def test_transcript_takes_one_query(cast: Cast, django_assert_num_queries: Any) -> None:
    conversation = Conversation.objects.select_related("site").get(pk=converse(cast).pk)
    with django_assert_num_queries(1):
        transcript_of(conversation)


# -- access ------------------------------------------------------------------------------------------------------


def test_visitor_downloads_their_own_transcript(
    cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.widget.attachment_views._transcripts", limits.Buckets(limits.transcripts))
    conversation, other = converse(cast), start(cast)
    say(other, "somebody else's")
    token = token_for(conversation.visitor.uuid, cast.site.key)
    response = client.get("/chat/transcript", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["Content-Disposition"].startswith("attachment; filename=")
    assert response["Cache-Control"] == "no-store"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert not response.cookies
    assert response.content.decode() == transcript_of(conversation)


def test_staff_download_only_readable_transcripts_and_each_download_is_audited(cast: Cast) -> None:
    conversation = converse(cast)
    expected = {cast.mei: 200, cast.hao: 200, cast.jun: 404, cast.yun: 200, cast.an: 403}
    for staff, status in expected.items():
        browser = Client()
        browser.cookies["sessionid"] = session_of(staff)
        response = browser.get(f"/console/conversations/{conversation.uuid}/transcript")
        assert response.status_code == status, staff
        audited = AuditEntry.objects.filter(verb="transcript.downloaded", actor=staff)
        assert [entry.object_id for entry in audited] == ([str(conversation.uuid)] if status == 200 else [])
        if status == 200:
            assert response.content.decode() == transcript_of(conversation)
