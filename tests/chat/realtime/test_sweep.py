"""Tests of the sweep: it finds changes in the database whose notifications were lost, and sends them to the sockets.

They guard invariant 2 of tests/test_invariants.py (nothing accepted is lost, doubled or reordered). On PostgreSQL, 19
of 20 rounds check only conversations that may have changed. On SQLite, every round checks all conversations.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import batch_statements
from chat.actions import agents, visitors
from chat.actions.events import show_visitor
from chat.actions.posts import Post, post_batch
from chat.models import Conversation, Note, Visitor
from chat.protocol import Row, serializers
from chat.realtime import sweep, sweep_queries
from chat.realtime.delivery import Hub
from tests.chat.realtime.test_state_equals_events import Screen
from tests.people import Cast, create_cast, start, start_with

pytestmark = pytest.mark.django_db(transaction=True)
both_databases = pytest.mark.both_databases


class Box(Screen):
    def __init__(self, visitor: Visitor) -> None:
        super().__init__()
        self.visitor = visitor
        self.is_lost = False

    def tokens_voided(self, generation: int) -> None:
        self.is_lost = True

    def lost_conversation(self) -> None:
        self.is_lost = True


class Process:
    """A fake server process: a hub that receives no notifications, and a sweep that runs one round at each call of
    `round`."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.cursor = sweep_queries.SweepCursor(timezone.now())
        self.examined: list[int] = []
        self.round()

    def open(self, conversation: Conversation) -> Box:
        box = Box(conversation.visitor)
        self.hub.join(conversation.pk, box)
        self.hub.note_head(conversation.pk, Conversation.objects.get(pk=conversation.pk).last_seq)
        return box

    def round(self) -> None:
        self.cursor = async_to_sync(sweep._send_missed)(self.hub, self.cursor)


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    return create_cast()


@pytest.fixture
def process(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """Yield a fake server process. Its `examined` lists the conversations that the last round of the sweep examined."""
    process = Process()
    stored_rows = sweep_queries._stored_rows

    def recording(request: sweep_queries.SweepRequest) -> Any:
        result = stored_rows(request)
        process.examined = sorted(result[2])
        return result

    monkeypatch.setattr(sweep_queries, "_stored_rows", recording)
    yield process
    connection.close()


def post_elsewhere(conversation: Conversation, body: str = "在吗") -> None:
    """Store a message as another server process would do, but without a notification."""
    post_batch([Post(conversation.pk, uuid4(), body, visitor_id=conversation.visitor_id)])


def bodies(box: Screen) -> list[str]:
    return [frame["message"]["body"] for frame in box.frames if frame["kind"] == "message"]


def test_sweep_examines_only_conversations_that_have_changed(cast: Cast, process: Process) -> None:
    quiet, busy = start(cast), start_with(cast, cast.mei)
    for conversation in (quiet, busy):
        process.open(conversation)
    process.round()
    assert process.examined == sorted([quiet.pk, busy.pk])
    process.round()
    post_elsewhere(busy)
    process.round()
    assert process.examined == [busy.pk]


def test_round_costs_one_query_while_nothing_is_written(
    cast: Cast, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = start_with(cast, cast.mei)
    box = process.open(conversation)
    process.round()
    process.round()
    process.examined = []
    statements: list[str] = []
    fetch = batch_statements.fetch

    def counted(sql: str, parameters: list[Any]) -> list[Any]:
        statements.append(sql)
        return fetch(sql, parameters)

    monkeypatch.setattr(batch_statements, "fetch", counted)
    with CaptureQueriesContext(connection) as queries:
        process.round()
    assert (process.examined, len(statements), len(queries)) == ([], 1, 0)
    post_elsewhere(conversation)
    process.round()
    assert bodies(box) == ["在吗"]


@both_databases
def test_sweep_sends_a_missed_message_in_one_round(cast: Cast, process: Process) -> None:
    conversation = start_with(cast, cast.mei)
    box = process.open(conversation)
    for number in range(4):
        process.round()
        process.round()
        post_elsewhere(conversation, str(number))
        process.round()
        assert bodies(box) == [str(sent) for sent in range(number + 1)]


def test_sweep_finds_a_transaction_that_commits_rounds_after_it_wrote(cast: Cast, process: Process) -> None:
    """Check that the sweep finds rows that were written several rounds before their transaction committed.

    Neither a timestamp nor an id shows that such rows are new.
    """
    conversation, other = start_with(cast, cast.mei), start(cast)
    box = process.open(conversation)
    process.round()
    is_written, commit = threading.Event(), threading.Event()

    def late() -> None:
        with transaction.atomic():
            post_elsewhere(conversation, "晚")
            is_written.set()
            assert commit.wait(20)
        connection.close()

    thread = threading.Thread(target=late)
    thread.start()
    assert is_written.wait(10)
    for _ in range(3):
        post_elsewhere(other)
        process.round()
    assert bodies(box) == []
    commit.set()
    thread.join(10)
    process.round()
    assert bodies(box) == ["晚"]


@both_databases
def test_sweep_corrects_an_outdated_event(cast: Cast, process: Process) -> None:
    """Check that the sweep corrects a screen after an outdated event, although the database has not changed since the
    last round."""
    conversation = start_with(cast, cast.mei)
    box = process.open(conversation)
    _, events = post_batch([Post(conversation.pk, uuid4(), "第一句", visitor_id=conversation.visitor_id)])
    agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
    process.round()
    process.round()
    sent = process.hub.sent_rows[conversation.pk]
    process.hub.sent_rows[conversation.pk] = sent._replace(revision=sent.revision - 1)
    process.hub.route(events)
    process.round()
    states = [frame["state"]["status"] for frame in box.frames if frame["kind"] == "state"]
    assert states[-1] == "wrap_up"
    assert len(states) == 2


@both_databases
def test_sweep_sends_missed_messages_to_a_socket_that_joins_late(cast: Cast, process: Process) -> None:
    """Check that the sweep also compares a new socket with the database.

    The conversation has not changed for several rounds, but the new socket lacks a message.
    """
    conversation = start_with(cast, cast.mei)
    process.open(conversation)
    post_elsewhere(conversation, "一")
    post_elsewhere(conversation, "二")
    process.round()
    process.round()
    late = Box(conversation.visitor)
    process.hub.join(conversation.pk, late)
    process.hub.note_head(conversation.pk, Conversation.objects.get(pk=conversation.pk).last_seq - 1)
    process.round()
    assert bodies(late) == ["二"]


@both_databases
def test_sweep_ends_the_widget_of_a_conversation_given_to_another_visitor(
    cast: Cast, process: Process
) -> None:
    conversation = start(cast)
    box, other = process.open(conversation), process.open(start_with(cast, cast.mei))
    process.round()
    process.round()
    verified = Visitor.objects.create(site=conversation.site, level="verified", customer_reference="c-1")
    Conversation.objects.filter(pk=conversation.pk).update(visitor=verified)
    process.round()
    assert (box.is_lost, other.is_lost) == (True, False)


@both_databases
def test_sweep_sends_a_changed_rating_and_a_changed_name(cast: Cast, process: Process) -> None:
    conversation = start_with(cast, cast.mei)
    box = process.open(conversation)
    process.round()
    process.round()
    console = Console(cast)
    process.hub.add_staff(console)
    with transaction.atomic():
        Visitor.objects.filter(pk=conversation.visitor_id).update(name="李雷雷")
        show_visitor([conversation.visitor_id])
    process.round()
    assert "李雷雷".encode() in console.frames[-1]
    agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
    visitors.rate(visitor=conversation.visitor, score=4, comment="")
    process.round()
    assert box.frames[-1]["state"]["rating"] == 4


class Console:
    """A fake agent socket that records the frames pushed to it."""

    session_key, role, sees_all = "", "agent", False

    def __init__(self, cast: Cast) -> None:
        self.staff, self.staff_id = cast.mei, cast.mei.pk
        self.departments = frozenset(cast.mei.departments.values_list("pk", flat=True))
        self.watched: dict[str, int] = {}
        self.parked: dict[str, int] = {}
        self.frames: list[bytes] = []

    def push(self, text: bytes) -> None:
        self.frames.append(text)

    def end(self, code: str) -> None:
        raise AssertionError(code)

    def moved_away(self, pk: int, row: Row) -> None:
        raise AssertionError(pk)

    def park(self, uuid: str) -> None:
        raise AssertionError(uuid)

    async def watch_again(self, uuid: str) -> None:
        raise AssertionError(uuid)


def test_sweep_finds_rows_whose_timestamps_are_an_hour_behind(cast: Cast, process: Process) -> None:
    """Check that consoles receive a conversation and a note from a machine whose clock is an hour slow."""
    console = Console(cast)
    process.hub.add_staff(console)
    watched = start_with(cast, cast.mei)
    process.hub.watch(watched.pk, console)
    process.round()
    process.round()
    console.frames.clear()
    conversation = start(cast)
    hour = timezone.now() - timedelta(hours=1)
    Conversation.objects.filter(pk=conversation.pk).update(
        started_at=hour, waiting_since=hour, last_message_at=hour
    )
    Note.objects.create(conversation=watched, author=cast.mei, body="慢一小时", after_seq=0, at=hour)
    process.round()
    assert any(str(conversation.uuid).encode() in frame for frame in console.frames)
    assert sum("慢一小时".encode() in frame for frame in console.frames) == 1
    process.round()
    process.round()
    assert sum("慢一小时".encode() in frame for frame in console.frames) == 1


@both_databases
@pytest.mark.parametrize("status", ["waiting", "active"])
def test_sweep_sends_a_missed_conversation_although_another_screen_has_loaded_it(
    cast: Cast, process: Process, status: str
) -> None:
    """Check that a console gets a conversation whose notification was lost.

    Before the next round of the sweep, another screen in the same process has already loaded this conversation.
    """
    console = Console(cast)
    process.hub.add_staff(console)
    process.round()
    conversation = start(cast) if status == "waiting" else start_with(cast, cast.mei)
    (row,) = serializers.rows_in(Conversation.objects.filter(pk=conversation.pk))
    process.hub.note_row(conversation.pk, row)
    process.round()
    assert any(str(conversation.uuid).encode() in frame for frame in console.frames)
    console.frames.clear()
    process.round()
    assert console.frames == []


def test_sweep_does_not_send_conversations_that_a_console_loaded_on_opening(
    cast: Cast, process: Process
) -> None:
    conversation = start(cast)
    process.round()
    console = Console(cast)
    process.hub.add_staff(console)
    (row,) = serializers.rows_in(Conversation.objects.filter(pk=conversation.pk))
    process.hub.note_row(conversation.pk, row)
    process.round()
    assert console.frames == []
