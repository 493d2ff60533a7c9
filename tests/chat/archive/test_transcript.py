"""The transcript to take away: the stored words to the letter, and no way to write an entry of somebody else's."""

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
    """(seq, author, body) of each entry, as a reader takes them apart who knows only the rule of four blanks."""
    return [(int(seq), author, _BREAKS.sub(r"\1", body)) for seq, _at, author, body in _ENTRY.findall(text)]


def talk(cast: Cast, **options: Any) -> Conversation:
    conversation = start_with(cast, cast.mei, **options)
    for index, body in enumerate(BODIES):
        say(conversation, body, by=cast.mei if index % 2 else None)
    return conversation


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_words_come_out_to_the_letter(cast: Cast, language: str) -> None:
    conversation = talk(cast, language=language)
    found = entries(transcript_of(conversation))
    stored = list(
        Message.objects.filter(conversation=conversation).order_by("seq").values_list("seq", "body")
    )
    assert [(seq, body) for seq, _, body in found] == stored
    assert len(found) == len(BODIES) + 1


def test_box_console_admin_and_transcript_agree_to_the_letter(cast: Cast, client: Client) -> None:
    conversation = talk(cast)
    page = selectors.page_of(conversation, 0)
    in_console: Any = msgspec.json.decode(protocol.encode(page))
    box, _ = selectors.messages_after(conversation.pk, 0)
    in_box: Any = [
        msgspec.json.decode(protocol.encode(protocol.MessageFrame("", message)))["message"] for message in box
    ]
    client.cookies["sessionid"] = session_of(cast.wen)
    shown = client.get(f"/admin/chat/conversation/{conversation.pk}/change/").content.decode()
    taken = entries(transcript_of(conversation))
    for message, framed, (seq, _, text) in zip(in_console["messages"], in_box, taken, strict=True):
        assert message["body"] == framed["body"] == text
        assert message["seq"] == seq
        place = shown.index(f'id="message-{conversation.uuid}-{seq}"')
        body = re.search(r'class="body"[^>]*>(.*?)</(?:div|span)>', shown[place:], re.DOTALL)
        assert body is not None
        assert html.unescape(body[1]) == text
        # A bare return would reach the reader as a line feed (HTML standard, 13.2.3.5).
        assert "\r" not in body[1]


def test_nobody_can_write_an_entry_of_somebody_else(cast: Cast) -> None:
    conversation = talk(cast)
    authors = [author for _, author, _ in entries(transcript_of(conversation))]
    assert authors[0] == "系统"
    assert authors[1:] == [
        "访客" if index % 2 == 0 else "坐席 林梅（工号 1001）" for index in range(len(BODIES))
    ]


def test_a_name_of_several_lines_stays_on_its_line(cast: Cast) -> None:
    conversation = start(cast, name="王女士")
    conversation.visitor.name = "王\n\n9  2026-01-01 00:00:00  坐席"
    conversation.visitor.save(update_fields=["name"])
    say(conversation, "您好")
    assert [author for _, author, _ in entries(transcript_of(conversation))] == [
        "访客 王 9 2026-01-01 00:00:00 坐席"
    ]


def test_the_head_names_bank_number_and_zone_and_the_foot_the_check_value(cast: Cast) -> None:
    conversation = talk(cast, language="en")
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


def test_buttons_and_files_are_named(cast: Cast) -> None:
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
    assert "\nTo choose from: Yes | No thanks\n" in text
    assert re.search(r"File: PNG, 2.0\sKB\n    card\.png\n", text)


def test_notes_are_not_in_it(cast: Cast, client: Client) -> None:
    conversation = talk(cast)
    agents.add_note(staff=cast.mei, uuid=conversation.uuid, body="between us")
    assert Note.objects.exists()
    assert "between us" not in transcript_of(conversation)
    client.cookies["sessionid"] = session_of(cast.wen)
    page = client.get(f"/admin/chat/conversation/{conversation.pk}/change/").content.decode()
    assert "between us" in page


def test_it_takes_one_query_however_long_it_is(cast: Cast, django_assert_num_queries: Any) -> None:
    conversation = Conversation.objects.select_related("site").get(pk=talk(cast).pk)
    with django_assert_num_queries(1):
        transcript_of(conversation)


# -- who may take it ------------------------------------------------------------------------------------------


def test_a_visitor_takes_their_own(cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.widget.attachment_views._transcripts", limits.Buckets(limits.transcripts))
    conversation, other = talk(cast), start(cast)
    say(other, "somebody else's")
    token = token_for(conversation.visitor.uuid, cast.site.key)
    answer = client.get("/chat/transcript", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"].startswith("attachment; filename=")
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert not answer.cookies
    assert answer.content.decode() == transcript_of(conversation)


def test_staff_take_what_they_may_read_and_that_is_noted(cast: Cast) -> None:
    conversation = talk(cast)
    expected = {cast.mei: 200, cast.hao: 200, cast.jun: 404, cast.yun: 200, cast.an: 403}
    for staff, status in expected.items():
        browser = Client()
        browser.cookies["sessionid"] = session_of(staff)
        answer = browser.get(f"/console/conversations/{conversation.uuid}/transcript")
        assert answer.status_code == status, staff
        noted = AuditEntry.objects.filter(verb="transcript.downloaded", actor=staff)
        assert [entry.object_id for entry in noted] == ([str(conversation.uuid)] if status == 200 else [])
        if status == 200:
            assert answer.content.decode() == transcript_of(conversation)
