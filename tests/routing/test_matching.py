"""Tests of the rule that chooses an agent for a waiting conversation. They need no database."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from routing.loads import AgentLoad
from routing.matching import EMERGENCY_EXTRA, Agent, Waiting, match
from routing.models import DepartmentPolicy, Mode

NOW = datetime(2026, 11, 30, 1, 0, tzinfo=UTC)
CARDS, LOANS = 1, 2
ENGLISH, MORTGAGES = 10, 11


def agent(
    pk: int,
    *departments: int,
    load: int = 0,
    capacity: int = 4,
    idle_minutes: float | None = None,
    skills: dict[int, int] | None = None,
    restricted: frozenset[int] = frozenset(),
) -> Agent:
    own = departments or (CARDS,)
    return Agent(
        id=pk,
        number=f"10{pk}",
        name=f"Agent {pk}",
        departments=frozenset(own),
        restricted=restricted,
        load=AgentLoad(capacity, load, by_department=Counter({own[0]: load})),
        skills=skills or {},
        last_assigned_at=None if idle_minutes is None else NOW - timedelta(minutes=idle_minutes),
    )


def waiting(
    pk: int,
    department: int = CARDS,
    *,
    minutes: float = 1,
    is_emergency: bool = False,
    skills: frozenset[int] = frozenset(),
    tried: frozenset[int] = frozenset(),
    last_agent: int | None = None,
) -> Waiting:
    since = NOW - timedelta(minutes=minutes)
    return Waiting(pk, department, since, is_emergency, skills, tried, last_agent)


def policy(**changes: object) -> dict[int, DepartmentPolicy]:
    return {
        department: DepartmentPolicy(department_id=department, mode=Mode.PUSH, **changes)
        for department in (CARDS, LOANS)
    }


def pairs(queue: list[Waiting], agents: list[Agent], **changes: object) -> list[tuple[int, int]]:
    choices = match(queue, agents, policy(**changes), NOW)
    return [(choice.waiting.id, choice.agent) for choice in choices]


def test_lowest_load_relative_to_capacity_is_first() -> None:
    assert pairs([waiting(1)], [agent(1, load=2, capacity=4), agent(2, load=3, capacity=8)]) == [(1, 2)]


def test_longest_time_since_last_assignment_decides_among_equals() -> None:
    agents = [agent(1, idle_minutes=2), agent(2, idle_minutes=9), agent(3, idle_minutes=5)]
    assert pairs([waiting(1), waiting(2), waiting(3)], agents) == [(1, 2), (2, 3), (3, 1)]


def test_agent_without_earlier_assignment_counts_as_idle_longest() -> None:
    assert pairs([waiting(1)], [agent(1, idle_minutes=500), agent(2)]) == [(1, 2)]


def test_capacity_is_never_exceeded() -> None:
    queue = [waiting(number) for number in range(20)]
    agents = [agent(1, load=3, capacity=4), agent(2, load=0, capacity=2)]
    assert Counter(chosen for _, chosen in pairs(queue, agents)) == {1: 1, 2: 2}


def test_capacity_of_the_department_is_never_exceeded() -> None:
    queue = [waiting(number) for number in range(20)]
    assert len(pairs(queue, [agent(1, capacity=8)], capacity=3)) == 3


def test_queue_order_decides_who_gets_the_last_free_place() -> None:
    assert pairs([waiting(7), waiting(3)], [agent(1, load=3)]) == [(7, 1)]


def test_full_department_does_not_hold_up_another_one() -> None:
    queue = [waiting(1, CARDS), waiting(2, CARDS), waiting(3, LOANS)]
    assert pairs(queue, [agent(1, CARDS, load=4), agent(2, LOANS)]) == [(3, 2)]


def test_emergency_may_exceed_the_capacity() -> None:
    queue = [waiting(number, is_emergency=True) for number in range(5)]
    assert len(pairs(queue, [agent(1, load=4)])) == EMERGENCY_EXTRA


def test_last_agent_is_preferred_unless_full() -> None:
    agents = [agent(1, load=3), agent(2, load=0)]
    assert pairs([waiting(1, last_agent=1)], agents) == [(1, 1)]
    assert pairs([waiting(1, last_agent=1)], [agent(1, load=4), agent(2)]) == [(1, 2)]


def test_agent_who_missed_the_offer_does_not_get_it_again() -> None:
    assert pairs([waiting(1, tried=frozenset({1}))], [agent(1)]) == []
    assert pairs([waiting(1, tried=frozenset({1}))], [agent(1), agent(2, load=3)]) == [(1, 2)]


def test_agent_gets_one_offer_at_a_time_except_of_emergencies() -> None:
    queue = [waiting(1), waiting(2), waiting(3, is_emergency=True)]
    offers = {CARDS: DepartmentPolicy(department_id=CARDS, mode=Mode.OFFER)}
    assert [choice.waiting.id for choice in match(queue, [agent(1)], offers, NOW)] == [1, 3]


def test_choices_stop_at_the_limit() -> None:
    assert len(match([waiting(number) for number in range(4)], [agent(1)], policy(), NOW, 3)) == 3


def test_higher_level_of_the_skill_is_preferred_among_equal_loads() -> None:
    agents = [agent(1, skills={MORTGAGES: 2}), agent(2, skills={MORTGAGES: 5}), agent(3)]
    assert pairs([waiting(1, skills=frozenset({MORTGAGES}))], agents) == [(1, 2)]


def test_conversation_waits_for_the_skill_and_then_goes_to_anybody() -> None:
    needs_english = frozenset({ENGLISH})
    assert pairs([waiting(1, minutes=0.5, skills=needs_english)], [agent(1)]) == []
    assert pairs([waiting(1, minutes=2, skills=needs_english)], [agent(1)]) == [(1, 1)]
    assert pairs([waiting(1, minutes=0, skills=needs_english, is_emergency=True)], [agent(1)]) == [(1, 1)]


def test_conversation_that_waits_for_a_skill_does_not_hold_up_the_next() -> None:
    queue = [waiting(1, minutes=0.5, skills=frozenset({ENGLISH})), waiting(2, minutes=0.4)]
    assert pairs(queue, [agent(1)]) == [(2, 1)]


def test_pause_between_assignments_is_kept_except_in_an_emergency() -> None:
    rested, busy = agent(1, load=3, idle_minutes=1), agent(2, load=0, idle_minutes=0.1)
    assert pairs([waiting(1)], [rested, busy], pause_seconds=30) == [(1, 1)]
    busy = agent(2, load=0, idle_minutes=0.1)
    assert pairs([waiting(1, is_emergency=True)], [busy], pause_seconds=30) == [(1, 2)]


def test_restricted_agent_gets_nothing_and_is_counted() -> None:
    restricted = agent(1, LOANS, restricted=frozenset({CARDS}))
    (choice,) = match([waiting(1)], [restricted, agent(2), agent(3, load=4)], policy(), NOW)
    assert choice.agent == 2
    assert choice.explanation.left_out == {"restricted": 1, "full": 1}


def test_explanation_names_the_chosen_agent_and_the_next_with_their_load() -> None:
    (choice,) = match([waiting(1, minutes=2)], [agent(1, load=1), agent(2, idle_minutes=3)], policy(), NOW)
    stored = choice.explanation.as_json()
    assert stored["rule"] == "least_busy"
    assert stored["waited_seconds"] == 120
    assert [(one["number"], one["load"], one["capacity"]) for one in stored["candidates"]] == [
        ("102", 0, 4),
        ("101", 1, 4),
    ]
    assert stored["candidate_count"] == 2


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4)), max_size=6),
    st.lists(st.tuples(st.sampled_from([CARDS, LOANS]), st.booleans()), max_size=30),
)
def test_match_never_exceeds_capacity_and_leaves_nobody_waiting_beside_a_free_agent(
    loads: list[tuple[int, int]], contacts: list[tuple[int, bool]]
) -> None:
    agents = [
        agent(number, CARDS, LOANS, load=min(load, capacity), capacity=capacity)
        for number, (load, capacity) in enumerate(loads)
    ]
    queue = [
        waiting(number, department, is_emergency=is_emergency)
        for number, (department, is_emergency) in enumerate(contacts)
    ]
    choices = match(queue, agents, policy(), NOW)
    assert len({choice.waiting.id for choice in choices}) == len(choices)
    has_emergency = any(one.is_emergency for one in queue)
    for one in agents:
        assert one.load.load <= one.load.capacity + EMERGENCY_EXTRA * has_emergency
    unserved = {one.id for one in queue} - {choice.waiting.id for choice in choices}
    assert not unserved or all(one.load.load >= one.load.capacity for one in agents)
