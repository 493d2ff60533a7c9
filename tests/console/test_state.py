"""Tests that events and fetched state agree in the console.

A console that has received all events must have the same state as a console that is opened afterwards. The tests run
real actions, and the real hub routes their events to a fake screen. The browser's reducer applies the events in Node.
The result is compared with the lists and threads fetched from the server.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from accounts.models import PresenceStatus, Staff
from chat.actions import agents, visitors
from chat.actions.posts import Post, ReadMark, post_batch
from chat.actions.presence import set_presence
from chat.models import Conversation, Status
from chat.protocol import Row, serializers
from chat.realtime import delivery
from chat.realtime.delivery import Hub
from chat.selectors import page_of
from console.inbox import selectors
from console.inbox.initial_state import initial_state
from tests.conftest import Announced
from tests.harness.servers.process import ROOT
from tests.people import Cast, go_online, say, start, start_with, take_as, take_next_as

pytestmark = pytest.mark.django_db


class Screen:
    """A fake socket of a console. It records the frames that the hub sends to it."""

    session_key = "a session"

    def __init__(self, staff: Staff, watched: list[Conversation]) -> None:
        self.staff, self.staff_id, self.role = staff, staff.pk, staff.role
        self.departments = frozenset(staff.departments.values_list("pk", flat=True))
        self.sees_all = staff.role == "supervisor"
        self.watched = {str(conversation.uuid): conversation.pk for conversation in watched}
        self.parked: dict[str, int] = {}
        self.frames: list[dict[str, Any]] = []
        self.first = initial_state(staff) | {"open": ""}
        self.opened = [thread_of(conversation) for conversation in watched]
        self.pages = [msgspec.to_builtins(page_of(conversation, 0)) for conversation in watched]

    def push(self, text: bytes) -> None:
        self.frames.append(json.loads(text))

    def end(self, code: str) -> None:
        raise AssertionError(code)

    def moved_away(self, pk: int, row: Row) -> None:
        raise AssertionError(pk)

    def park(self, uuid: str) -> None:
        raise AssertionError(uuid)

    async def watch_again(self, uuid: str) -> None:
        raise AssertionError(uuid)

    def heard(self) -> dict[str, Any]:
        return {"first": self.first, "opened": self.opened, "frames": self.pages + self.frames}


def states_of(screens: list[Screen]) -> list[dict[str, Any]]:
    """Return the states that the browser's reducer computes from the frames of each screen."""
    result = subprocess.run(
        ["node", str(ROOT / "tests/js/apply_frames.js")],
        input=json.dumps([screen.heard() for screen in screens]),
        capture_output=True,
        text=True,
        check=True,
    )
    states: list[dict[str, Any]] = json.loads(result.stdout)
    return states


def thread_of(conversation: Conversation) -> dict[str, Any]:
    conversation.refresh_from_db()
    row = serializers.rows_in(Conversation.objects.filter(pk=conversation.pk))[0]
    notes = selectors.notes_of(conversation)
    thread: dict[str, Any] = msgspec.to_builtins({"row": row, "notes": notes, "values": {}, "messages": None})
    return thread


class World:
    """The test data: conversations in every state, and a fake screen for each person."""

    def __init__(self, cast: Cast, announced: Announced) -> None:
        self.cast = cast
        self._announced = announced
        go_online(cast.mei, cast.hao, cast.jun, cast.yun)
        self.active = start_with(cast, cast.mei)
        say(self.active, "我的卡被吞了")
        agents.add_note(staff=cast.mei, uuid=self.active.uuid, body="查一下")
        self.other = start_with(cast, cast.hao)
        self.first = start(cast, name="李雷")
        self.second = start(cast)
        self.loan = start(cast, department="loans")
        self.ended = start_with(cast, cast.mei)
        agents.end_conversation(staff=cast.mei, uuid=self.ended.uuid)
        announced.take()
        self.screens = [
            Screen(cast.mei, [self.active]),
            Screen(cast.hao, [self.other]),
            Screen(cast.jun, []),
            Screen(cast.yun, [self.active, self.other]),
        ]

    def deliver(self, *, twice: bool = False, backwards: bool = False) -> None:
        """Deliver the announced events to every screen.

        The events can be delivered twice or in reverse order, as the channel layer may do.
        """
        hub = Hub()
        for screen in self.screens:
            hub.add_staff(screen)
            for pk in screen.watched.values():
                hub.watch(pk, screen)
        events = self._announced.take()
        for _ in range(2 if twice else 1):
            hub.route(reversed(events) if backwards else events)

    def check(self) -> None:
        for screen, state in zip(self.screens, states_of(self.screens), strict=True):
            fresh = initial_state(screen.staff)
            expected = {row["id"]: row for row in fresh["rows"]}
            assert listed(state["rows"], screen) == listed(expected, screen), screen.staff
            assert state["waiting_count"] == fresh["waiting_count"], screen.staff
            assert state["presence"] == fresh["presence"], screen.staff
            for conversation in Conversation.objects.filter(uuid__in=screen.watched):
                thread, now = state["threads"][str(conversation.uuid)], thread_of(conversation)
                assert thread["messages"] == msgspec.to_builtins(page_of(conversation, 0).messages)
                assert (thread["notes"], thread["row"]) == (now["notes"], now["row"])


def listed(rows: dict[str, Any], screen: Screen) -> dict[str, Any]:
    """Return the rows. For a supervisor, leave out the revision and the visitor's read marks.

    The server sends a supervisor's list no row if only these read marks have changed.
    """
    marks = ("revision", "visitor_received", "visitor_read")
    if screen.staff.role != "supervisor":
        return rows
    return {
        key: {name: value for name, value in row.items() if name not in marks} for key, row in rows.items()
    }


def mark(conversation: Conversation, read: int, *, by: Staff | None = None) -> None:
    visitor = conversation.visitor_id if by is None else None
    _, events = post_batch([], [ReadMark(conversation.pk, read, read, visitor, by.pk if by else None)])
    delivery.announce(events)


def post(conversation: Conversation, body: str, by: Staff | None = None) -> None:
    agent = serializers.person_of(by) if by else None
    visitor = conversation.visitor_id if by is None else None
    _, events = post_batch([Post(conversation.pk, uuid4(), body, visitor, agent)])
    delivery.announce(events)


def read_in_part(world: World) -> None:
    post(world.active, "一")
    post(world.active, "二")
    mark(world.active, 3, by=world.cast.mei)


def rated(world: World) -> None:
    visitors.end_by_visitor(visitor=world.active.visitor)
    visitors.rate(visitor=world.active.visitor, score=5, comment="谢谢")


DEEDS: dict[str, Callable[[World], object]] = {
    "a visitor begins": lambda w: start(w.cast, name="韩梅梅"),
    "a visitor begins in another department": lambda w: start(w.cast, department="loans"),
    "a visitor writes": lambda w: post(w.active, "还在吗"),
    "a waiting visitor writes": lambda w: post(w.first, "有人吗"),
    "an agent answers": lambda w: post(w.active, "我在", w.cast.mei),
    "a visitor reads": lambda w: mark(w.active, 3),
    "an agent reads": lambda w: mark(w.active, 2, by=w.cast.mei),
    "an agent reads a part": read_in_part,
    "an agent takes the next": lambda w: take_next_as(staff=w.cast.mei),
    "a colleague takes the next": lambda w: take_next_as(staff=w.cast.hao),
    "a supervisor takes one": lambda w: take_as(staff=w.cast.yun, uuid=w.second.uuid),
    "a supervisor assigns one that waits": lambda w: agents.transfer_to_agent(
        staff=w.cast.yun, uuid=w.second.uuid, to=w.cast.hao, note="请接"
    ),
    "a transfer to a colleague": lambda w: agents.transfer_to_agent(
        staff=w.cast.mei, uuid=w.active.uuid, to=w.cast.hao, note="老客户"
    ),
    "a transfer to another department": lambda w: agents.transfer_to_department(
        staff=w.cast.mei, uuid=w.active.uuid, to=w.cast.loans, note="问贷款"
    ),
    "a transfer into my department": lambda w: agents.transfer_to_department(
        staff=w.cast.yun, uuid=w.loan.uuid, to=w.cast.cards
    ),
    "a note": lambda w: agents.add_note(staff=w.cast.yun, uuid=w.active.uuid, body="值班经理在路上"),
    "a visitor leaves the queue": lambda w: visitors.end_by_visitor(visitor=w.first.visitor),
    "a visitor ends": lambda w: visitors.end_by_visitor(visitor=w.active.visitor),
    "a visitor rates": rated,
    "an agent ends": lambda w: agents.end_conversation(staff=w.cast.mei, uuid=w.active.uuid),
    "an agent closes": lambda w: agents.close_conversation(
        staff=w.cast.mei, uuid=w.active.uuid, code=w.cast.done
    ),
    "an agent closes after the end": lambda w: agents.close_conversation(
        staff=w.cast.mei, uuid=w.ended.uuid, code=w.cast.done
    ),
    "presence": lambda w: set_presence(staff=w.cast.mei, status=PresenceStatus.BREAK),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_screens_equal_the_state_fetched_from_the_server_after_random_actions(
    cast: Cast, announced: Announced, deed: str
) -> None:
    world = World(cast, announced)
    DEEDS[deed](world)
    world.deliver()
    world.check()


@pytest.mark.both_databases
def test_screens_equal_the_state_fetched_from_the_server_after_a_whole_day(
    cast: Cast, announced: Announced
) -> None:
    world = World(cast, announced)
    for deed in ("a visitor writes", "an agent reads", "an agent answers", "a visitor reads", "a note"):
        DEEDS[deed](world)
        world.deliver()
    for deed in ("an agent takes the next", "a transfer to another department", "a visitor begins"):
        DEEDS[deed](world)
        world.deliver()
    take_next_as(staff=cast.jun)
    world.deliver()
    world.check()
    assert Conversation.objects.filter(status=Status.ACTIVE).count() == 3


@pytest.mark.parametrize(
    "deed", ["a visitor writes", "a transfer to a colleague", "an agent closes", "a note"]
)
def test_a_repeated_frame_changes_nothing_on_the_screen(cast: Cast, announced: Announced, deed: str) -> None:
    world = World(cast, announced)
    DEEDS[deed](world)
    world.deliver(twice=True)
    world.check()


def test_messages_that_arrive_in_reverse_are_put_in_order(cast: Cast, announced: Announced) -> None:
    world = World(cast, announced)
    for body in ("一", "二", "三"):
        post(world.active, body)
    world.deliver(backwards=True)
    world.check()
