"""Tests of the writer, the thread that stores posts in batches.

They guard these invariants of tests/test_invariants.py:

- 1: accepted means committed.
- 3: seq has no gap.
- 4: doing anything twice is harmless.

tests/faults/test_outages.py tests failures of the database and of processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError, connection, transaction
from msgspec.structs import replace as replace_fields

import chat.realtime.writer
from chat import access, batch_statements, selectors
from chat.actions.events import ConversationChange, current_row
from chat.actions.posts import Outcome, Post, ReadMark, RowValues
from chat.models import Conversation, Message
from chat.protocol import AcceptedFrame, Event, MessagePosted
from chat.realtime import delivery
from chat.realtime.subscriptions import SentRow
from chat.realtime.writer import MAX_QUEUED, Writer
from tests.people import create_cast, start, start_with

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]

WITHIN_SECONDS = 20


class AnnouncedEvents(list[Event]):
    """The list of events that the writer has announced, in order."""

    def seqs(self, conversation: Conversation) -> list[int]:
        return [
            event.message.seq
            for event in self
            if isinstance(event, MessagePosted) and event.pk == conversation.pk
        ]


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> AnnouncedEvents:
    announced = AnnouncedEvents()
    monkeypatch.setattr(delivery, "announce", lambda events, *_: announced.extend(events))
    return announced


@pytest.fixture
def writer(announced: AnnouncedEvents) -> Iterator[Writer]:
    writer = Writer()
    yield writer
    assert writer.stop(WITHIN_SECONDS)


def post(conversation: Conversation, body: str) -> Post:
    return Post(conversation.pk, uuid4(), body, visitor_id=conversation.visitor_id)


def answer(future: Future[Outcome]) -> Outcome:
    return future.result(WITHIN_SECONDS)


def stored(conversation: Conversation) -> list[tuple[int, str]]:
    return list(conversation.messages.order_by("seq").values_list("seq", "body"))


def test_accepted_message_is_visible_to_other_connections(writer: Writer) -> None:
    """Check that a message is visible to other connections when the writer says "accepted"."""
    conversation = start(create_cast())
    visible: list[bool] = []

    def is_stored(client_id: str) -> bool:
        try:
            return Message.objects.filter(client_id=client_id).exists()
        finally:
            connection.close()

    def check_visibility(future: Future[Outcome]) -> None:
        # The writer's thread runs this callback before it does anything else. Another connection must already see the
        # message.
        outcome = future.result()
        assert isinstance(outcome, AcceptedFrame)
        with ThreadPoolExecutor(1) as other:
            visible.append(other.submit(is_stored, outcome.client_id).result(WITHIN_SECONDS))

    for number in range(5):
        future = writer.post(post(conversation, f"{number}"))
        future.add_done_callback(check_visibility)
        answer(future)
    assert writer.wait_until_idle(WITHIN_SECONDS)
    assert visible == [True] * 5


def test_posts_of_one_sender_keep_their_order(writer: Writer, announced: AnnouncedEvents) -> None:
    """Check that 450 posts, which are more than one batch, get consecutive seqs in their order."""
    conversation = start(create_cast())
    futures = [writer.post(post(conversation, f"第{number}句")) for number in range(450)]
    outcomes = [answer(future) for future in futures]

    assert [outcome.seq for outcome in outcomes if isinstance(outcome, AcceptedFrame)] == list(range(1, 451))
    assert stored(conversation) == [(number + 1, f"第{number}句") for number in range(450)]
    assert announced.seqs(conversation) == list(range(1, 451))


def test_posts_from_many_threads_leave_no_gap_in_seq(writer: Writer) -> None:
    """Check that posts from six threads to three conversations get seqs without a gap."""
    cast = create_cast()
    conversations = [start(cast) for _ in range(3)]
    with ThreadPoolExecutor(6) as threads:
        posts = [post(conversations[number % 3], "x") for number in range(240)]
        futures = list(threads.map(writer.post, posts))
    outcomes = [answer(future) for future in futures]

    assert all(isinstance(outcome, AcceptedFrame) for outcome in outcomes)
    for conversation in conversations:
        assert [seq for seq, _ in stored(conversation)] == list(range(1, 81))


def test_two_writers_and_an_action_assign_seqs_without_a_gap(writer: Writer) -> None:
    """Check that seqs have no gap when two writers and an agent's action write to one conversation."""
    cast = create_cast()
    conversation = start_with(cast, cast.mei)
    before, second = conversation.last_seq, Writer()
    futures = []
    for number in range(40):
        futures += [one.post(post(conversation, f"{number}")) for one in (writer, second)]
        if number % 4 == 0:
            with transaction.atomic():
                change = ConversationChange(access.lock(conversation.pk))
                change.add_event("assigned", "%(name)s", name="x")
                change.save()
    assert all(isinstance(answer(future), AcceptedFrame) for future in futures)
    assert second.stop(WITHIN_SECONDS)
    assert [seq for seq, _ in stored(conversation)] == list(range(1, before + 91))
    conversation.refresh_from_db()
    assert conversation.last_seq == before + 90


def test_repeated_post_gets_the_same_answer_even_while_the_first_is_pending(writer: Writer) -> None:
    """Check that all repeats of a post get the answer of the first one, and that only one message is stored."""
    conversation = start(create_cast())
    same = post(conversation, "一次")
    outcomes = [answer(future) for future in [writer.post(same) for _ in range(20)]]
    outcomes.append(answer(writer.post(same)))

    assert isinstance(outcomes[0], AcceptedFrame)
    assert outcomes == outcomes[:1] * 21
    assert stored(conversation) == [(1, "一次")]


@pytest.mark.parametrize(
    "poison",
    [{"body": "half a \ud83d character"}, {"payload": {"what": object()}}, {"client_id": "no id"}],
    ids=["body", "payload", "id"],
)
def test_post_that_cannot_be_stored_does_not_fail_the_rest_of_its_batch(
    writer: Writer, announced: AnnouncedEvents, poison: dict[str, str]
) -> None:
    cast = create_cast()
    conversation, other = start(cast), start(cast)
    with transaction.atomic():
        # The lock delays the first post, so that the posts after it form one batch.
        access.lock(conversation.pk)
        futures = [
            writer.post(queued)
            for queued in (
                post(conversation, "零"),
                post(conversation, "一"),
                replace(post(other, "x"), **poison),  # type: ignore[arg-type]
                post(conversation, "二"),
            )
        ]
    outcomes = [answer(future) for future in futures]

    assert [isinstance(outcome, AcceptedFrame) for outcome in outcomes] == [True, True, False, True]
    assert stored(conversation) == [(1, "零"), (2, "一"), (3, "二")]
    assert stored(other) == []
    assert announced.seqs(conversation) == [1, 2, 3]


def test_failing_answer_callback_does_not_affect_other_posts(writer: Writer) -> None:
    conversation = start(create_cast())

    def fail(_: Outcome) -> None:
        raise RuntimeError("gone")

    for number in range(50):
        writer.submit(post(conversation, f"{number}"), fail)
        writer.post(post(conversation, f"{number}"))
    assert isinstance(answer(writer.post(post(conversation, "x"))), AcceptedFrame)
    assert [seq for seq, _ in stored(conversation)] == list(range(1, 102))


def test_only_the_highest_read_mark_of_each_reader_is_stored(writer: Writer) -> None:
    cast = create_cast()
    conversation = start_with(cast, cast.mei)
    for number in (1, 3, 2):
        answer(writer.post(post(conversation, "x")))
        writer.mark(ReadMark(conversation.pk, number, number, visitor_id=conversation.visitor_id))
    writer.mark(ReadMark(conversation.pk, 4, 1, visitor_id=conversation.visitor_id))
    assert writer.wait_until_idle(WITHIN_SECONDS)

    conversation.refresh_from_db()
    assert (conversation.visitor_received_seq, conversation.visitor_read_seq) == (4, 3)


def test_writer_reads_a_conversation_again_after_a_failure_and_after_a_newer_row_was_sent(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = start(create_cast())
    reads: list[Iterable[int]] = []
    read = selectors.row_values_by_pk

    def counted(pks: Iterable[int]) -> RowValues:
        reads.append(pks)
        return read(pks)

    def fail_once(*arguments: Any) -> None:
        monkeypatch.setattr(batch_statements, "write_at_revision", write)
        raise OperationalError

    monkeypatch.setattr(selectors, "row_values_by_pk", counted)
    for expected in (1, 1):
        answer(writer.post(post(conversation, "x")))
        assert len(reads) == expected
    write = batch_statements.write_at_revision
    monkeypatch.setattr(batch_statements, "write_at_revision", fail_once)
    answer(writer.post(post(conversation, "x")))
    assert len(reads) == 2
    row = current_row(conversation)
    newer = SentRow.of(replace_fields(row, revision=row.revision + 1))
    monkeypatch.setitem(delivery.hub.sent_rows, conversation.pk, newer)
    answer(writer.post(post(conversation, "x")))
    assert len(reads) == 3
    assert [seq for seq, _ in stored(conversation)] == [1, 2, 3, 4]


def test_read_marks_are_stored_with_the_next_post(
    writer: Writer, monkeypatch: pytest.MonkeyPatch, announced: AnnouncedEvents
) -> None:
    cast = create_cast()
    read, other = start_with(cast, cast.mei), start(cast)
    announced.clear()
    monkeypatch.setattr(chat.realtime.writer, "MARK_SECONDS", 3600)
    writer.mark(ReadMark(read.pk, 1, 1, visitor_id=read.visitor_id))
    writer.mark(ReadMark(read.pk, 1, 1, agent_id=cast.mei.pk))
    assert not writer.wait_until_idle(0.1)
    assert not announced
    answer(writer.post(post(other, "x")))
    assert writer.wait_until_idle(WITHIN_SECONDS)

    read.refresh_from_db()
    assert (read.visitor_read_seq, read.agent_read_seq) == (1, 1)
    assert len(announced) == 3


def test_posts_beyond_max_queued_are_refused_with_a_retry(writer: Writer) -> None:
    conversation = start(create_cast())
    with transaction.atomic():
        access.lock(conversation.pk)
        futures = [writer.post(post(conversation, "x")) for _ in range(MAX_QUEUED + 300)]
        put_off = [future.result(0) for future in futures if future.done()]
    assert len(put_off) >= 100
    assert {getattr(outcome, "code", None) for outcome in put_off} == {"unavailable"}


def test_stopped_writer_has_answered_every_post_and_starts_again(writer: Writer) -> None:
    conversation = start(create_cast())
    futures = [writer.post(post(conversation, "x")) for _ in range(50)]
    assert writer.stop(WITHIN_SECONDS)
    assert all(future.done() for future in futures)

    assert isinstance(answer(writer.post(post(conversation, "y"))), AcceptedFrame)
    assert len(stored(conversation)) == 51
