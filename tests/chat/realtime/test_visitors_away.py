"""Tests of the presence of visitors with real sockets: consoles learn that a visitor has gone away and has come back.

They guard invariant 8 of tests/test_invariants.py: frames carry all a screen needs.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from chat.actions import visitor_presence
from chat.models import Conversation
from core import leases
from core.models import Lease
from tests.conftest import Processes
from tests.harness.reconnecting_socket import Frame
from tests.harness.servers import AppServer
from tests.harness.sockets import Console, Widget
from tests.people import Cast, create_cast, session_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    return create_cast()


def row_when(console: Console, widget: Widget, *, is_away: bool, status: str = "waiting") -> Frame:
    """Wait until the console gets a row in which the widget's visitor is away or connected, and return the row."""
    frame = console.wait_for(
        "conversation",
        lambda frame: (
            frame["row"]["id"] == widget.conversation
            and frame["row"]["status"] == status
            and (frame["row"].get("visitor_away_since") is not None) == is_away
        ),
    )
    row: Frame = frame["row"]
    return row


def test_console_learns_that_a_visitor_has_left_and_has_returned(cast: Cast, processes: Processes) -> None:
    with Console(processes.uvicorn, session_of(cast.mei)) as console:
        console.open()
        with Widget(processes.daphne) as widget:
            widget.open()
            widget.begin()
            row_when(console, widget, is_away=False)
        row_when(console, widget, is_away=True)
        with Widget(processes.uvicorn) as again:
            again.open(like=widget)
            row_when(console, widget, is_away=False)
        row_when(console, widget, is_away=True)


def test_visitor_with_a_second_tab_on_another_process_stays_connected(
    cast: Cast, processes: Processes
) -> None:
    with Console(processes.daphne, session_of(cast.mei)) as console, Widget(processes.daphne) as first:
        console.open()
        first.open()
        first.begin()
        # The sweep sends the position after it has recorded this tab.
        first.wait_for("queue")
        conversation = Conversation.objects.get(uuid=first.conversation)
        with Widget(processes.uvicorn) as second:
            second.open(like=first)
            processes.uvicorn.wait_until(
                lambda: _process_of(conversation) != conversation.visitor_process,
                "the new tab is not recorded",
            )
        # The process of the closed tab does not know the other tab, whose process corrects the row.
        row_when(console, first, is_away=True)
        row_when(console, first, is_away=False)
        assert _process_of(conversation) == conversation.visitor_process


def _process_of(conversation: Conversation) -> str:
    return Conversation.objects.get(pk=conversation.pk).visitor_process


def test_visitors_of_a_killed_process_are_away(
    cast: Cast, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitor_presence, "DEAD_AFTER_SECONDS", 0)
    with (
        AppServer(processes.environment(), prepare=False, server="uvicorn") as server,
        Console(processes.daphne, session_of(cast.mei)) as console,
        Widget(server) as widget,
    ):
        console.open()
        widget.open()
        widget.begin()
        process = Conversation.objects.get(uuid=widget.conversation).visitor_process
        server.wait_until(lambda: process in leases.holders("process/"), "the process took no lease")
        server.kill()
        # Let a minute pass for this lease.
        Lease.objects.filter(holder=process).update(until=Now() - timedelta(seconds=1))
        assert visitor_presence.expire_dead_processes() == 1
        row_when(console, widget, is_away=True)
        with Widget(processes.uvicorn) as again:
            again.open(like=widget)
            row_when(console, widget, is_away=False)
