"""Tests that frames and fetched state agree for a visitor.

The widget's earlier state, changed by the frames it received, must equal the state in a new welcome frame. The test
runs real actions, and the real hub routes their events to a widget's socket. A reducer applies the frames, doing only
what docs/protocol.md says. tests/console/test_state.py tests the same for the console.

These tests guard invariant 8 of tests/test_invariants.py: frames carry all a screen needs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from django.db import OperationalError, connection

from accounts.models import Department, Staff
from chat.actions import agents, visitors
from chat.actions.events import current_row
from chat.actions.posts import Post, ReadMark, post_batch
from chat.models import Conversation, Visitor
from chat.protocol import Row, Welcome
from chat.protocol.serializers import person_of
from chat.queue_estimates import QueuePosition
from chat.realtime import delivery
from chat.realtime.coalescing import RequestCoalescer
from chat.realtime.delivery import Hub
from chat.widget import consumers, sessions
from chat.widget.consumers import VisitorConsumer
from console.inbox.consumers import ConsoleConsumer
from tests.conftest import Announced
from tests.people import Cast, create_cast, go_online, start, start_with, take_as, take_next_as

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

State = dict[str, Any]


def welcome_of(conversation: Conversation) -> State:
    """Return the state and the messages that a widget would receive if it connected now."""
    visitor = Conversation.objects.get(pk=conversation.pk).visitor
    session = sessions.session_for(visitor.site, visitor)
    assert session.pk == conversation.pk
    ((welcome, _),) = sessions.welcome_frames([sessions.ResumedSession(session)])
    frame: State = msgspec.to_builtins(welcome)
    return {"state": frame["state"], "messages": frame["messages"]}


def applied(before: State, frames: list[dict[str, Any]]) -> State:
    """Return the state of a widget after it has applied these frames as docs/protocol.md says.

    A repeated frame changes nothing.
    """
    state = dict(before["state"])
    messages = {message["seq"]: message for message in before["messages"]}
    for frame in frames:
        match frame["kind"]:
            case "message":
                messages.setdefault(frame["message"]["seq"], frame["message"])
                state["last_seq"] = max(messages)
            case "state":
                state = frame["state"]
            case "was_seen" if frame["role"] == "agent":
                state |= {"agent_received": frame["received"], "agent_read": frame["read"]}
            case "was_seen":
                state |= {"visitor_read": frame["read"]}
            case kind:
                assert kind == "is_typing", f"{kind} reached a visitor"
    return {"state": state, "messages": [messages[seq] for seq in sorted(messages)]}


class Screen:
    """A fake socket of a visitor. It records the frames that the hub sends to it."""

    is_waiting = False
    visitor: Visitor | None = None

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []

    def push(self, text: bytes) -> None:
        self.frames.append(json.loads(text))

    def state_changed(self, row: Row) -> None:
        self.is_waiting = row.status == "waiting"

    def send_position(self, position: QueuePosition) -> None:
        raise AssertionError("only the sweep sends queue positions")

    def tokens_voided(self, generation: int) -> None:
        raise AssertionError("no test here signs a visitor in")

    def lost_conversation(self) -> None:
        raise AssertionError("only the sweep checks whose conversation it is")


def posted(
    conversation: Conversation, *, by: Staff | None = None, marks: list[ReadMark] | None = None
) -> None:
    author: dict[str, Any] = {"agent": person_of(by)} if by else {"visitor_id": conversation.visitor_id}
    _, events = post_batch([Post(conversation.pk, uuid4(), "说", **author)] * 2, marks or [])
    delivery.announce(events)


def marked(conversation: Conversation, received: int, read: int, **by: int) -> None:
    delivery.announce(post_batch([], [ReadMark(conversation.pk, received, read, **by)])[1])


def changed_department(cast: Cast, conversation: Conversation, to: Department) -> None:
    agents.transfer_to_department(staff=cast.mei, uuid=conversation.uuid, to=to, note="绝密便条")


Step = Callable[[Cast, Conversation], object]
WAITING: dict[str, Step] = {
    "take": lambda cast, it: take_as(staff=cast.mei, uuid=it.uuid),
    "take next": lambda cast, it: take_next_as(staff=cast.mei),
    "assign": lambda cast, it: agents.transfer_to_agent(staff=cast.yun, uuid=it.uuid, to=cast.jun),
    "post": lambda cast, it: posted(it),
    "leave": lambda cast, it: visitors.end_by_visitor(visitor=it.visitor),
    "note": lambda cast, it: agents.add_note(staff=cast.mei, uuid=it.uuid, body="绝密便条"),
}
ACTIVE: dict[str, Step] = {
    "post": lambda cast, it: posted(it),
    "answer": lambda cast, it: posted(it, by=cast.mei),
    "transfer": lambda cast, it: agents.transfer_to_agent(
        staff=cast.mei, uuid=it.uuid, to=cast.jun, note="绝密便条"
    ),
    "to department": lambda cast, it: changed_department(cast, it, cast.loans),
    "note": lambda cast, it: agents.add_note(staff=cast.mei, uuid=it.uuid, body="绝密便条"),
    "seen by agent": lambda cast, it: marked(it, 1, 1, agent_id=cast.mei.pk),
    "received by agent": lambda cast, it: marked(it, 1, 0, agent_id=cast.mei.pk),
    "seen by visitor": lambda cast, it: marked(it, 1, 1, visitor_id=it.visitor_id),
    "post and seen": lambda cast, it: posted(it, marks=[ReadMark(it.pk, 2, 1, agent_id=cast.mei.pk)]),
    "end by agent": lambda cast, it: agents.end_conversation(staff=cast.mei, uuid=it.uuid),
    "end by visitor": lambda cast, it: visitors.end_by_visitor(visitor=it.visitor),
    "close": lambda cast, it: agents.close_conversation(staff=cast.mei, uuid=it.uuid, code=cast.done),
}
ENDED: dict[str, Step] = {
    "close": lambda cast, it: agents.close_conversation(staff=cast.mei, uuid=it.uuid, code=cast.done),
    "rate": lambda cast, it: visitors.rate(visitor=it.visitor, score=4, comment="好"),
    "seen by agent": lambda cast, it: marked(it, 9, 9, agent_id=cast.mei.pk),
}


def check(cast: Cast, conversation: Conversation, announced: Announced, step: Step) -> None:
    go_online(cast.mei, cast.jun)
    announced.take()
    hub, screen = Hub(), Screen()
    before, row_before = welcome_of(conversation), current_row(conversation)
    screen.is_waiting = before["state"]["status"] == "waiting"
    hub.join(conversation.pk, screen)
    hub.note_head(conversation.pk, before["state"]["last_seq"])
    step(cast, conversation)
    events = announced.take()
    hub.route(events)
    after, row_after = welcome_of(conversation), current_row(conversation)

    assert applied(before, screen.frames) == after
    assert row_after == row_before or row_after.revision > row_before.revision
    hub.route(events)
    assert applied(before, screen.frames) == after, "a repeated event changes nothing"
    assert "绝密" not in str(screen.frames), "a note never reaches a visitor"
    assert screen.is_waiting == (after["state"]["status"] == "waiting")


@pytest.mark.parametrize("step", WAITING)
def test_state_equals_events_while_waiting(cast: Cast, announced: Announced, step: str) -> None:
    check(cast, start(cast), announced, WAITING[step])


@pytest.mark.parametrize("step", ACTIVE)
def test_state_equals_events_while_active(cast: Cast, announced: Announced, step: str) -> None:
    check(cast, start_with(cast, cast.mei), announced, ACTIVE[step])


@pytest.mark.parametrize("step", ENDED)
def test_state_equals_events_after_the_end(cast: Cast, announced: Announced, step: str) -> None:
    conversation = start_with(cast, cast.mei)
    agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
    check(cast, conversation, announced, ENDED[step])


def test_state_equals_events_over_a_whole_conversation(cast: Cast, announced: Announced) -> None:
    def everything(cast: Cast, it: Conversation) -> None:
        for name in ("post", "note", "take"):
            WAITING[name](cast, it)
        for name in ("post", "answer", "seen by visitor", "seen by agent", "to department"):
            ACTIVE[name](cast, it)
        take_as(staff=cast.jun, uuid=it.uuid)
        agents.transfer_to_agent(staff=cast.jun, uuid=it.uuid, to=cast.mei)
        for name in ("close", "rate"):
            ENDED[name](cast, it)

    check(cast, start(cast), announced, everything)


# -- Notifications that were lost or came too late -------------------------------------------------------------


@pytest.mark.parametrize("later", ["answer", "seen by agent", "seen by visitor"])
def test_later_event_does_not_hide_a_lost_change_from_the_sweep(
    cast: Cast, announced: Announced, later: str
) -> None:
    conversation = start(cast)
    hub, screen = Hub(), Screen()
    hub.join(conversation.pk, screen)
    hub.note_row(conversation.pk, current_row(conversation))
    WAITING["post"](cast, conversation)
    WAITING["take"](cast, conversation)
    announced.take()
    ACTIVE[later](cast, conversation)
    sent = hub.sent_rows[conversation.pk]
    hub.route(announced.take())
    assert hub.sent_rows[conversation.pk] == sent, "the sweep detects that the revisions differ"
    assert conversation.pk in hub.touched


def test_change_after_a_lost_one_is_shown_at_once(cast: Cast, announced: Announced) -> None:
    conversation = start(cast)
    hub, screen = Hub(), Screen()
    hub.join(conversation.pk, screen)
    hub.note_row(conversation.pk, current_row(conversation))
    WAITING["take"](cast, conversation)
    announced.take()
    ACTIVE["end by agent"](cast, conversation)
    hub.route(announced.take())
    assert screen.frames[-1]["state"]["status"] == "wrap_up"
    assert hub.sent_rows[conversation.pk].revision == current_row(conversation).revision


def test_row_of_a_message_does_not_move_a_conversation_between_lists(
    cast: Cast, announced: Announced
) -> None:
    """Check that the row in a message's event does not move the conversation to another list.

    Only the event about the change of status, which follows the message's event, moves it.
    """
    conversation = start(cast)
    hub = Hub()
    hub.note_row(conversation.pk, current_row(conversation))
    announced.take()
    WAITING["take"](cast, conversation)
    posted, changed = announced.take()
    hub.route([posted])
    assert hub.sent_rows[conversation.pk].status == "waiting"
    hub.route([changed])
    assert hub.sent_rows[conversation.pk].status == "active"


def test_outdated_events_show_nothing(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    posted(conversation)
    hub, screen = Hub(), Screen()
    hub.join(conversation.pk, screen)
    hub.note_row(conversation.pk, current_row(conversation))
    announced.take()
    marked(conversation, 1, 1, agent_id=cast.mei.pk)
    changed_department(cast, conversation, cast.loans)
    late = announced.take()
    take_as(staff=cast.jun, uuid=conversation.uuid)
    hub.route(announced.take())
    sent = hub.sent_rows[conversation.pk]
    screen.frames.clear()
    hub.route(late)
    assert hub.sent_rows[conversation.pk] == sent
    assert "state" not in [frame["kind"] for frame in screen.frames]


# -- Connecting while the conversation changes ---------------------------------------------------------------


def closing(work: Callable[[], Any]) -> Any:
    """Call `work` and return its result. Close the thread's database connection afterwards."""
    try:
        return work()
    finally:
        connection.close()


class Wire:
    """Runs a consumer in this process and exchanges ASGI messages with it."""

    def __init__(self, consumer: VisitorConsumer | ConsoleConsumer | None = None) -> None:
        self.consumer: Any = consumer or VisitorConsumer()
        self.sent: list[dict[str, Any]] = []
        self._has_sent = asyncio.Event()
        self._received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def __aenter__(self) -> Wire:
        self._task = asyncio.create_task(self.consumer({"type": "websocket"}, self._received.get, self._send))
        self._received.put_nowait({"type": "websocket.connect"})
        await self.until(lambda: bool(self.sent))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._received.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self._task

    async def _send(self, message: Any) -> None:
        self.sent.append(message)
        self._has_sent.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._has_sent.clear()
                await self._has_sent.wait()

    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(message["text"]) for message in self.sent if "text" in message]

    def say(self, kind: str, **fields: Any) -> None:
        self._received.put_nowait({"type": "websocket.receive", "text": json.dumps({"kind": kind, **fields})})


@pytest.fixture
def quiet_hub() -> Any:
    """Return the hub of this process, and check after the test that no socket is subscribed."""
    yield delivery.hub
    assert not delivery.hub.visitors
    assert not delivery.hub.heads


@pytest.mark.django_db(transaction=True)
async def test_welcome_contains_a_change_between_the_lookup_and_the_join(quiet_hub: Hub) -> None:
    def before() -> tuple[Cast, Conversation, sessions.VisitorSession]:
        cast = create_cast()
        conversation = start(cast)
        opened = sessions.session_for(cast.site, conversation.visitor)
        take_as(staff=cast.mei, uuid=conversation.uuid)
        return cast, conversation, opened

    _, conversation, opened = await asyncio.to_thread(closing, before)
    async with Wire() as wire:
        # Call the method that answers a hello frame, with a session that was looked up before the conversation changed.
        await wire.consumer._join_and_welcome(opened)
        await wire.until(lambda: bool(wire.frames()))
        (welcome,) = wire.frames()
        after = await asyncio.to_thread(closing, lambda: welcome_of(conversation))
    assert {"state": welcome["state"], "messages": welcome["messages"]} == after
    assert welcome["state"]["status"] == "active"


@pytest.mark.django_db(transaction=True)
async def test_change_while_the_welcome_is_read_is_sent_after_it(quiet_hub: Hub) -> None:
    def before() -> tuple[Cast, Conversation, Welcome]:
        cast = create_cast()
        conversation = start(cast)
        ((welcome, _),) = sessions.welcome_frames(
            [sessions.ResumedSession(sessions.session_for(cast.site, conversation.visitor))]
        )
        return cast, conversation, welcome

    cast, conversation, read = await asyncio.to_thread(closing, before)
    async with Wire() as wire:
        with wire.consumer.holding() as first:
            delivery.hub.join(conversation.pk, wire.consumer)
            await asyncio.to_thread(closing, lambda: take_as(staff=cast.mei, uuid=conversation.uuid))
            await asyncio.sleep(0)
            first.append(read)
        wire.consumer.pk = conversation.pk
        await wire.until(lambda: len(wire.frames()) == 3)
        frames = wire.frames()
        after = await asyncio.to_thread(closing, lambda: welcome_of(conversation))
    assert [frame["kind"] for frame in frames] == ["welcome", "message", "state"]
    assert applied(frames[0], frames[1:]) == after


@pytest.mark.django_db(transaction=True)
async def test_socket_still_answers_after_its_welcome_could_not_be_read(
    quiet_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def before() -> sessions.VisitorSession:
        cast = create_cast()
        return sessions.session_for(cast.site, start(cast).visitor)

    def fail(_: object) -> Any:
        raise OperationalError

    monkeypatch.setattr(consumers, "_welcomes", RequestCoalescer(fail))
    opened = await asyncio.to_thread(closing, before)
    async with Wire() as wire:
        with pytest.raises(OperationalError):
            await wire.consumer._join_and_welcome(opened)
        wire.say("ping")
        await wire.until(lambda: bool(wire.frames()))
        assert [frame["kind"] for frame in wire.frames()] == ["refused"]


@pytest.mark.django_db(transaction=True)
async def test_console_whose_lists_cannot_be_read_gets_a_bye_with_a_retry(
    quiet_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sign_in(console: ConsoleConsumer) -> Staff:
        console.staff_id = 1
        return Staff()

    def fail(_: ConsoleConsumer) -> None:
        raise OperationalError

    monkeypatch.setattr(ConsoleConsumer, "_sign_in", sign_in)
    monkeypatch.setattr(ConsoleConsumer, "_welcome", fail)
    async with Wire(ConsoleConsumer()) as wire:
        wire.say("hello", version=1)
        await wire.until(lambda: wire.sent[-1]["type"] == "websocket.close")
        (bye,) = wire.frames()
        assert (bye["kind"], bye["code"], bye["retry_after_ms"] > 0) == ("bye", "unavailable", True)
        assert wire.sent[-1]["code"] == 4000
