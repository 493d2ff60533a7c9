"""Tests of PostSequencer.

It submits the posts of a socket one at a time. While a post waits to be retried, no later post may overtake it.
"""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from chat.actions.posts import Outcome, Post
from chat.errors import ConversationClosed, TooFast, Unavailable
from chat.protocol import AcceptedFrame
from chat.realtime.post_order import MAX_HELD, PostSequencer


def post_of(client_id: UUID) -> Post:
    return Post(1, client_id, "x", visitor_id=1)


class QueueHarness:
    """A PostSequencer whose calls are recorded: posts `submitted` to the writer, and `answers` sent to the client."""

    def __init__(self) -> None:
        self.submitted: list[UUID] = []
        self.answers: list[tuple[UUID, str]] = []
        self.queue = PostSequencer(lambda post: self.submitted.append(post.client_id), self._answer)

    def _answer(self, client_id: UUID, outcome: Outcome) -> None:
        self.answers.append(
            (client_id, outcome.code if not isinstance(outcome, AcceptedFrame) else "accepted")
        )

    def add(self, *client_ids: UUID) -> None:
        for client_id in client_ids:
            self.queue.add(post_of(client_id))

    def settle(self, outcome: Outcome | None = None) -> None:
        self.queue.settle(outcome or AcceptedFrame("", 1, ""))

    def held(self) -> list[UUID]:
        return [post.client_id for post in self.queue.held]


@pytest.fixture
def harness() -> QueueHarness:
    return QueueHarness()


A, B, C = uuid4(), uuid4(), uuid4()


def test_posts_go_to_the_writer_one_at_a_time_in_order(harness: QueueHarness) -> None:
    harness.add(A, B, C)
    assert harness.submitted == [A]
    for _ in range(3):
        harness.settle()

    assert harness.submitted == [A, B, C]
    assert harness.answers == [(A, "accepted"), (B, "accepted"), (C, "accepted")]
    assert harness.queue.is_empty


def test_posts_behind_one_that_could_not_be_stored_are_refused_likewise(harness: QueueHarness) -> None:
    harness.add(A, B)
    harness.settle(Unavailable())

    assert harness.submitted == [A]
    assert harness.answers == [(A, "unavailable"), (B, "unavailable")]
    assert harness.queue.refusal_for(B) is not None
    assert harness.queue.refusal_for(A) is None


def test_posts_refused_with_a_retry_are_held_in_their_order(harness: QueueHarness) -> None:
    harness.add(A, B)
    harness.settle(Unavailable())
    harness.queue.hold(post_of(C))
    harness.queue.hold(post_of(B))
    assert harness.held() == [A, B, C]
    assert harness.answers[2:] == [(C, "unavailable"), (B, "unavailable")]

    harness.add(A)
    assert harness.held() == []


def test_release_of_a_stored_post_makes_the_next_held_post_the_first(harness: QueueHarness) -> None:
    """Check which post may come next when post A was refused with a time to retry but turns out to be stored.

    Post B was refused because it came after A, so B must now be sent again before post C.
    """
    harness.add(A)
    harness.settle(Unavailable())
    harness.queue.hold(post_of(B))
    harness.queue.release({A})

    assert harness.queue.refusal_for(B) is None
    assert harness.queue.refusal_for(C) is not None


def test_held_posts_of_one_socket_are_limited(harness: QueueHarness) -> None:
    harness.queue.put_off(post_of(A), TooFast())
    for _ in range(MAX_HELD * 2):
        harness.queue.hold(post_of(uuid4()))

    assert len(harness.held()) == MAX_HELD
    assert harness.held()[0] == A


def test_posts_are_accepted_again_after_the_post_put_off_was_sent_again(harness: QueueHarness) -> None:
    harness.queue.put_off(post_of(A), TooFast())
    assert getattr(harness.queue.refusal_for(B), "code", "") == "too_fast"
    harness.add(A)

    assert harness.queue.refusal_for(B) is None


def test_post_that_fails_must_be_sent_again_before_a_later_one_put_off(harness: QueueHarness) -> None:
    harness.add(A)
    harness.queue.put_off(post_of(B), TooFast())
    harness.settle(Unavailable())

    assert harness.queue.refusal_for(A) is None
    assert harness.queue.refusal_for(B) is not None


def test_final_refusal_does_not_hold_later_posts(harness: QueueHarness) -> None:
    harness.add(A, B)
    harness.settle(ConversationClosed())
    harness.settle()

    assert harness.answers == [(A, "closed"), (B, "accepted")]
    assert harness.queue.refusal_for(C) is None


def test_forget_accepts_posts_of_another_conversation(harness: QueueHarness) -> None:
    harness.queue.put_off(post_of(A), TooFast())
    harness.queue.forget()

    assert harness.queue.refusal_for(B) is None
