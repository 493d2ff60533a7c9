"""Tests of posts and read marks: the rows that a batch stores, its refusals, and its events.

They guard these invariants of tests/test_invariants.py:

- 3: seq has no gap.
- 4: doing anything twice is harmless.
- 8: frames carry all a screen needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.models import Staff
from chat import batch_statements, selectors
from chat.actions import agents, visitors
from chat.actions.events import current_row, show_visitor
from chat.actions.posts import Outcome, Post, ReadMark, RowValues, post_batch
from chat.errors import ClientIdReused, ConversationClosed, NotAssigned, NotFound
from chat.models import Conversation, Message, Visitor
from chat.protocol import AcceptedFrame, Event, MessagePosted, SeenChanged, serializers
from tests.people import Cast, create_cast, go_online, say, start, start_with, take_as

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def visitor_post(conversation: Conversation, body: str = "你好", client_id: UUID | None = None) -> Post:
    return Post(conversation.pk, client_id or uuid4(), body, visitor_id=conversation.visitor_id)


def agent_post(conversation: Conversation, agent: Staff, body: str = "您好") -> Post:
    return Post(conversation.pk, uuid4(), body, agent=serializers.person_of(agent))


def post_one(post: Post) -> tuple[Outcome, list[Event]]:
    (outcome,), events = post_batch([post])
    return outcome, events


def seqs(conversation: Conversation) -> list[int]:
    return list(conversation.messages.order_by("seq").values_list("seq", flat=True))


def test_post_is_stored_with_the_next_seq_and_updates_the_counters(cast: Cast) -> None:
    conversation = start(cast, name="李雷")
    post = visitor_post(conversation, "我的卡\n被吞了")
    outcome, events = post_one(post)

    assert isinstance(outcome, AcceptedFrame)
    assert (outcome.client_id, outcome.seq) == (str(post.client_id), 1)
    message = Message.objects.get()
    assert (message.seq, message.body, message.author_role, message.author_name) == (
        1,
        "我的卡\n被吞了",
        "visitor",
        "李雷",
    )
    conversation.refresh_from_db()
    assert (conversation.last_seq, conversation.unread_by_agent, conversation.visitor_message_count) == (
        1,
        1,
        1,
    )
    assert conversation.excerpt == "我的卡 被吞了"
    assert conversation.unanswered_since == conversation.last_message_at == message.at
    (event,) = events
    assert isinstance(event, MessagePosted)
    assert event.message == serializers.message_of(Message.objects.values(*serializers.MESSAGE_FIELDS).get())
    assert event.row == serializers.rows_in(Conversation.objects.all())[0]


def test_answer_clears_unanswered_since_and_keeps_the_unread_count(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    say(conversation, "在吗")
    outcome, _ = post_one(agent_post(conversation, cast.mei))

    assert isinstance(outcome, AcceptedFrame)
    conversation.refresh_from_db()
    assert conversation.unanswered_since is None
    assert conversation.first_response_at is not None
    assert conversation.unread_by_agent == 1
    assert conversation.agent_message_count == 1


@pytest.mark.parametrize(("language", "name"), [("zh", "林梅"), ("en", "Mei Lin")])
def test_agent_name_is_in_the_language_of_the_conversation(cast: Cast, language: str, name: str) -> None:
    conversation = start_with(cast, cast.mei, language=language)
    say(conversation, "hello", by=cast.mei)

    assert conversation.messages.latest("seq").author_name == name


def test_repeat_gets_the_first_answer_and_announces_nothing(cast: Cast) -> None:
    conversation = start(cast)
    post = visitor_post(conversation)
    first, _ = post_one(post)
    say(conversation, "还有")
    again, events = post_one(post)

    assert again == first
    assert events == []
    assert seqs(conversation) == [1, 2]


def test_repeat_in_the_same_batch_is_one_message(cast: Cast) -> None:
    conversation = start(cast)
    post = visitor_post(conversation)
    outcomes, events = post_batch([post, post, visitor_post(conversation)])

    assert outcomes[0] == outcomes[1]
    assert seqs(conversation) == [1, 2]
    assert len(events) == 2


def test_repeat_after_the_end_is_accepted_and_a_new_post_refused(cast: Cast) -> None:
    conversation = start(cast)
    post = visitor_post(conversation)
    first, _ = post_one(post)
    visitors.end_by_visitor(visitor=conversation.visitor)

    assert post_one(post)[0] == first
    outcome, events = post_one(visitor_post(conversation))
    assert isinstance(outcome, ConversationClosed)
    assert events == []


def test_client_id_reused_with_other_text_is_refused(cast: Cast) -> None:
    conversation = start(cast)
    client_id = uuid4()
    post_one(visitor_post(conversation, "一", client_id))

    assert isinstance(post_one(visitor_post(conversation, "二", client_id))[0], ClientIdReused)
    assert [message.body for message in Message.objects.all()] == ["一"]


def test_same_client_id_in_two_conversations_is_two_messages(cast: Cast) -> None:
    first, second = start(cast), start(cast)
    client_id = uuid4()
    outcomes, _ = post_batch([visitor_post(first, "一", client_id), visitor_post(second, "一", client_id)])

    assert [isinstance(outcome, AcceptedFrame) for outcome in outcomes] == [True, True]


# -- Repeats after another conversation has started ------------------------------------------------------------


def end_and_start_another(cast: Cast, conversation: Conversation) -> Conversation:
    visitors.end_by_visitor(visitor=conversation.visitor)
    return start(cast, visitor=conversation.visitor.uuid)


def repeated_in(conversation: Conversation, post: Post, **changes: Any) -> Post:
    """Return a repeat of a post, as the visitor's socket would pass it to the writer.

    `conversation` is the current conversation of that socket.
    """
    return replace(
        post, pk=conversation.pk, visitor_id=conversation.visitor_id, **{"is_returning": True} | changes
    )


@pytest.mark.parametrize("names_its_conversation", [True, False])
def test_repeat_after_another_conversation_started_gets_the_first_answer(
    cast: Cast, names_its_conversation: bool
) -> None:
    first = start(cast)
    post = visitor_post(first)
    accepted, _ = post_one(post)
    second = end_and_start_another(cast, first)
    written_for = first.uuid if names_its_conversation else None
    again, events = post_one(repeated_in(second, post, written_for=written_for))

    assert again == accepted
    assert isinstance(again, AcceptedFrame)
    assert again.conversation == str(first.uuid)
    assert (seqs(first)[0], seqs(second), events) == (1, [], [])


def test_repeat_with_other_text_after_another_conversation_started_is_refused(cast: Cast) -> None:
    first = start(cast)
    post = visitor_post(first)
    post_one(post)
    second = end_and_start_another(cast, first)

    assert isinstance(post_one(repeated_in(second, post, body="别的"))[0], ClientIdReused)
    assert seqs(second) == []


def test_new_post_written_for_an_ended_conversation_is_refused(cast: Cast) -> None:
    first = start(cast)
    second = end_and_start_another(cast, first)
    lost = visitor_post(first)

    outcome, events = post_one(repeated_in(second, lost, written_for=first.uuid))
    assert isinstance(outcome, ConversationClosed)
    assert (events, seqs(second)) == ([], [])
    # The new conversation accepts a post that names it, because the visitor has sent the post again on purpose. It also
    # accepts a post that names no conversation.
    assert isinstance(post_one(repeated_in(second, lost, written_for=second.uuid))[0], AcceptedFrame)
    assert isinstance(post_one(repeated_in(second, visitor_post(first)))[0], AcceptedFrame)


def test_post_with_another_visitors_client_id_is_a_new_message(cast: Cast) -> None:
    mine, theirs = start(cast), start(cast)
    post = visitor_post(mine)
    post_one(post)
    outcome, _ = post_one(repeated_in(theirs, post))

    assert isinstance(outcome, AcceptedFrame)
    assert outcome.conversation == str(theirs.uuid)


def test_repeat_after_sign_in_that_names_its_conversation_gets_the_first_answer(
    cast: Cast,
) -> None:
    first = start(cast)
    post = visitor_post(first)
    accepted, _ = post_one(post)
    visitors.end_by_visitor(visitor=first.visitor)
    # The visitor signs in as a customer, which is a different Visitor object.
    customer = start(cast)
    again, _ = post_one(repeated_in(customer, post, written_for=first.uuid, is_returning=False))

    assert again == accepted


def test_agents_repeat_with_other_choices_or_by_a_colleague_is_refused(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    post = replace(agent_post(conversation, cast.mei), payload={"choices": ["是", "否"]})
    accepted, _ = post_one(post)

    assert post_one(post)[0] == accepted
    assert isinstance(post_one(replace(post, payload={}))[0], ClientIdReused)
    agents.transfer_to_agent(staff=cast.yun, uuid=conversation.uuid, to=online(cast.hao))
    assert post_one(post)[0] == accepted
    assert isinstance(post_one(replace(post, agent=serializers.person_of(cast.hao)))[0], ClientIdReused)


def test_repeats_are_looked_up_by_one_query_and_only_for_visitors_with_other_conversations(
    cast: Cast, django_assert_num_queries: Any
) -> None:
    first = start(cast)
    with CaptureQueriesContext(connection) as once:
        post_batch([visitor_post(first), visitor_post(first)])
    second = end_and_start_another(cast, first)
    assert "client_id" not in str([query["sql"] for query in once if query["sql"].startswith("SELECT")])
    with django_assert_num_queries(len(once) + 1):
        post_batch([repeated_in(second, visitor_post(first)), repeated_in(second, visitor_post(first))])


def online(staff: Staff) -> Staff:
    go_online(staff)
    return staff


def test_post_in_another_visitors_conversation_is_not_found(cast: Cast) -> None:
    mine, theirs = start(cast), start(cast)
    stranger = Post(theirs.pk, uuid4(), "我是谁", visitor_id=mine.visitor_id)

    assert isinstance(post_one(stranger)[0], NotFound)
    assert isinstance(post_one(Post(987_654, uuid4(), "x", visitor_id=mine.visitor_id))[0], NotFound)
    assert isinstance(post_one(Post(theirs.pk, uuid4(), "x"))[0], NotFound)
    assert not Message.objects.exists()


def test_post_by_an_agent_who_is_not_assigned_is_refused(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    before = seqs(conversation)

    for colleague in (cast.hao, cast.jun, cast.yun):
        assert isinstance(post_one(agent_post(conversation, colleague))[0], NotAssigned)
    assert isinstance(post_one(agent_post(start(cast), cast.mei))[0], NotAssigned)
    assert seqs(conversation) == before


def change_before_the_write(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[], object], times: int = 1
) -> None:
    """Call `change` between the reading and the writing of the next `times` batches."""
    write, calls = batch_statements.write_at_revision, iter(range(times))

    def write_later(*arguments: Any) -> set[int]:
        if next(calls, None) is not None:
            change()
        return write(*arguments)

    monkeypatch.setattr(batch_statements, "write_at_revision", write_later)


def test_post_gets_the_next_seq_after_what_others_wrote_meanwhile(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, other = start(cast), start_with(cast, cast.mei)
    head = other.last_seq
    earlier, own = visitor_post(changed, "先"), visitor_post(changed, "后")
    change_before_the_write(monkeypatch, lambda: post_one(earlier))
    outcomes, events = post_batch(
        [own, visitor_post(other)], [ReadMark(changed.pk, 2, 2, visitor_id=changed.visitor_id)]
    )

    assert [getattr(outcome, "seq", None) for outcome in outcomes] == [2, head + 1]
    assert list(changed.messages.order_by("seq").values_list("body", flat=True)) == ["先", "后"]
    changed.refresh_from_db()
    assert (changed.last_seq, changed.visitor_message_count, changed.visitor_read_seq) == (2, 2, 2)
    assert {event.row for event in events if isinstance(event, MessagePosted)} == {
        current_row(changed),
        current_row(other),
    }


def test_post_is_refused_when_the_conversation_ends_or_changes_hands_meanwhile(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, transferred = start_with(cast, cast.mei), start_with(cast, cast.mei)
    online(cast.hao)

    def change() -> None:
        agents.end_conversation(staff=cast.mei, uuid=ended.uuid)
        agents.transfer_to_agent(staff=cast.mei, uuid=transferred.uuid, to=cast.hao)

    change_before_the_write(monkeypatch, change)
    (first, second), events = post_batch([visitor_post(ended), agent_post(transferred, cast.mei)])

    assert isinstance(first, ConversationClosed)
    assert isinstance(second, NotAssigned)
    assert not events


def test_repeat_in_another_conversation_gets_the_answer_of_the_message_that_was_stored_in_the_end(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start(cast)
    second = end_and_start_another(cast, first)
    post = visitor_post(second)
    change_before_the_write(monkeypatch, lambda: say(second, "先"))
    outcomes, _ = post_batch([replace(post, is_returning=True), replace(post, is_returning=True)])

    assert outcomes == outcomes[:1] * 2
    assert (outcomes[0].seq, seqs(second)[-1]) == (2, 2)  # type: ignore[union-attr]


def test_post_fails_as_the_database_does_when_others_never_stop_changing_the_conversation(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = start(cast)
    change_before_the_write(
        monkeypatch, lambda: Conversation.objects.update(revision=F("revision") + 1), times=1000
    )
    with pytest.raises(OperationalError):
        post_one(visitor_post(conversation))
    assert seqs(conversation) == []


def test_conversation_written_by_the_batch_before_is_not_read_again(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation, recent = start_with(cast, cast.mei), RowValues()
    reads: list[set[int]] = []
    read = selectors.row_values_by_pk

    def counted(pks: set[int]) -> RowValues:
        reads.append(pks)
        return read(pks)

    monkeypatch.setattr(selectors, "row_values_by_pk", counted)
    for _ in range(3):
        _, events = post_batch([visitor_post(conversation)], [], recent)
    assert reads == [{conversation.pk}]
    assert recent == read([conversation.pk])
    assert [event.row for event in events if isinstance(event, MessagePosted)] == [current_row(conversation)]


def test_outdated_values_of_an_earlier_batch_refuse_nothing_and_overwrite_nothing(cast: Cast) -> None:
    conversation, recent = start_with(cast, cast.mei), RowValues()
    post_batch([agent_post(conversation, cast.mei)], [], recent)
    agents.transfer_to_agent(staff=cast.mei, uuid=conversation.uuid, to=online(cast.hao))
    conversation.refresh_from_db()
    head = conversation.last_seq

    outcomes, _ = post_batch(
        [agent_post(conversation, cast.hao)],
        [ReadMark(conversation.pk, head, head, agent_id=cast.hao.pk)],
        recent,
    )
    assert [getattr(outcome, "seq", None) for outcome in outcomes] == [head + 1]
    conversation.refresh_from_db()
    assert (conversation.agent, conversation.agent_read_seq) == (cast.hao, head)
    assert recent == selectors.row_values_by_pk([conversation.pk])

    agents.end_conversation(staff=cast.hao, uuid=conversation.uuid)
    outcomes, _ = post_batch([visitor_post(conversation)], [], recent)
    assert isinstance(outcomes[0], ConversationClosed)
    assert recent == {}


def test_refusal_in_a_batch_leaves_no_gap_and_affects_no_other_post(cast: Cast) -> None:
    mine, other = start(cast), start_with(cast, cast.mei)
    before = other.last_seq
    outcomes, _ = post_batch(
        [
            visitor_post(mine),
            Post(mine.pk, uuid4(), "x", visitor_id=other.visitor_id),
            visitor_post(other),
            agent_post(other, cast.hao),
            visitor_post(mine),
            agent_post(other, cast.mei),
        ]
    )

    assert [isinstance(outcome, AcceptedFrame) for outcome in outcomes] == [
        True,
        False,
        True,
        False,
        True,
        True,
    ]
    assert seqs(mine) == [1, 2]
    assert seqs(other) == list(range(1, before + 3))


def test_agents_post_with_a_visitors_client_id_is_refused(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    client_id = uuid4()
    post_one(visitor_post(conversation, "好", client_id))
    outcome, _ = post_one(Post(conversation.pk, client_id, "好", agent=serializers.person_of(cast.mei)))

    assert isinstance(outcome, ClientIdReused)


# -- Read marks ------------------------------------------------------------------------------------------------


def set_read_mark(
    conversation: Conversation, received: int, read: int, *, by: Staff | None = None
) -> Sequence[Event]:
    author = {"agent_id": by.pk} if by else {"visitor_id": conversation.visitor_id}
    _, events = post_batch([], [ReadMark(conversation.pk, received, read, **author)])
    conversation.refresh_from_db()
    return events


def test_read_mark_announces_received_and_read_seq(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    say(conversation, "一", by=cast.mei)
    (event,) = set_read_mark(conversation, 2, 1)

    assert isinstance(event, SeenChanged)
    assert (event.frame.role, event.frame.received, event.frame.read) == ("visitor", 2, 1)
    assert (conversation.visitor_received_seq, conversation.visitor_read_seq) == (2, 1)


def test_read_mark_never_moves_back_or_passes_last_seq(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    set_read_mark(conversation, 2_000_000_000, 2_000_000_000)
    assert conversation.visitor_read_seq == conversation.last_seq

    assert set_read_mark(conversation, 0, 0) == []
    assert conversation.visitor_read_seq == conversation.last_seq


def test_read_mark_raises_received_to_read(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    set_read_mark(conversation, 0, 1)
    assert conversation.visitor_received_seq == 1


def test_agents_read_mark_sets_unread_to_the_messages_after_it(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    for body in "一二三":
        say(conversation, body)
    say(conversation, "好", by=cast.mei)
    set_read_mark(conversation, 5, 3, by=cast.mei)
    assert conversation.unread_by_agent == 1

    set_read_mark(conversation, 5, 5, by=cast.mei)
    assert conversation.unread_by_agent == 0


def test_read_mark_counts_messages_of_the_same_batch_as_unread(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    head = conversation.last_seq
    post_batch([visitor_post(conversation)], [ReadMark(conversation.pk, head, head, agent_id=cast.mei.pk)])

    conversation.refresh_from_db()
    assert conversation.unread_by_agent == 1


def test_read_marks_of_others_are_ignored(cast: Cast) -> None:
    conversation, other = start_with(cast, cast.mei), start(cast)

    assert set_read_mark(conversation, 1, 1, by=cast.hao) == []
    _, events = post_batch(
        [], [ReadMark(conversation.pk, 1, 1, visitor_id=other.visitor_id), ReadMark(987_654, 1, 1)]
    )
    assert events == []
    assert conversation.visitor_received_seq == conversation.agent_received_seq == 0


# -- Random batches --------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["visitor", "agent", "colleague", "stranger"]),
        st.integers(0, 4),
        st.sampled_from(["text", "read"]),
    ),
    max_size=12,
)


class RandomBatches(TestCase):
    """Property-based test of random batches of posts and read marks.

    In any order, seq has no gap, and a repeated post gets the same answer.
    """

    cast: Cast
    conversation: Conversation

    @classmethod
    def setUpTestData(cls) -> None:
        cls.cast = create_cast()
        cls.conversation = start_with(cls.cast, cls.cast.mei)

    @given(batches=st.lists(STEPS, max_size=4))
    def test_random_batches_of_posts_and_read_marks_keep_seq_without_gaps(
        self, batches: list[list[tuple[str, int, str]]]
    ) -> None:
        cast, conversation = self.cast, self.conversation
        ids = [uuid4() for _ in range(5)]
        answers: dict[UUID, AcceptedFrame] = {}
        for steps in batches:
            posts, marks = [], []
            for who, number, what in steps:
                author = {
                    "visitor": {"visitor_id": conversation.visitor_id},
                    "agent": {"agent": serializers.person_of(cast.mei)},
                    "colleague": {"agent": serializers.person_of(cast.hao)},
                    "stranger": {"visitor_id": -1},
                }[who]
                if what == "text":
                    posts.append(Post(conversation.pk, ids[number], f"第{number}句", **author))  # type: ignore[arg-type]
                elif who in ("visitor", "agent"):
                    reader = {"agent_id": cast.mei.pk} if who == "agent" else author
                    marks.append(ReadMark(conversation.pk, number * 2, number, **reader))  # type: ignore[arg-type]
            outcomes, events = post_batch(posts, marks)
            for post, outcome in zip(posts, outcomes, strict=True):
                if isinstance(outcome, AcceptedFrame):
                    assert answers.setdefault(post.client_id, outcome) == outcome
            conversation.refresh_from_db()
            stored = seqs(conversation)
            assert stored == list(range(1, conversation.last_seq + 1))
            read = conversation.agent_read_seq
            unread = conversation.messages.filter(author_role="visitor", seq__gt=read).count()
            assert conversation.unread_by_agent == unread
            assert conversation.agent_read_seq <= conversation.agent_received_seq <= conversation.last_seq
            assert {event.row for event in events if isinstance(event, MessagePosted)} <= set(
                serializers.rows_in(Conversation.objects.filter(pk=conversation.pk))
            )

    def test_end_stores_a_digest(self) -> None:
        cast, conversation = self.cast, self.conversation
        say(conversation, "再见")
        agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
        conversation.refresh_from_db()
        assert len(conversation.digest) == 64


@pytest.mark.django_db(transaction=True)
def test_post_that_waits_for_other_changes_announces_the_row_with_them() -> None:
    """Check that a post announces the agent and the visitor's name that were stored while it waited for a lock.

    After the wait, PostgreSQL returns the new values of the locked conversation, but the old values of joined tables.
    """
    cast = create_cast()
    conversation = start(cast)
    go_online(cast.mei)

    def post() -> list[Event]:
        try:
            return post_one(visitor_post(conversation))[1]
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            take_as(staff=cast.mei, uuid=conversation.uuid)
            Visitor.objects.filter(pk=conversation.visitor_id).update(name="李雷", level="claimed")
            show_visitor([conversation.visitor_id])
            posting = threads.submit(post)
            # The post must be waiting for the lock of the conversation.
            with pytest.raises(TimeoutError):
                posting.result(0.3)
        (event,) = posting.result(10)
    assert isinstance(event, MessagePosted)
    conversation.refresh_from_db()
    assert event.row == current_row(conversation)
    assert (event.row.visitor_name, event.row.agent) == ("李雷", serializers.person_of(cast.mei))
