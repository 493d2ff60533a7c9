"""The steps of the machine, and the faults it is tested with."""

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
from tests.machine.judge import SECRET
from tests.machine.notifications import HOW
from tests.machine.stage import Stage
from tests.machine.world import World
from tests.people import IDENTITY_SECRET, SITE_KEY

STEPS = 30
# A planted fault is found sooner, or it is a machine that does not find it.
PLANTED_SCHEDULES = 150
# Of the profile: a hundred in the suite, two thousand in a search.
SCHEDULES = hypothesis.settings().max_examples

# Tab and browser: one visitor with two tabs, another one, an agent with two tabs, a colleague, a supervisor.
BOXES = {"box-1": "visitor", "box-2": "visitor", "box-3": "other"}
CONSOLES = {"mei-1": "mei", "mei-2": "mei", "hao-1": "hao", "yun-1": "yun"}
TABS = [*BOXES, *CONSOLES]

stage: Stage


@pytest.fixture(scope="module", autouse=True)
def _stage(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    global stage
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch, Node() as node:
        stage = Stage(patch, node)
        yield
        stage.close()


waits = strategies.sampled_from((0.0, 0.0, 0.01, 0.1, 0.5, 2.0, 6.0))
boxes = strategies.sampled_from(list(BOXES))
consoles = strategies.sampled_from(list(CONSOLES))
tabs = strategies.sampled_from(TABS)
staffs = strategies.sampled_from(("mei", "mei", "hao", "yun"))
which = strategies.sampled_from((0, 0, 1))


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None
        self.count = 0

    @initialize(
        seed=strategies.integers(0, 10_000),
        is_talking=strategies.sampled_from((True, True, False)),
        doorbell=strategies.sampled_from(("sound", "lossy", "reordering", "sound")),
    )
    def begin(self, seed: int, is_talking: bool, doorbell: str) -> None:
        self.world = world = World(stage, seed)
        world.open_box("box-1", "visitor")
        world.open_console("mei-1", world.cast.mei)
        self.then(1)
        if is_talking:
            self.visitor_writes("box-1", 1.0, 1)
            world.doorbell.how = doorbell
            self.agent_takes("mei", 0, 1.0)
            self.agent_opens("mei-1", 0, 1.0)

    def then(self, wait: float) -> None:
        world, self.world = self.world, None
        assert world is not None
        try:
            world.go_on(wait)
            world.judge.look()
        except BaseException:
            world.end()
            raise
        self.world = world

    def teardown(self) -> None:
        if self.world is not None:
            try:
                self.world.heal()
            finally:
                self.world.end()

    # -- people --------------------------------------------------------------------------------------------

    def staff(self, name: str) -> Staff:
        return Staff.objects.get(username=name)

    def conversation(self, index: int) -> Conversation | None:
        newest: Conversation | None = Conversation.objects.order_by("-pk")[index : index + 1].first()
        return newest

    def about(self, index: int, who: str, work: Callable[..., object], **more: Any) -> None:
        """Somebody does something about a conversation."""
        assert self.world is not None
        if (conversation := self.conversation(index)) is not None:
            self.world.act(work, staff=self.staff(who), uuid=conversation.uuid, **more)

    def opened(self, tab: str) -> bool:
        """Whether somebody can use it now."""
        assert self.world is not None
        return tab in self.world.judge.screens and tab not in self.world.frozen

    @rule(tab=boxes, wait=waits, times=strategies.integers(1, 3))
    def visitor_writes(self, tab: str, wait: float, times: int) -> None:
        assert self.world is not None
        if self.opened(tab):
            for _ in range(times):
                self.count += 1
                self.world.judge.said[tab].append(f"{tab} {self.count}")
                self.world.do(tab, "post", f"{tab} {self.count}")
        self.then(wait)

    @rule(tab=consoles, index=which, wait=waits, times=strategies.integers(1, 2))
    def agent_answers(self, tab: str, index: int, wait: float, times: int) -> None:
        assert self.world is not None
        conversation = self.conversation(index)
        if self.opened(tab) and conversation is not None:
            for _ in range(times):
                self.count += 1
                self.world.judge.said[tab, str(conversation.uuid)].append(f"{tab} {self.count}")
                self.world.do(tab, "post", str(conversation.uuid), f"{tab} {self.count}")
        self.then(wait)

    @rule(tab=consoles, index=which, wait=waits)
    def agent_opens(self, tab: str, index: int, wait: float) -> None:
        assert self.world is not None
        conversation = self.conversation(index)
        if self.opened(tab) and conversation is not None:
            self.world.do(tab, "show", str(conversation.uuid))
        self.then(wait)

    @rule(who=staffs, index=which, wait=waits)
    def agent_takes(self, who: str, index: int, wait: float) -> None:
        self.about(index, who, agents.take)
        self.then(wait)

    @rule(index=which, wait=waits)
    def two_take_at_once(self, index: int, wait: float) -> None:
        self.about(index, "mei", agents.take)
        self.about(index, "hao", agents.take)
        self.then(wait)

    @rule(who=staffs, to=staffs, index=which, wait=waits)
    def agent_transfers(self, who: str, to: str, index: int, wait: float) -> None:
        self.count += 1
        self.about(index, who, agents.transfer_to_agent, to=self.staff(to), note=f"{SECRET} {self.count}")
        self.then(wait)

    @rule(who=staffs, department=strategies.sampled_from(("cards", "loans")), index=which, wait=waits)
    def agent_sends_to_department(self, who: str, department: str, index: int, wait: float) -> None:
        assert self.world is not None
        self.about(index, who, agents.transfer_to_department, to=getattr(self.world.cast, department))
        self.then(wait)

    @rule(who=staffs, index=which, wait=waits)
    def agent_notes(self, who: str, index: int, wait: float) -> None:
        self.count += 1
        self.about(index, who, agents.add_note, body=f"{SECRET} {self.count}")
        self.then(wait)

    @rule(who=staffs, index=which, wait=waits, closes=strategies.booleans())
    def agent_ends(self, who: str, index: int, wait: float, closes: bool) -> None:
        assert self.world is not None
        if closes:
            self.about(index, who, agents.close_conversation, code=self.world.cast.done)
        else:
            self.about(index, who, agents.end_conversation)
        self.then(wait)

    @rule(
        tab=boxes, what=strategies.sampled_from(("end", "rate", "identify", "restart", "logout")), wait=waits
    )
    def visitor_asks(self, tab: str, what: str, wait: float) -> None:
        assert self.world is not None
        if self.opened(tab):
            if what in ("restart", "logout"):
                self.world.do(tab, what)
            else:
                frame = {"kind": what, "score": 4, "identity": self.identity(tab)}
                self.world.do(tab, "ask", frame)
            if what == "logout":
                # What was not sent yet is forgotten on purpose, in every tab.
                self.world.judge.gone |= {each for each in BOXES if BOXES[each] == BOXES[tab]}
        self.then(wait)

    def identity(self, tab: str) -> str:
        self.count += 1
        now = int(time.time())
        claims = {"sub": BOXES[tab], "aud": SITE_KEY, "iat": now, "exp": now + 300, "jti": str(self.count)}
        return jwt.encode(claims, IDENTITY_SECRET, "HS256")

    @rule(tab=tabs, wait=waits)
    def opens_or_reloads(self, tab: str, wait: float) -> None:
        assert self.world is not None
        if tab in BOXES:
            self.world.open_box(tab, BOXES[tab])
        else:
            self.world.open_console(tab, self.staff(CONSOLES[tab]))
        self.then(wait)

    @rule(tab=tabs, wait=waits)
    def closes_a_tab(self, tab: str, wait: float) -> None:
        assert self.world is not None
        if tab not in ("box-1", "mei-1"):
            self.world.judge.gone.add(tab)
            self.world.do(tab, "unload")
        self.then(wait)

    @rule(wait=waits)
    def another_begins_while_an_answer_is_lost(self, wait: float) -> None:
        """One tab posts and hears no answer; the other ends the chat and begins the next; the first comes back."""
        assert self.world is not None
        self.world.open_box("box-2", BOXES["box-2"])
        self.then(1.0)
        self.visitor_writes("box-1", 0.0, 1)
        for socket in self.world.lines("box-1"):
            socket.swallow(up=False, down=True)
        self.then(1.0)
        for what, *given in (("ask", {"kind": "end"}), ("restart",)):
            self.world.do("box-2", what, *given)
            self.then(1.0)
        self.visitor_writes("box-2", 1.0, 1)
        for socket in self.world.lines("box-1"):
            socket.cut()
        self.then(wait)

    @rule(tab=tabs, is_visible=strategies.booleans(), wait=waits)
    def looks_away_and_back(self, tab: str, is_visible: bool, wait: float) -> None:
        assert self.world is not None
        self.world.do(tab, "event", "visibilitychange", "visible" if is_visible else "hidden")
        self.then(wait)

    @rule(wait=waits)
    def an_agent_is_switched_off_or_on(self, wait: float) -> None:
        assert self.world is not None
        hao = self.staff("hao")
        hao.is_active = not hao.is_active
        self.world.act(
            accounts.change_staff, by=self.staff("an"), staff=hao, departments=list(hao.departments.all())
        )
        self.then(wait)

    # -- time and faults -----------------------------------------------------------------------------------

    @rule(seconds=strategies.sampled_from((1.0, 5.0, 15.0, 45.0)))
    def time_passes(self, seconds: float) -> None:
        self.then(seconds)

    @rule(hours=strategies.sampled_from((0.01, 1.0, 3.0)), wait=waits)
    def the_computers_sleep(self, hours: float, wait: float) -> None:
        assert self.world is not None
        self.world.loop.jump(hours * 3600)
        self.then(wait)

    @rule(tab=tabs, how=strategies.sampled_from(("cut", "up", "down", "both", "repeat")), wait=waits)
    def a_line_breaks(self, tab: str, how: str, wait: float) -> None:
        assert self.world is not None
        for socket in self.world.lines(tab):
            if how == "cut":
                socket.cut()
            elif how == "repeat":
                socket.repeat()
            else:
                socket.swallow(up=how in ("up", "both"), down=how in ("down", "both"))
        if how != "repeat":
            self.world.cut_requests(tab)
        self.then(wait)

    @rule(tab=tabs, wait=waits)
    def a_network_goes_or_comes(self, tab: str, wait: float) -> None:
        assert self.world is not None
        if tab in self.world.is_network_down:
            self.world.is_network_down.discard(tab)
            self.world.do(tab, "event", "online")
        else:
            self.world.is_network_down.add(tab)
            for socket in self.world.lines(tab):
                socket.swallow(up=True, down=True)
        self.then(wait)

    @rule(tab=tabs, wait=waits)
    def a_tab_freezes_or_wakes(self, tab: str, wait: float) -> None:
        assert self.world is not None
        if tab in self.world.frozen:
            self.world.wake(tab)
        elif self.opened(tab):
            self.world.freeze(tab)
        self.then(wait)

    @rule(index=which, after=strategies.sampled_from((-1, 0, 1)), wait=waits)
    def a_process_is_killed(self, index: int, after: int, wait: float) -> None:
        """At once, or right after so many more commits, before anybody hears of it."""
        assert self.world is not None
        process = self.world.processes[index]
        if after < 0:
            self.world.kill(process)
        else:
            process.commits_left = after
        self.then(wait)

    @rule(wait=waits)
    def processes_are_started_again(self, wait: float) -> None:
        assert self.world is not None
        self.world.restart()
        self.then(wait)

    @rule(index=which, seconds=strategies.sampled_from((0.5, 5.0)), wait=waits)
    def a_process_stalls(self, index: int, seconds: float, wait: float) -> None:
        assert self.world is not None
        self.world.processes[index].stall(seconds)
        self.then(wait)

    @rule(how=strategies.sampled_from(HOW), flushes=strategies.booleans(), wait=waits)
    def the_doorbell(self, how: str, flushes: bool, wait: float) -> None:
        assert self.world is not None
        self.world.doorbell.how = how
        if flushes:
            self.world.doorbell.flush()
        self.then(wait)

    @rule(wait=waits)
    def the_database_goes_or_comes(self, wait: float) -> None:
        assert self.world is not None
        self.world.database_is_away = not self.world.database_is_away
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


def test_whatever_happens_everybody_sees_everything_in_order() -> None:
    # Shrinking takes longer than all the rest: that is for a search.
    run(SCHEDULES, *([Phase.shrink] if SCHEDULES > 1000 else []))


@pytest.mark.parametrize("fault", faults.ALL, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found(fault: faults.Fault) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fault(patch)
        stage.node.plant(faults.IN_BROWSERS.get(fault, ""))
        try:
            with pytest.raises(AssertionError) as found:
                run(PLANTED_SCHEDULES)
        finally:
            stage.node.plant("")
    assert str(found.value), "it says what is wrong"
