"""The steps of the state machine, and the tests that run it with and without planted faults."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import jwt
import pytest
from hypothesis import HealthCheck, Phase, strategies
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from pytest_django import DjangoDbBlocker

from accounts import actions as accounts
from accounts.models import Staff
from chat.actions import agents
from chat.models import Conversation
from tests.machine import faults
from tests.machine.browsers import Node
from tests.machine.environment import Environment
from tests.machine.invariants import SECRET
from tests.machine.notifications import MODES
from tests.machine.schedule import Schedule
from tests.people import IDENTITY_SECRET, SITE_KEY, take_as

STEPS = 30
# A planted fault that is not found in this many schedules counts as missed.
SCHEDULES_PER_FAULT = 150
# The number of schedules, from the Hypothesis profile: 100 in the suite, 2000 for `make machine`.
SCHEDULES = hypothesis.settings().max_examples

# The browser profile or staff member of each tab.
WIDGETS = {"widget-1": "visitor", "widget-2": "visitor", "widget-3": "other"}
CONSOLES = {"mei-1": "mei", "mei-2": "mei", "hao-1": "hao", "yun-1": "yun"}
TABS = [*WIDGETS, *CONSOLES]

environment: Environment


@pytest.fixture(scope="module", autouse=True)
def _environment(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    global environment
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch, Node() as node:
        environment = Environment(patch, node)
        yield
        environment.close()


waits = strategies.sampled_from((0.0, 0.0, 0.01, 0.1, 0.5, 2.0, 6.0))
widgets = strategies.sampled_from(list(WIDGETS))
consoles = strategies.sampled_from(list(CONSOLES))
tabs = strategies.sampled_from(TABS)
staffs = strategies.sampled_from(("mei", "mei", "hao", "yun"))
which = strategies.sampled_from((0, 0, 1))


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.schedule: Schedule | None = None
        self.count = 0

    @initialize(
        seed=strategies.integers(0, 10_000),
        is_talking=strategies.sampled_from((True, True, False)),
        mode=strategies.sampled_from(("reliable", "lossy", "reordering", "reliable")),
    )
    def begin(self, seed: int, is_talking: bool, mode: str) -> None:
        self.schedule = schedule = Schedule(environment, seed)
        schedule.open_widget("widget-1", "visitor")
        schedule.open_console("mei-1", schedule.cast.mei)
        self.then(1)
        if is_talking:
            self.visitor_writes("widget-1", 1.0, 1)
            schedule.channel_layer.mode = mode
            self.agent_takes("mei", 0, 1.0)
            self.agent_opens("mei-1", 0, 1.0)

    def then(self, wait: float) -> None:
        schedule, self.schedule = self.schedule, None
        assert schedule is not None
        try:
            schedule.run_for(wait)
            schedule.checker.check()
        except BaseException:
            schedule.end()
            raise
        self.schedule = schedule

    def teardown(self) -> None:
        if self.schedule is not None:
            try:
                self.schedule.heal()
            finally:
                self.schedule.end()

    # -- people --------------------------------------------------------------------------------------------

    def staff(self, name: str) -> Staff:
        return Staff.objects.get(username=name)

    def conversation(self, index: int) -> Conversation | None:
        newest: Conversation | None = Conversation.objects.order_by("-pk")[index : index + 1].first()
        return newest

    def act_on(self, index: int, who: str, work: Callable[..., object], **more: Any) -> None:
        """Run an action on one of the latest conversations, if it exists."""
        assert self.schedule is not None
        if (conversation := self.conversation(index)) is not None:
            self.schedule.act(work, staff=self.staff(who), uuid=conversation.uuid, **more)

    def is_usable(self, tab: str) -> bool:
        """Whether the tab is loaded and not frozen."""
        assert self.schedule is not None
        return tab in self.schedule.checker.screens and tab not in self.schedule.frozen

    @rule(tab=widgets, wait=waits, times=strategies.integers(1, 3))
    def visitor_writes(self, tab: str, wait: float, times: int) -> None:
        assert self.schedule is not None
        if self.is_usable(tab):
            for _ in range(times):
                self.count += 1
                self.schedule.checker.sent[tab].append(f"{tab} {self.count}")
                self.schedule.do(tab, "post", f"{tab} {self.count}")
        self.then(wait)

    @rule(tab=consoles, index=which, wait=waits, times=strategies.integers(1, 2))
    def agent_answers(self, tab: str, index: int, wait: float, times: int) -> None:
        assert self.schedule is not None
        conversation = self.conversation(index)
        if self.is_usable(tab) and conversation is not None:
            for _ in range(times):
                self.count += 1
                self.schedule.checker.sent[tab, str(conversation.uuid)].append(f"{tab} {self.count}")
                self.schedule.do(tab, "post", str(conversation.uuid), f"{tab} {self.count}")
        self.then(wait)

    @rule(tab=consoles, index=which, wait=waits)
    def agent_opens(self, tab: str, index: int, wait: float) -> None:
        assert self.schedule is not None
        conversation = self.conversation(index)
        if self.is_usable(tab) and conversation is not None:
            self.schedule.do(tab, "show", str(conversation.uuid))
        self.then(wait)

    @rule(who=staffs, index=which, wait=waits)
    def agent_takes(self, who: str, index: int, wait: float) -> None:
        self.act_on(index, who, take_as)
        self.then(wait)

    @rule(index=which, wait=waits)
    def two_take_at_once(self, index: int, wait: float) -> None:
        self.act_on(index, "mei", take_as)
        self.act_on(index, "hao", take_as)
        self.then(wait)

    @rule(who=staffs, to=staffs, index=which, wait=waits)
    def agent_transfers(self, who: str, to: str, index: int, wait: float) -> None:
        self.count += 1
        self.act_on(index, who, agents.transfer_to_agent, to=self.staff(to), note=f"{SECRET} {self.count}")
        self.then(wait)

    @rule(who=staffs, department=strategies.sampled_from(("cards", "loans")), index=which, wait=waits)
    def agent_sends_to_department(self, who: str, department: str, index: int, wait: float) -> None:
        assert self.schedule is not None
        self.act_on(index, who, agents.transfer_to_department, to=getattr(self.schedule.cast, department))
        self.then(wait)

    @rule(who=staffs, index=which, wait=waits)
    def agent_notes(self, who: str, index: int, wait: float) -> None:
        self.count += 1
        self.act_on(index, who, agents.add_note, body=f"{SECRET} {self.count}")
        self.then(wait)

    @rule(who=staffs, index=which, wait=waits, closes=strategies.booleans())
    def agent_ends(self, who: str, index: int, wait: float, closes: bool) -> None:
        assert self.schedule is not None
        if closes:
            self.act_on(index, who, agents.close_conversation, code=self.schedule.cast.done)
        else:
            self.act_on(index, who, agents.end_conversation)
        self.then(wait)

    @rule(
        tab=widgets,
        what=strategies.sampled_from(("end", "rate", "identify", "restart", "logout")),
        wait=waits,
    )
    def visitor_asks(self, tab: str, what: str, wait: float) -> None:
        assert self.schedule is not None
        if self.is_usable(tab):
            if what in ("restart", "logout"):
                self.schedule.do(tab, what)
            else:
                frame = {"kind": what, "score": 4, "identity": self.identity(tab)}
                self.schedule.do(tab, "ask", frame)
            if what == "logout":
                # A logout discards unsent messages on purpose, in every tab of the visitor.
                self.schedule.checker.gone |= {other for other in WIDGETS if WIDGETS[other] == WIDGETS[tab]}
        self.then(wait)

    def identity(self, tab: str) -> str:
        self.count += 1
        now = int(time.time())
        claims = {"sub": WIDGETS[tab], "aud": SITE_KEY, "iat": now, "exp": now + 300, "jti": str(self.count)}
        return jwt.encode(claims, IDENTITY_SECRET, "HS256")

    @rule(tab=tabs, wait=waits)
    def opens_or_reloads(self, tab: str, wait: float) -> None:
        assert self.schedule is not None
        if tab in WIDGETS:
            self.schedule.open_widget(tab, WIDGETS[tab])
        else:
            self.schedule.open_console(tab, self.staff(CONSOLES[tab]))
        self.then(wait)

    @rule(tab=tabs, wait=waits)
    def closes_a_tab(self, tab: str, wait: float) -> None:
        assert self.schedule is not None
        if tab not in ("widget-1", "mei-1"):
            self.schedule.checker.gone.add(tab)
            self.schedule.do(tab, "unload")
        self.then(wait)

    @rule(wait=waits)
    def another_begins_while_an_answer_is_lost(self, wait: float) -> None:
        """Lose the answer to a post in one tab, start the next conversation in another tab, and reconnect the first
        tab."""
        assert self.schedule is not None
        self.schedule.open_widget("widget-2", WIDGETS["widget-2"])
        self.then(1.0)
        self.visitor_writes("widget-1", 0.0, 1)
        for socket in self.schedule.open_sockets("widget-1"):
            socket.make_half_open(up=False, down=True)
        self.then(1.0)
        for what, *details in (("ask", {"kind": "end"}), ("restart",)):
            self.schedule.do("widget-2", what, *details)
            self.then(1.0)
        self.visitor_writes("widget-2", 1.0, 1)
        for socket in self.schedule.open_sockets("widget-1"):
            socket.cut()
        self.then(wait)

    @rule(tab=tabs, is_visible=strategies.booleans(), wait=waits)
    def looks_away_and_back(self, tab: str, is_visible: bool, wait: float) -> None:
        assert self.schedule is not None
        self.schedule.do(tab, "event", "visibilitychange", "visible" if is_visible else "hidden")
        self.then(wait)

    @rule(wait=waits)
    def an_agent_is_switched_off_or_on(self, wait: float) -> None:
        assert self.schedule is not None
        hao = self.staff("hao")
        hao.is_active = not hao.is_active
        self.schedule.act(
            accounts.change_staff, by=self.staff("an"), staff=hao, departments=list(hao.departments.all())
        )
        self.then(wait)

    # -- time and faults -----------------------------------------------------------------------------------

    @rule(seconds=strategies.sampled_from((1.0, 5.0, 15.0, 45.0)))
    def time_passes(self, seconds: float) -> None:
        self.then(seconds)

    @rule(hours=strategies.sampled_from((0.01, 1.0, 3.0)), wait=waits)
    def the_computers_sleep(self, hours: float, wait: float) -> None:
        assert self.schedule is not None
        self.schedule.loop.jump(hours * 3600)
        self.then(wait)

    @rule(tab=tabs, how=strategies.sampled_from(("cut", "up", "down", "both", "repeat")), wait=waits)
    def a_connection_breaks(self, tab: str, how: str, wait: float) -> None:
        assert self.schedule is not None
        for socket in self.schedule.open_sockets(tab):
            if how == "cut":
                socket.cut()
            elif how == "repeat":
                socket.repeat()
            else:
                socket.make_half_open(up=how in ("up", "both"), down=how in ("down", "both"))
        if how != "repeat":
            self.schedule.cut_requests(tab)
        self.then(wait)

    @rule(tab=tabs, wait=waits)
    def a_network_goes_or_comes(self, tab: str, wait: float) -> None:
        assert self.schedule is not None
        if tab in self.schedule.is_network_down:
            self.schedule.is_network_down.discard(tab)
            self.schedule.do(tab, "event", "online")
        else:
            self.schedule.is_network_down.add(tab)
            for socket in self.schedule.open_sockets(tab):
                socket.make_half_open(up=True, down=True)
        self.then(wait)

    @rule(tab=tabs, wait=waits)
    def a_tab_freezes_or_wakes(self, tab: str, wait: float) -> None:
        assert self.schedule is not None
        if tab in self.schedule.frozen:
            self.schedule.wake(tab)
        elif self.is_usable(tab):
            self.schedule.freeze(tab)
        self.then(wait)

    @rule(index=which, after=strategies.sampled_from((-1, 0, 1)), wait=waits)
    def a_process_is_killed(self, index: int, after: int, wait: float) -> None:
        """Kill a process at once, or right after its next commit or the one after that, before it can report the
        commit."""
        assert self.schedule is not None
        process = self.schedule.processes[index]
        if after < 0:
            self.schedule.kill(process)
        else:
            process.commits_left = after
        self.then(wait)

    @rule(wait=waits)
    def processes_are_started_again(self, wait: float) -> None:
        assert self.schedule is not None
        self.schedule.restart()
        self.then(wait)

    @rule(index=which, seconds=strategies.sampled_from((0.5, 5.0)), wait=waits)
    def a_process_stalls(self, index: int, seconds: float, wait: float) -> None:
        assert self.schedule is not None
        self.schedule.processes[index].stall(seconds)
        self.then(wait)

    @rule(mode=strategies.sampled_from(MODES), flushes=strategies.booleans(), wait=waits)
    def the_notifications_change(self, mode: str, flushes: bool, wait: float) -> None:
        assert self.schedule is not None
        self.schedule.channel_layer.mode = mode
        if flushes:
            self.schedule.channel_layer.flush()
        self.then(wait)

    @rule(wait=waits)
    def the_database_goes_or_comes(self, wait: float) -> None:
        assert self.schedule is not None
        self.schedule.is_database_down = not self.schedule.is_database_down
        self.then(wait)


def run(schedules: int, *phases: Phase) -> None:
    settings = hypothesis.settings(
        max_examples=schedules,
        stateful_step_count=STEPS,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        phases=[Phase.generate, *phases],
    )
    run_state_machine_as_test(Machine, settings=settings)


def test_random_schedules_keep_all_invariants() -> None:
    # Shrink only for `make machine` (2000 schedules), because shrinking takes longer than everything else.
    run(SCHEDULES, *([Phase.shrink] if SCHEDULES > 1000 else []))


@pytest.mark.parametrize("fault", faults.ALL, ids=lambda fault: fault.__name__)
def test_planted_fault_is_found(fault: faults.Fault) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fault(patch)
        environment.node.plant(faults.IN_BROWSERS.get(fault, ""))
        try:
            with pytest.raises(AssertionError) as failure:
                run(SCHEDULES_PER_FAULT)
        finally:
            environment.node.plant("")
    assert str(failure.value), "the failure has a message"
