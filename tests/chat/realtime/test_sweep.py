"""The sweep finds what the doorbell did not bring, and looks only at what may have changed.

Guards invariant 2 where each round but one in twenty leaves out what stands as it did. On SQLite each looks at
everything.
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
from django.utils import timezone

from chat.actions import agents
from chat.actions.posts import Post, post_batch
from chat.models import Conversation, Note, Rating, Visitor
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
    """A hub whose doorbell is dead, one round of the sweep at a time."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.seen = sweep_queries.SweepCursor(timezone.now())
        self.looked_at: list[int] = []
        self.round()

    def open(self, conversation: Conversation) -> Box:
        box = Box(conversation.visitor)
        self.hub.join(conversation.pk, box)
        self.hub.note_head(conversation.pk, Conversation.objects.get(pk=conversation.pk).last_seq)
        return box

    def round(self) -> None:
        self.seen = async_to_sync(sweep._send_missed)(self.hub, self.seen)


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    return create_cast()


@pytest.fixture
def process(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """As it is after some rounds with one box open; `looked_at` are the conversations of each later round."""
    process = Process()
    concerned = sweep_queries._concerned

    def noting(asked: sweep_queries.SweepRequest) -> Any:
        answer = concerned(asked)
        process.looked_at = sorted(answer[3])
        return answer

    monkeypatch.setattr(sweep_queries, "_concerned", noting)
    yield process
    connection.close()


def said(conversation: Conversation, body: str = "在吗") -> None:
    """On another process."""
    post_batch([Post(conversation.pk, uuid4(), body, visitor_id=conversation.visitor_id)])


def bodies(box: Screen) -> list[str]:
    return [frame["message"]["body"] for frame in box.frames if frame["kind"] == "message"]


def test_what_stands_as_it_did_is_not_looked_at_again(cast: Cast, process: Process) -> None:
    quiet, busy = start(cast), start_with(cast, cast.mei)
    for conversation in (quiet, busy):
        process.open(conversation)
    process.round()
    assert process.looked_at == sorted([quiet.pk, busy.pk])
    process.round()
    said(busy)
    process.round()
    assert process.looked_at == [busy.pk]


@both_databases
def test_a_message_of_a_quiet_conversation_is_found_in_one_round(cast: Cast, process: Process) -> None:
    conversation = start_with(cast, cast.mei)
    box = process.open(conversation)
    for number in range(4):
        process.round()
        process.round()
        said(conversation, str(number))
        process.round()
        assert bodies(box) == [str(each) for each in range(number + 1)]


def test_a_transaction_that_commits_late_is_found_then(cast: Cast, process: Process) -> None:
    """Its rows were written rounds ago: neither a time nor an id of theirs would tell."""
    conversation, other = start_with(cast, cast.mei), start(cast)
    box = process.open(conversation)
    process.round()
    is_written, commit = threading.Event(), threading.Event()

    def late() -> None:
        with transaction.atomic():
            said(conversation, "晚")
            is_written.set()
            assert commit.wait(20)
        connection.close()

    thread = threading.Thread(target=late)
    thread.start()
    assert is_written.wait(10)
    for _ in range(3):
        said(other)
        process.round()
    assert bodies(box) == []
    commit.set()
    thread.join(10)
    process.round()
    assert bodies(box) == ["晚"]


@both_databases
def test_an_older_event_that_comes_too_late_is_put_right(cast: Cast, process: Process) -> None:
    """Nothing changes in the database then: what was told here has."""
    conversation = start_with(cast, cast.mei)
    box = process.open(conversation)
    _, events = post_batch([Post(conversation.pk, uuid4(), "第一句", visitor_id=conversation.visitor_id)])
    agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
    process.round()
    process.round()
    process.hub.told[conversation.pk] = process.hub.told[conversation.pk]._replace(status="active")
    process.hub.route(events)
    process.round()
    states = [frame["state"]["status"] for frame in box.frames if frame["kind"] == "state"]
    assert states[-1] == "wrap_up"
    assert len(states) == 2


@both_databases
def test_who_comes_with_an_old_screen_is_brought_up_to_date(cast: Cast, process: Process) -> None:
    """A screen that joins late stands where it stood: the conversation has not changed for rounds."""
    conversation = start_with(cast, cast.mei)
    process.open(conversation)
    said(conversation, "一")
    said(conversation, "二")
    process.round()
    process.round()
    late = Box(conversation.visitor)
    process.hub.join(conversation.pk, late)
    process.hub.note_head(conversation.pk, Conversation.objects.get(pk=conversation.pk).last_seq - 1)
    process.round()
    assert bodies(late) == ["二"]


@both_databases
def test_a_conversation_that_has_become_anothers_is_not_heard(cast: Cast, process: Process) -> None:
    conversation = start(cast)
    box, other = process.open(conversation), process.open(start_with(cast, cast.mei))
    process.round()
    process.round()
    verified = Visitor.objects.create(site=conversation.site, level="verified", customer_reference="c-1")
    Conversation.objects.filter(pk=conversation.pk).update(visitor=verified)
    process.round()
    assert (box.is_lost, other.is_lost) == (True, False)


@both_databases
def test_a_rating_and_a_name_are_seen_too(cast: Cast, process: Process) -> None:
    conversation = start_with(cast, cast.mei)
    box = process.open(conversation)
    process.round()
    process.round()
    Visitor.objects.filter(pk=conversation.visitor_id).update(name="李雷雷")
    process.round()
    assert process.hub.told[conversation.pk].visitor_name == "李雷雷"
    with transaction.atomic():
        Rating.objects.create(conversation=conversation, score=4)
        Conversation.objects.filter(pk=conversation.pk).update(last_seq=conversation.last_seq)
    process.round()
    assert box.frames[-1]["state"]["rating"] == 4


class Console:
    """An agent's socket without its wire."""

    session_key, role, sees_all = "", "agent", False

    def __init__(self, cast: Cast) -> None:
        self.staff, self.staff_id = cast.mei, cast.mei.pk
        self.departments = frozenset(cast.mei.departments.values_list("pk", flat=True))
        self.watched: dict[str, int] = {}
        self.frames: list[bytes] = []

    def push(self, text: bytes) -> None:
        self.frames.append(text)

    def end(self, code: str) -> None:
        raise AssertionError(code)

    def moved_away(self, pk: int, row: Row) -> None:
        raise AssertionError(pk)


def test_clocks_of_other_machines_may_be_an_hour_wrong(cast: Cast, process: Process) -> None:
    """A conversation and a note that say they are an hour old are news to a console that has not heard of them."""
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
@pytest.mark.parametrize("how", ["waits", "is assigned"])
def test_what_one_screen_has_read_is_news_to_a_console_that_was_not_told(
    cast: Cast, process: Process, how: str
) -> None:
    """The doorbell was lost, and before the next round another screen of this process opened and read it."""
    console = Console(cast)
    process.hub.add_staff(console)
    process.round()
    conversation = start(cast) if how == "waits" else start_with(cast, cast.mei)
    (row,) = serializers.rows_in(Conversation.objects.filter(pk=conversation.pk))
    process.hub.note_row(conversation.pk, row)
    process.round()
    assert any(str(conversation.uuid).encode() in frame for frame in console.frames)
    console.frames.clear()
    process.round()
    assert console.frames == []


def test_what_stood_in_the_lists_already_is_not_told_once_more(cast: Cast, process: Process) -> None:
    conversation = start(cast)
    process.round()
    console = Console(cast)
    process.hub.add_staff(console)
    (row,) = serializers.rows_in(Conversation.objects.filter(pk=conversation.pk))
    process.hub.note_row(conversation.pk, row)
    process.round()
    assert console.frames == []
