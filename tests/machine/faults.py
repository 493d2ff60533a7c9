"""Faults that are planted into the code, one at a time. The state machine has to find each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

import chat.actions.posts
import chat.realtime.writer
from chat import protocol, selectors
from chat.actions.events import ConversationChange
from chat.actions.posts import Outcome, Post, ReadMark
from chat.models import Conversation
from chat.protocol import AcceptedFrame, Event, MessageData, MessagePosted, NoteAdded, stamp
from chat.realtime import sweep, sweep_queries
from chat.realtime.event_routing import EventRouter
from chat.widget import consumers
from tests.machine.clock import clock

Fault = Callable[[pytest.MonkeyPatch], None]


def a_message_is_skipped_and_never_fetched(patch: pytest.MonkeyPatch) -> None:
    """Skip every third message, and disable fetching, because screens would otherwise fetch the missing message."""
    route = EventRouter.route

    def skipping(hub: EventRouter, events: Sequence[Event]) -> None:
        route(hub, [e for e in events if not (isinstance(e, MessagePosted) and e.message.seq % 3 == 0)])

    patch.setattr(EventRouter, "route", skipping)
    fetch_does_nothing(patch)


def a_repeat_gets_a_new_number(patch: pytest.MonkeyPatch) -> None:
    post_batch, known = vars(chat.realtime.writer)["post_batch"], set[UUID]()

    def forgetful(
        posts: Sequence[Post], marks: Sequence[ReadMark] = (), recent: Any = None
    ) -> tuple[list[Outcome], list[Event]]:
        renamed = [replace(post, client_id=uuid4()) if post.client_id in known else post for post in posts]
        known.update(post.client_id for post in posts)
        outcomes, events = post_batch(renamed, marks, recent)
        named = zip(outcomes, posts, strict=True)
        return [
            msgspec.structs.replace(outcome, client_id=str(post.client_id))
            if isinstance(outcome, AcceptedFrame)
            else outcome
            for outcome, post in named
        ], events

    patch.setattr(chat.realtime.writer, "post_batch", forgetful)


def a_client_id_is_forgotten_when_another_conversation_begins(patch: pytest.MonkeyPatch) -> None:
    find_stored = vars(chat.actions.posts)["find_stored"]

    def forgetful(posts: Sequence[Post]) -> dict[UUID, list[Any]]:
        present = {post.pk for post in posts}
        return {
            key: [post for post in stored if post.pk in present] for key, stored in find_stored(posts).items()
        }

    patch.setattr(chat.actions.posts, "find_stored", forgetful)


def a_post_is_accepted_before_its_commit(patch: pytest.MonkeyPatch) -> None:
    submit = chat.realtime.writer.Writer.submit

    def hasty(writer: chat.realtime.writer.Writer, post: Post, answer: Callable[[Outcome], None]) -> None:
        answer(AcceptedFrame(str(post.client_id), 1, stamp(clock.now())))
        submit(writer, post, lambda _: None)

    patch.setattr(chat.realtime.writer.Writer, "submit", hasty)


def a_page_has_the_wrong_order(patch: pytest.MonkeyPatch) -> None:
    messages_after = selectors.messages_after

    def swapped(*args: Any, **kwargs: Any) -> tuple[list[MessageData], bool]:
        page, more = messages_after(*args, **kwargs)
        if len(page) > 1:
            one, other = page[0], page[1]
            page[:2] = [
                msgspec.structs.replace(other, seq=one.seq),
                msgspec.structs.replace(one, seq=other.seq),
            ]
        return page, more

    patch.setattr(selectors, "messages_after", swapped)


def a_note_leaks(patch: pytest.MonkeyPatch) -> None:
    route = EventRouter.route

    def leaking(hub: EventRouter, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, NoteAdded):
                for socket in tuple(hub.visitors.get(event.pk, ())):
                    socket.push(protocol.encode(event.note))
        route(hub, events)

    patch.setattr(EventRouter, "route", leaking)


def fetch_does_nothing(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> None:
        pass

    patch.setattr(consumers.VisitorConsumer, "_fetch", nothing)


def read_marks_go_back(patch: pytest.MonkeyPatch) -> None:
    post_batch = vars(chat.realtime.writer)["post_batch"]

    def back(
        posts: Sequence[Post], marks: Sequence[ReadMark] = (), recent: Any = None
    ) -> tuple[list[Outcome], list[Event]]:
        stored: tuple[list[Outcome], list[Event]] = post_batch(posts, marks, recent)
        if posts:
            Conversation.objects.filter(pk__in=[post.pk for post in posts]).update(visitor_read_seq=0)
        return stored

    patch.setattr(chat.realtime.writer, "post_batch", back)


def the_sweep_sends_nothing(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> None:
        pass

    patch.setattr(sweep, "_send_missed", nothing)


def the_sweep_ignores_revisions(patch: pytest.MonkeyPatch) -> None:
    """Make the sweep find new messages but no changed rows, as if every stored row were equal to the row sent last."""
    stored_rows = sweep_queries._stored_rows

    def as_sent(request: sweep_queries.SweepRequest) -> Any:
        *tables, examined = stored_rows(request)
        for table in tables:
            for pk, stored in table.items():
                table[pk] = stored._replace(row=request.sent_rows.get(pk, stored.row))
        return *tables, examined

    patch.setattr(sweep_queries, "_stored_rows", as_sent)


def a_change_does_not_raise_the_revision(patch: pytest.MonkeyPatch) -> None:
    save = ConversationChange.save

    def keeping(change: ConversationChange, *fields: str) -> None:
        change._conversation.revision -= 1
        save(change, *fields)

    patch.setattr(ConversationChange, "save", keeping)


def in_browsers(_: pytest.MonkeyPatch) -> None:
    """Do nothing here, because this fault is planted in tests/js/machine.js."""


def a_gap_is_shown(patch: pytest.MonkeyPatch) -> None:
    in_browsers(patch)


def a_repeat_is_shown(patch: pytest.MonkeyPatch) -> None:
    in_browsers(patch)


def what_is_refused_for_a_while_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    in_browsers(patch)


IN_BROWSERS: dict[Fault, str] = {
    fault: fault.__name__.replace("_", " ")
    for fault in (a_gap_is_shown, a_repeat_is_shown, what_is_refused_for_a_while_is_forgotten)
}
ALL: list[Fault] = [
    a_message_is_skipped_and_never_fetched,
    a_repeat_gets_a_new_number,
    a_client_id_is_forgotten_when_another_conversation_begins,
    a_post_is_accepted_before_its_commit,
    a_page_has_the_wrong_order,
    a_note_leaks,
    fetch_does_nothing,
    read_marks_go_back,
    the_sweep_sends_nothing,
    the_sweep_ignores_revisions,
    a_change_does_not_raise_the_revision,
    *IN_BROWSERS,
]
