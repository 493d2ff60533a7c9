"""The sent state of a conversation never holds more than every screen has received."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from chat.protocol import Row
from chat.realtime.sent_state import is_current, snapshot_of, with_message, with_read_marks
from tests.harness.servers.process import ROOT

EXAMPLES = json.loads((ROOT / "tests" / "protocol_examples.json").read_text(encoding="utf-8"))
ROW = next(
    msgspec.convert(frame["row"], Row)
    for frame in EXAMPLES["server_to_console"]
    if frame["kind"] == "message"
)
KNOWN = snapshot_of(ROW)


def changed(**changes: Any) -> Row:
    return msgspec.structs.replace(ROW, **changes)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "closed"},
        {"department": 7},
        {"visitor_name": "韩梅梅"},
        {"level": "verified"},
        {"rating": 5},
    ],
    ids=str,
)
def test_row_with_another_state_is_not_current(change: dict[str, Any]) -> None:
    assert not is_current(KNOWN, changed(**change))


def test_row_with_only_newer_messages_and_marks_is_current() -> None:
    assert is_current(KNOWN, changed(last_seq=9, unread=9, visitor_read=9, agent_read=9))
    assert is_current(None, changed(status="closed"))


def test_with_message_keeps_the_lower_read_marks() -> None:
    """Widgets get no read marks with a message, and outdated marks in the row lower what consoles show."""
    state = with_message(KNOWN, changed(last_seq=9, unread=4, agent_read=9, visitor_read=0))
    assert state == KNOWN._replace(last_seq=9, unread=4, visitor_read=0)


def test_with_read_marks_does_not_advance_last_seq() -> None:
    row = changed(last_seq=9, unread=0, visitor_received=8, visitor_read=8, agent_received=9, agent_read=9)
    visitor = with_read_marks(KNOWN, row, "visitor", is_shown=False)
    assert visitor == KNOWN._replace(visitor_received=8, visitor_read=8)
    agent = with_read_marks(KNOWN, row, "agent", is_shown=True)
    assert agent == KNOWN._replace(unread=0, agent_received=9, agent_read=9)


def test_with_read_marks_records_outdated_marks_as_sent() -> None:
    late = changed(agent_received=0, agent_read=0)
    for is_shown in (True, False):
        assert with_read_marks(KNOWN, late, "agent", is_shown=is_shown).agent_read == 0


def test_sent_state_starts_as_the_snapshot_of_the_row() -> None:
    assert with_message(None, ROW) == with_read_marks(None, ROW, "agent", is_shown=False) == KNOWN
