"""Every hostile string through every door, and out again: on the wire, in the transcript, in the exports."""

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
    BODY,
    COMMENT,
    NAME,
    TITLE,
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

# Where a text costs more than a message does, what is not ours comes many to a text.
SINGLE = own() + naughty()
EVERY = SINGLE + payloads()

# PostgreSQL slows down where thousands of actions share a test's one transaction; in use each has its own.
MANY = pytest.mark.django_db(transaction=True)


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


def test_there_are_enough_of_our_own() -> None:
    assert len(own()) == len(set(own())) >= 120
    assert all(own_by_kind().values())
    assert any("\ud800" <= character <= "\udfff" for text in own() for character in text)
    assert any("\x00" in text for text in own())


# -- In ------------------------------------------------------------------------------------------------------


def test_words_are_changed_in_no_other_way_than_is_said() -> None:
    for text in EVERY:
        assert clean_text(text) == as_text(text)
        assert clean_line(text, NAME) == as_line(text, NAME)
        # Doing it twice is harmless.
        assert clean_text(clean_text(text)) == clean_text(text)
        assert clean_line(clean_line(text, NAME), NAME) == clean_line(text, NAME)


@pytest.mark.both_databases
def test_a_frame_brings_every_string(db: None) -> None:
    for text in EVERY:
        for piece in texts([text]):
            sent = json.dumps({"kind": "post", "client_id": str(uuid4()), "body": piece})
            frame = protocol.decode_visitor(sent)
            assert isinstance(frame, protocol.PostFrame)
            assert as_text(frame.body) == piece


@pytest.mark.both_databases
def test_messages_are_stored_and_sent_as_they_were_written(cast: Cast) -> None:
    conversation = start(cast)
    wanted = texts(EVERY)

    say_all(conversation, wanted)

    assert bodies_of(conversation) == wanted
    conversation.refresh_from_db()
    on_the_wire: list[str] = []
    while len(on_the_wire) < len(wanted):
        frame = protocol.encode(page_of(conversation, len(on_the_wire)))
        on_the_wire += [message["body"] for message in json.loads(frame)["messages"]]
    assert on_the_wire == wanted


@pytest.mark.both_databases
def test_agents_answers_are_stored_as_they_were_written(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    wanted = texts(own()) + packed(naughty() + payloads(), BODY)
    wanted = [text for text in wanted if not unfilled_placeholders(text)]

    for batch in batches(wanted, 100):
        posts = [
            make_answer(staff=cast.mei, uuid=conversation.uuid, client_id=uuid4(), body=text)
            for text in batch
        ]
        post_batch(posts)

    assert bodies_of(conversation) == wanted


def test_only_our_own_placeholders_are_refused(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)

    def answer(text: str) -> None:
        make_answer(staff=cast.mei, uuid=conversation.uuid, client_id=uuid4(), body=text)

    for text in own_by_kind()["placeholders that are none of ours"]:
        answer(text)
    with pytest.raises(UnfilledPlaceholder):
        answer("{agent_name}")
    with pytest.raises(EmptyText):
        answer("\x00 \n")


@pytest.mark.both_databases
@MANY
def test_notes_are_stored_as_they_were_written(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    wanted = texts(own()) + packed(naughty() + payloads(), BODY)

    for text in wanted:
        agents.add_note(staff=cast.mei, uuid=conversation.uuid, body=text)

    assert list(Note.objects.order_by("id").values_list("body", flat=True)) == wanted


@pytest.mark.both_databases
@MANY
def test_comments_are_stored_as_they_were_written(cast: Cast) -> None:
    wanted = texts(own(), COMMENT) + packed(naughty() + payloads(), COMMENT)
    for batch in batches(wanted, 40):
        conversation = start_with(cast, cast.mei)
        agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
        for text in batch:
            visitors.rate(visitor=conversation.visitor, score=3, comment=text)
            assert Rating.objects.get(conversation=conversation).comment == text


@pytest.mark.both_databases
@MANY
def test_names_are_stored_on_one_line(cast: Cast) -> None:
    for text in SINGLE:
        assert start(cast, name=text).visitor.name == as_line(text, NAME)


@MANY
def test_payloads_are_names_like_others(cast: Cast) -> None:
    """All of them fit their column; every twentieth comes in as a visitor's name does, which takes a while."""
    names = lines(payloads(), NAME)
    Visitor.objects.bulk_create(Visitor(site=cast.site, uuid=uuid4(), name=name) for name in names)
    assert list(Visitor.objects.order_by("id").values_list("name", flat=True)) == names
    for name in names[::20]:
        assert start(cast, name=name).visitor.name == name


@pytest.mark.both_databases
def test_canned_replies_are_stored_as_they_were_written(cast: Cast) -> None:
    wanted = texts(own()) + packed(naughty() + payloads(), BODY)

    for index, text in enumerate(wanted):
        title = as_line(text, TITLE)
        reply = CannedReply(owner=cast.mei, language="zh", shortcut=f"s{index}", title=title, body=text)
        save_reply(staff=cast.mei, reply=reply)

    stored = CannedReply.objects.order_by("id").values_list("title", "body")
    assert list(stored) == [(as_line(text, TITLE), text) for text in wanted]


# -- Out -----------------------------------------------------------------------------------------------------

# Where some program ends a line; the transcript sets in what follows (chat/archive/transcript.py says so).
BREAK = "\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]"


def test_the_transcript_holds_every_letter(cast: Cast) -> None:
    conversation = start(cast)
    wanted = texts(EVERY)
    say_all(conversation, wanted)
    visitors.end_by_visitor(visitor=conversation.visitor)
    conversation.refresh_from_db()

    transcript = transcript_of(conversation)

    # What begins at the margin is ours; a message is all that is set in.
    entries = re.split(r"\n\n(?=\S)", transcript)[1:]
    said = [entry.partition("\n")[2] for entry in entries[: len(wanted)]]
    assert [re.sub(f"({BREAK}|^)    ", r"\1", text) for text in said] == wanted


def exported(client: Client, cast: Cast, resource: int, kind: int) -> bytes:
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


def unquoted(cell: Any) -> str:
    text = "" if cell is None else str(cell)
    return text.removeprefix("'")


def test_both_kinds_of_export_hold_every_letter_and_no_formula(cast: Cast, client: Client) -> None:
    conversation = start(cast, name=as_line("=cmd|'/C calc'!A0", NAME))
    wanted = texts(EVERY)
    say_all(conversation, wanted)

    table = exported(client, cast, resource=1, kind=1).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(table, newline="")))
    assert [unquoted(row[-1]) for row in rows[1:]] == wanted
    assert not [row for row in rows for cell in row if cell.startswith(tuple("=+-@\t\r\n|%＝＋－＠"))]

    book = load_workbook(io.BytesIO(exported(client, cast, resource=1, kind=0)))
    cells = [row[-1] for row in list(book.worksheets[0].iter_rows())[1:]]
    assert all(cell.data_type == "s" for cell in cells)
    in_xml = re.compile("_x([0-9A-Fa-f]{4})_")
    assert [in_xml.sub(lambda m: chr(int(m[1], 16)), unquoted(cell.value)) for cell in cells] == wanted
