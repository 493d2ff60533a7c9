"""A simulated agent: comes to the shift, takes breaks, answers, ends and closes conversations, and goes home.

The agent sees only what a console would show: the rows that the actions announce while the console is connected, and
all own rows after it has reconnected.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from accounts import presence
from accounts.models import Presence, PresenceStatus, Staff
from chat.actions import agents as actions
from chat.actions.posts import Post
from chat.actions.presence import set_presence
from chat.errors import Refusal
from chat.models import Status
from chat.protocol import PresenceFrame, Row
from chat.protocol.serializers import person_of
from routing.actions import offers, taking
from tests.simulation.day import shapes
from tests.simulation.day.plan import AgentPlan, Period

if TYPE_CHECKING:
    from tests.simulation.day.day import Day

ANSWER = "好的，这边为您核实了，请您按页面提示操作。"


@dataclass
class OpenConversation:
    """A conversation on the agent's screen, and what the agent already intends to do with it."""

    pk: int
    uuid: UUID
    status: str
    is_answering: bool = False
    is_closing: bool = False


class Agent:
    def __init__(self, day: Day, plan: AgentPlan, staff: Staff) -> None:
        self._day = day
        self.plan = plan
        self.staff = staff
        self.departments = {day.bank.departments[code].pk for code in shapes.TEAMS[plan.team]}
        self.is_connected = False
        self.status = PresenceStatus.OFFLINE
        self.online_seconds = 0.0
        self._counted_at = 0.0
        self._rng = random.Random(f"{day.plan.seed} {plan.number}")
        self._person = person_of(staff)
        self._open: dict[int, OpenConversation] = {}
        self._offers: set[int] = set()
        self._is_reaching = False

    # -- the shift -----------------------------------------------------------------------------------------

    def schedule(self, losses: list[Period]) -> None:
        """Put the shift, the breaks and the network losses on the agenda."""
        begins, at = self._day.plan.begins, self._day.agenda.at
        for start, end in self.plan.hours:
            if end > begins:
                at(max(start, begins), self._arrive)
                at(end - shapes.LAST_MINUTES, lambda: self._set_status(PresenceStatus.BUSY))
                at(end, self._leave)
        for start, end in self.plan.breaks:
            if start > begins:
                at(start, lambda: self._set_status(PresenceStatus.BREAK))
                at(end, self._go_online)
        for start, end in losses:
            at(start, self._disconnect)
            at(end, self._reconnect)

    def count_online(self) -> None:
        """Add the time since the last call to `online_seconds`, if the agent was online."""
        now = self._day.agenda.now
        if self.is_connected and self.status == PresenceStatus.ONLINE:
            self.online_seconds += now - self._counted_at
        self._counted_at = now

    def _arrive(self) -> None:
        self._connect()
        self._go_online()

    def _go_online(self) -> None:
        self._set_status(PresenceStatus.ONLINE)
        self.consider()

    def _set_status(self, status: PresenceStatus) -> None:
        if self.is_connected:
            self.count_online()
            set_presence(staff=self.staff, status=status)
            self.status = status

    def _leave(self) -> None:
        if not self.is_connected:
            return
        if self._open and not self.plan.leaves_abruptly:
            self._day.agenda.after(30, self._leave)
            return
        if not self._open:
            self._set_status(PresenceStatus.OFFLINE)
        self._disconnect()

    def _disconnect(self) -> None:
        self.count_online()
        self.is_connected = False
        self._open.clear()
        self._offers.clear()
        self._day.wake()

    def _connect(self) -> None:
        self.count_online()
        self.is_connected = True
        presence.renew([self.staff.pk])
        for pk, row in self._day.rows_of(self.staff.pk):
            self.see(pk, row)
        self._day.wake()

    def _reconnect(self) -> None:
        self._connect()
        self.status = PresenceStatus(Presence.objects.get(pk=self.staff.pk).status)
        if self.status == PresenceStatus.AWAY:
            self._go_online()
        self.consider()

    # -- what the console shows ----------------------------------------------------------------------------

    def see(self, pk: int, row: Row) -> None:
        if not self.is_connected:
            return
        if row.agent is None or row.agent.id != self.staff.pk or row.status == Status.CLOSED:
            if self._open.pop(pk, None):
                self.consider()
        else:
            self._see_own(pk, row)
        if row.offered_to != self.staff.pk:
            self._offers.discard(pk)
        elif pk not in self._offers:
            self._offers.add(pk)
            self._decide(pk, UUID(row.id))

    def see_presence(self, frame: PresenceFrame) -> None:
        """Come back some minutes after the router has set the agent to away."""
        if self.is_connected and frame.reason:
            self.count_online()
            self.status = PresenceStatus.AWAY
            self._day.agenda.after(shapes.AWAY.draw(self._rng), self._come_back)

    def _come_back(self) -> None:
        if self.status == PresenceStatus.AWAY:
            self._go_online()

    def _see_own(self, pk: int, row: Row) -> None:
        is_new = pk not in self._open
        shown = self._open.setdefault(pk, OpenConversation(pk, UUID(row.id), row.status))
        shown.status = row.status
        customer = self._day.customers[pk]
        if row.status == Status.ACTIVE:
            if (is_new or row.unanswered_since) and not shown.is_answering:
                shown.is_answering = True
                slower = 1 + shapes.SLOWER_BY_EACH * (len(self._open) - 1)
                self._after(customer.turn().reply * self.plan.speed * slower, shown, self._answer)
        elif not shown.is_closing:
            shown.is_closing = True
            self._after(customer.contact.wrap_up * self.plan.speed, shown, self._close)

    def _after(
        self, seconds: float, shown: OpenConversation, step: Callable[[OpenConversation], None]
    ) -> None:
        """Do a step later, unless the conversation has left the screen or changed its status by then."""
        status = shown.status

        def run() -> None:
            if self.is_connected and self._open.get(shown.pk) is shown and shown.status == status:
                step(shown)

        self._day.agenda.after(seconds, run)

    # -- conversations -------------------------------------------------------------------------------------

    def _answer(self, shown: OpenConversation) -> None:
        def answered() -> None:
            shown.is_answering = False
            customer = self._day.customers[shown.pk]
            if not customer.has_finished:
                return
            if customer.contact.falls_silent:
                self._after(shapes.SILENCE, shown, self._end)
            elif customer.contact.is_ended_by_agent:
                self._after(shapes.SHORT_DELAY, shown, self._end)

        self._day.post(Post(shown.pk, uuid4(), ANSWER, agent=self._person), answered)

    def _end(self, shown: OpenConversation) -> None:
        self._try(lambda: actions.end_conversation(staff=self.staff, uuid=shown.uuid))

    def _close(self, shown: OpenConversation) -> None:
        code = self._day.bank.code
        self._try(lambda: actions.close_conversation(staff=self.staff, uuid=shown.uuid, code=code))

    # -- offers and taking by hand -------------------------------------------------------------------------

    def _decide(self, pk: int, uuid: UUID) -> None:
        chance = self._rng.random()
        if chance < shapes.OFFERS_MISSED:
            return
        is_declined = chance < shapes.OFFERS_MISSED + shapes.OFFERS_DECLINED

        def decide() -> None:
            if not self.is_connected or pk not in self._offers:
                return
            if is_declined:
                self._try(lambda: offers.decline(staff=self.staff, uuid=uuid))
            else:
                self._try(lambda: offers.accept(staff=self.staff, uuid=uuid))

        self._day.agenda.after(shapes.ACCEPTING.draw(self._rng) * self.plan.reaction, decide)

    def consider(self) -> None:
        """In pull mode: press "next" after some time, if the agent has room and the queue shows somebody."""
        if not self._is_reaching and self._may_take():
            self._is_reaching = True
            self._day.agenda.after(shapes.TAKING.draw(self._rng) * self.plan.reaction, self._take)

    def _may_take(self) -> bool:
        return (
            self._day.mode == "pull"
            and self.is_connected
            and self.status == PresenceStatus.ONLINE
            and len(self._open) < self.staff.capacity
            and not self.departments.isdisjoint(self._day.queue.values())
        )

    def _take(self) -> None:
        self._is_reaching = False
        if self._may_take():
            self._try(lambda: taking.take_next(staff=self.staff, client_id=uuid4()))
            self.consider()

    def _try(self, action: Callable[[], object]) -> None:
        """Do an action that may be refused, because something has changed that the screen did not show yet."""
        try:
            action()
        except Refusal as refusal:
            self._day.refusals[refusal.code] += 1
