"""The order of one socket's posts: one at a time with the writer, and nothing past what was put off."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from chat.actions.posts import Outcome, Post
from chat.errors import ConversationClosed, TooFast, Unavailable
from chat.protocol import AcceptedFrame
from chat.realtime.post_queue import MAX_HELD, PostQueue


def post_of(client_id: UUID) -> Post:
    return Post(1, client_id, "x", visitor_id=1)


class Desk:
    """The writer and the socket of a queue: what was handed over, and what was answered."""

    def __init__(self) -> None:
        self.submitted: list[UUID] = []
        self.answers: list[tuple[UUID, str]] = []
        self.queue = PostQueue(lambda post: self.submitted.append(post.client_id), self._answer)

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
def desk() -> Desk:
    return Desk()


A, B, C = uuid4(), uuid4(), uuid4()


def test_posts_go_to_the_writer_one_at_a_time_in_order(desk: Desk) -> None:
    desk.add(A, B, C)
    assert desk.submitted == [A]
    for _ in range(3):
        desk.settle()

    assert desk.submitted == [A, B, C]
    assert desk.answers == [(A, "accepted"), (B, "accepted"), (C, "accepted")]
    assert desk.queue.is_empty


def test_posts_behind_one_that_could_not_be_stored_are_refused_likewise(desk: Desk) -> None:
    desk.add(A, B)
    desk.settle(Unavailable())

    assert desk.submitted == [A]
    assert desk.answers == [(A, "unavailable"), (B, "unavailable")]
    assert desk.queue.refusal_for(B) is not None
    assert desk.queue.refusal_for(A) is None


def test_posts_refused_with_a_retry_are_held_in_their_order(desk: Desk) -> None:
    desk.add(A, B)
    desk.settle(Unavailable())
    desk.queue.hold(post_of(C))
    desk.queue.hold(post_of(B))
    assert desk.held() == [A, B, C]
    assert desk.answers[2:] == [(C, "unavailable"), (B, "unavailable")]

    desk.add(A)
    assert desk.held() == []


def test_put_off_post_that_is_found_stored_leaves_the_next_refused_one_first(desk: Desk) -> None:
    """B was refused while A was looked for in vain: C does not pass it when A is found."""
    desk.add(A)
    desk.settle(Unavailable())
    desk.queue.hold(post_of(B))
    desk.queue.release({A})

    assert desk.queue.refusal_for(B) is None
    assert desk.queue.refusal_for(C) is not None


def test_held_posts_of_one_socket_are_bounded(desk: Desk) -> None:
    desk.queue.put_off(post_of(A), TooFast())
    for _ in range(MAX_HELD * 2):
        desk.queue.hold(post_of(uuid4()))

    assert len(desk.held()) == MAX_HELD
    assert desk.held()[0] == A


def test_posts_pass_again_once_the_one_put_off_has_come(desk: Desk) -> None:
    desk.queue.put_off(post_of(A), TooFast())
    assert getattr(desk.queue.refusal_for(B), "code", "") == "too_fast"
    desk.add(A)

    assert desk.queue.refusal_for(B) is None


def test_post_that_fails_before_one_that_was_put_off_has_to_come_first(desk: Desk) -> None:
    desk.add(A)
    desk.queue.put_off(post_of(B), TooFast())
    desk.settle(Unavailable())

    assert desk.queue.refusal_for(A) is None
    assert desk.queue.refusal_for(B) is not None


def test_final_refusal_holds_nothing_up(desk: Desk) -> None:
    desk.add(A, B)
    desk.settle(ConversationClosed())
    desk.settle()

    assert desk.answers == [(A, "closed"), (B, "accepted")]
    assert desk.queue.refusal_for(C) is None


def test_another_conversation_on_the_socket_waits_for_nothing(desk: Desk) -> None:
    desk.queue.put_off(post_of(A), TooFast())
    desk.queue.forget()

    assert desk.queue.refusal_for(B) is None
