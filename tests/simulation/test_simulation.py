"""Tests of the simulation: a short run, and histories with faults that its comparison must find."""

from __future__ import annotations

import random
from collections import Counter
from copy import deepcopy

import pytest

from demo.bank import PASSWORD
from tests.harness.servers import AppServer
from tests.harness.thread import Message, Thread
from tests.simulation import pace
from tests.simulation.check import acknowledged_faults, screen_faults, transcript_faults
from tests.simulation.simulation import Outcome, Plan, Simulation
from tests.simulation.sources import DATA, Scripts, own_scripts

AVAILABLE_DATA = DATA if DATA.is_dir() else None


async def test_a_run_with_cuts_and_reloads_loses_nothing() -> None:
    """Run the simulation over real sockets, with cut connections and reloads.

    Messages of real customers are included if that data is available.
    """
    with AppServer({}) as server:
        server.manage("shell", "-v0", "-c", "from demo import bank; bank.set_up(origins=[])")
        plan = Plan(
            url=server.url, password=PASSWORD, visitors=24, agents=3, minutes=5, pace=60, from_hour=9, seed=7
        )

        outcome = await Simulation(plan, Scripts(random.Random(plan.seed), AVAILABLE_DATA)).run()

        assert outcome.losses == []
        assert outcome.acknowledged > 150
        assert answered_count(outcome) > 12
        assert sum(visitor.socket.reconnects for visitor in outcome.visitors) > 3
        assert sum(visitor.reloads for visitor in outcome.visitors) > 1
        assert "nothing lost" in outcome.summary()


def answered_count(outcome: Outcome) -> int:
    roles = [{message["role"] for message in visitor.thread.messages} for visitor in outcome.visitors]
    return sum({"visitor", "agent"} <= spoke for spoke in roles)


# -- The checker finds planted faults ------------------------------------------------------------------------

STORED: list[Message] = [
    {"seq": 1, "body": "在吗", "client_id": "a", "at": "2026-01-01T00:00:01.000Z", "role": "visitor"},
    {"seq": 2, "body": "林晓为您服务", "at": "2026-01-01T00:00:02.000Z", "role": "system"},
    {"seq": 3, "body": "卡被吞了", "client_id": "b", "at": "2026-01-01T00:00:03.000Z", "role": "visitor"},
]
SENT = {"a": "在吗", "b": " 卡被吞了\n"}
ACCEPTED = {"a": 1, "b": 3}


def shown(messages: list[Message]) -> Thread:
    thread = Thread()
    for message in messages:
        thread.add(message)
    return thread


def test_correct_messages_have_no_faults() -> None:
    assert transcript_faults(STORED) == []
    assert acknowledged_faults(STORED, SENT, ACCEPTED) == []
    assert screen_faults("visitor's", shown(STORED), STORED) == []


def test_a_lost_message_is_found() -> None:
    assert "LOST" in acknowledged_faults(STORED[:2], SENT, ACCEPTED)[0]
    assert "ends at 2 of 3" in screen_faults("agent's", shown(STORED[:2]), STORED)[0]
    assert transcript_faults([STORED[0], STORED[2]]) == ["seq is not 1, 2, 3 ..."]


def test_a_doubled_message_is_found() -> None:
    again = STORED[2] | {"seq": 4}
    assert transcript_faults([*STORED, again]) == ["a client_id occurs twice"]


def test_a_reordered_message_is_found() -> None:
    reordered = [STORED[2] | {"seq": 1}, STORED[1], STORED[0] | {"seq": 3}]
    assert "times go backwards" in transcript_faults(reordered)
    assert acknowledged_faults(reordered, SENT, {"a": 3, "b": 1}) == ["not in the order of sending"]
    assert "stored as 3" in acknowledged_faults(reordered, SENT, ACCEPTED)[0]


def test_a_changed_message_is_found() -> None:
    changed = deepcopy(STORED)
    changed[0]["body"] = "在吗?"
    assert "not what was sent" in acknowledged_faults(changed, SENT, ACCEPTED)[0]
    assert "differs" in screen_faults("agent's", shown(STORED), changed)[0]
    thread = shown(STORED)
    thread.add(changed[0])
    assert "different content" in screen_faults("agent's", thread, STORED)[0]


def test_thread_detects_a_gap_and_drops_a_repeat() -> None:
    thread = Thread()
    assert thread.add(STORED[2]) is True
    assert thread.head == 0
    assert [thread.add(message) for message in (STORED[0], STORED[0], STORED[1])] == [False, False, False]
    assert thread.head == 2


# -- Arrivals and pace ----------------------------------------------------------------------------------------


def test_drawn_times_match_the_measured_traffic() -> None:
    rng = random.Random(3)
    drawn = sorted(pace.CUSTOMER.draw(rng) for _ in range(20_000))
    assert drawn[10_000] == pytest.approx(10, rel=0.05)
    assert drawn[18_000] == pytest.approx(36, rel=0.05)
    gave_up = sum(pace.patience(rng) < 50 for _ in range(20_000)) / 20_000
    assert 0.05 < gave_up < 0.12


def test_arrivals_follow_the_busy_hours() -> None:
    times = pace.arrivals(random.Random(3), visitors=20_000, minutes=24 * 60, from_hour=0)
    by_hour = Counter(int(at // 3600) for at in times)
    assert by_hour.most_common(1)[0][0] == 10
    assert by_hour[10] == pytest.approx(20_000 * 0.084, rel=0.08)
    assert by_hour[3] < by_hour[10] / 10
    assert times == sorted(times)


def test_scripts_without_data_are_our_own_dialogues() -> None:
    scripts = Scripts(random.Random(1), None)
    drawn = [scripts.next() for _ in range(300)]
    assert not scripts.has_data
    assert {script.language for script in drawn} == {"zh", "en"}
    assert len(own_scripts()) >= 80
    assert all(any(turn.by == "visitor" for turn in script.turns) for script in drawn)


@pytest.mark.skipif(AVAILABLE_DATA is None, reason="the data is not beside this checkout")
def test_scripts_with_data_include_real_english_customers() -> None:
    scripts = Scripts(random.Random(1), AVAILABLE_DATA)
    drawn = [scripts.next() for _ in range(300)]
    own = {script.turns for script in own_scripts()}
    real = [script for script in drawn if script.turns not in own]
    assert len(real) > 50
    assert {script.language for script in real} == {"en"}
    assert len({script.turns[0].text for script in real}) > 40
