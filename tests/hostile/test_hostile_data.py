"""Tests that send every hostile string through every input, and find it in frames, transcripts and exports, changed
only as documented."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from openpyxl import load_workbook

from chat import protocol
from chat.actions import agents, visitors
from chat.actions.canned_replies import make_answer, save_reply
from chat.actions.posts import Post, post_batch
from chat.archive.transcript import transcript_of
from chat.canned_replies import unfilled_placeholders
from chat.errors import EmptyText, UnfilledPlaceholder
from chat.models import CannedReply, Conversation, Note, Rating, Visitor
from chat.protocol import AcceptedFrame
from chat.selectors import page_of
from core.text.cleaning import clean_line, clean_text
from tests.hostile.corpus import (
    MAX_BODY,
    MAX_COMMENT,
    MAX_NAME,
    MAX_TITLE,
    as_line,
    as_text,
    batches,
    lines,
    naughty,
    own,
    own_by_kind,
    packed,
    payloads,
    texts,
)
from tests.people import Cast, create_cast, session_of, start, start_with

ALL_STRINGS = own() + naughty() + payloads()
# Actions that take much longer than storing a message are tested only with our own strings, the naughty strings and
# every twentieth payload. Other tests clean all strings, store them as messages, and store them in the columns that
# these actions write.
FEWER = naughty() + payloads()[::20]

# Run these tests without the usual surrounding transaction, because PostgreSQL slows down when thousands of actions
# share one.
SEPARATE_TRANSACTIONS = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cast(db: None) -> Cast:
    return create_cast()


def say_all(conversation: Conversation, bodies: list[str]) -> None:
    for batch in batches(bodies, 200):
        visitor = conversation.visitor_id
        outcomes, _ = post_batch([Post(conversation.pk, uuid4(), body, visitor_id=visitor) for body in batch])
        assert all(isinstance(outcome, AcceptedFrame) for outcome in outcomes)


def bodies_of(conversation: Conversation) -> list[str]:
    spoken = conversation.messages.exclude(author_role="system").order_by("seq")
    return list(spoken.values_list("body", flat=True))


def test_own_strings_are_many_distinct_and_cover_nul_and_surrogates() -> None:
    assert len(own()) == len(set(own())) >= 120
    assert all(own_by_kind().values())
    assert any("\ud800" <= character <= "\udfff" for text in own() for character in text)
    assert any("\x00" in text for text in own())


# -- Input ---------------------------------------------------------------------------------------------------


def test_cleaning_changes_text_only_as_documented() -> None:
    for text in ALL_STRINGS:
        assert clean_text(text) == as_text(text)
        assert clean_line(text, MAX_NAME) == as_line(text, MAX_NAME)
        # Cleaning a cleaned text again must not change it.
        assert clean_text(clean_text(text)) == clean_text(text)
        assert clean_line(clean_line(text, MAX_NAME), MAX_NAME) == clean_line(text, MAX_NAME)


def test_post_frame_carries_every_string() -> None:
    for text in ALL_STRINGS:
        for piece in texts([text]):
            sent = json.dumps({"kind": "post", "client_id": str(uuid4()), "body": piece})
            frame = protocol.decode_visitor(sent)
            assert isinstance(frame, protocol.PostFrame)
            assert as_text(frame.body) == piece


@pytest.mark.both_databases
def test_messages_are_stored_and_sent_unchanged(cast: Cast) -> None:
    conversation = start(cast)
    wanted = texts(ALL_STRINGS)

    say_all(conversation, wanted)

    assert bodies_of(conversation) == wanted
    conversation.refresh_from_db()
    on_the_wire: list[str] = []
    while len(on_the_wire) < len(wanted):
        frame = protocol.encode(page_of(conversation, len(on_the_wire)))
        on_the_wire += [message["body"] for message in json.loads(frame)["messages"]]
    assert on_the_wire == wanted


@pytest.mark.both_databases
def test_agent_answers_are_stored_unchanged(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    wanted = texts(own()) + packed(naughty() + payloads(), MAX_BODY)
    wanted = [text for text in wanted if not unfilled_placeholders(text)]

    for batch in batches(wanted, 100):
        posts = [
            make_answer(staff=cast.mei, uuid=conversation.uuid, client_id=uuid4(), body=text)
            for text in batch
        ]
        post_batch(posts)

    assert bodies_of(conversation) == wanted


def test_only_known_placeholders_are_refused(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)

    def answer(text: str) -> None:
        make_answer(staff=cast.mei, uuid=conversation.uuid, client_id=uuid4(), body=text)

    for text in own_by_kind()["placeholders that are none of ours"]:
        answer(text)
    with pytest.raises(UnfilledPlaceholder):
        answer("{agent_name}")
    with pytest.raises(EmptyText):
        answer("\x00 \n")


@SEPARATE_TRANSACTIONS
def test_notes_are_stored_unchanged(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    wanted = texts(own()) + packed(FEWER, MAX_BODY)

    for text in wanted:
        agents.add_note(staff=cast.mei, uuid=conversation.uuid, body=text)

    assert list(Note.objects.order_by("id").values_list("body", flat=True)) == wanted


@SEPARATE_TRANSACTIONS
def test_rating_comments_are_stored_unchanged(cast: Cast) -> None:
    wanted = texts(own(), MAX_COMMENT) + packed(FEWER, MAX_COMMENT)
    for batch in batches(wanted, 40):
        conversation = start_with(cast, cast.mei)
        agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
        for text in batch:
            visitors.rate(visitor=conversation.visitor, score=3, comment=text)
            assert Rating.objects.get(conversation=conversation).comment == text


@SEPARATE_TRANSACTIONS
def test_visitor_names_are_stored_on_one_line(cast: Cast) -> None:
    # Starting a conversation is the slowest of these actions, so use even fewer strings.
    for text in own() + FEWER[::20]:
        assert start(cast, name=text).visitor.name == as_line(text, MAX_NAME)


@pytest.mark.both_databases
def test_all_strings_are_stored_as_visitor_names(cast: Cast) -> None:
    names = lines(ALL_STRINGS, MAX_NAME)
    Visitor.objects.bulk_create(Visitor(site=cast.site, uuid=uuid4(), name=name) for name in names)
    assert list(Visitor.objects.order_by("id").values_list("name", flat=True)) == names


@pytest.mark.both_databases
def test_canned_replies_are_stored_unchanged(cast: Cast) -> None:
    wanted = texts(own()) + packed(naughty() + payloads(), MAX_BODY)

    for index, text in enumerate(wanted):
        title = as_line(text, MAX_TITLE)
        reply = CannedReply(owner=cast.mei, language="zh", shortcut=f"s{index}", title=title, body=text)
        save_reply(staff=cast.mei, reply=reply)

    stored = CannedReply.objects.order_by("id").values_list("title", "body")
    assert list(stored) == [(as_line(text, MAX_TITLE), text) for text in wanted]


# -- Output --------------------------------------------------------------------------------------------------

# Everything that some program treats as a line break. The transcript indents the text after every such line break
# (chat/archive/transcript.py).
BREAK = "\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]"


def test_transcript_contains_every_character(cast: Cast) -> None:
    conversation = start(cast)
    wanted = texts(ALL_STRINGS)
    say_all(conversation, wanted)
    visitors.end_by_visitor(visitor=conversation.visitor)
    conversation.refresh_from_db()

    transcript = transcript_of(conversation)

    # Only the transcript's own headings begin at the margin. Messages are indented.
    entries = re.split(r"\n\n(?=\S)", transcript)[1:]
    bodies = [entry.partition("\n")[2] for entry in entries[: len(wanted)]]
    assert [re.sub(f"({BREAK}|^)    ", r"\1", text) for text in bodies] == wanted


def export(client: Client, cast: Cast, resource: int, kind: int) -> bytes:
    client.cookies["sessionid"] = session_of(cast.wen)
    form = {"resource": str(resource), "format": str(kind)}
    page = client.get("/admin/chat/conversation/export/")
    for name in re.findall(r'name="([^"]+)" (?:id="[^"]+" )?checked', page.content.decode()):
        form[name] = "on"
    for name in re.findall(r'type="checkbox" name="([^"]+)"', page.content.decode()):
        form[name] = "on"
    answer = client.post("/admin/chat/conversation/export/", form)
    assert answer.status_code == 200
    assert "attachment" in answer["Content-Disposition"], answer.content.decode()[:2000]
    return bytes(answer.content)


def unquote(cell: Any) -> str:
    text = "" if cell is None else str(cell)
    return text.removeprefix("'")


def test_csv_and_xlsx_exports_contain_every_character_and_no_formula(cast: Cast, client: Client) -> None:
    conversation = start(cast, name=as_line("=cmd|'/C calc'!A0", MAX_NAME))
    wanted = texts(ALL_STRINGS)
    say_all(conversation, wanted)

    table = export(client, cast, resource=1, kind=1).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(table, newline="")))
    assert [unquote(row[-1]) for row in rows[1:]] == wanted
    assert not [row for row in rows for cell in row if cell.startswith(tuple("=+-@\t\r\n|%＝＋－＠"))]

    book = load_workbook(io.BytesIO(export(client, cast, resource=1, kind=0)))
    cells = [row[-1] for row in list(book.worksheets[0].iter_rows())[1:]]
    assert all(cell.data_type == "s" for cell in cells)
    in_xml = re.compile("_x([0-9A-Fa-f]{4})_")
    assert [in_xml.sub(lambda m: chr(int(m[1], 16)), unquote(cell.value)) for cell in cells] == wanted
