"""One run of a day: the plan's customers and agents on the real actions and the real database, on a simulated clock."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from unittest.mock import patch

from django.conf import settings
from django.db.models import Q

from accounts import presence
from chat.actions.posts import Post, RowValues, post_batch
from chat.errors import Refusal
from chat.models import Conversation, Status
from chat.protocol import ConversationChanged, Event, MessagePosted, PresenceChanged, Row, serializers
from chat.realtime import delivery
from demo.clock import clock_set
from tests.simulation.day import checks, records
from tests.simulation.day.agenda import MIDNIGHT, Agenda, moment
from tests.simulation.day.agents import Agent
from tests.simulation.day.bank import Bank, create_bank
from tests.simulation.day.checks import Faults
from tests.simulation.day.customers import Customer
from tests.simulation.day.measures import Outcome
from tests.simulation.day.plan import Period, Plan, RunMode
from tests.simulation.day.router_processes import RouterProcesses, simulated_database_clock
from tests.simulation.day.shapes import HOUR

logger = logging.getLogger(__name__)

# Seconds between an event and the round of the router that it causes.
WAKE_SECONDS = 0.05
POLL_SECONDS = 1.0
# While nothing waits for the router, it only looks for lost agents, and for offers when they expire.
# Shorter than the lease of the router, which would otherwise count as newly taken in each round.
IDLE_POLL_SECONDS = 2.0
# Messages are stored together if they are written within this time.
POST_SECONDS = 1.0
RENEW_SECONDS = 30.0
STARVED_CHECK_SECONDS = 60.0
# A conversation counts as starved if it still waits this long after the first finding, although an agent is free.
CONFIRM_SECONDS = 15.0
ORPHAN_CHECK_SECONDS = 600.0
MAX_RECENT = 500


class Day:
    """A day in one mode.

    `waiting` has the department of each waiting conversation, by its id. `queue` leaves out those that are offered to
    an agent.
    """

    agenda: Agenda
    bank: Bank

    def __init__(self, plan: Plan, mode: RunMode) -> None:
        self.plan = plan
        self.mode = mode
        self.customers: dict[int, Customer] = {}
        self.queue: dict[int, int] = {}
        self.waiting: dict[int, int] = {}
        self.refusals: Counter[str] = Counter()
        self._faults = Faults()
        self._agents: dict[int, Agent] = {}
        # The agents whose screens show a conversation, because it belongs or is offered to them.
        self._shown_to: dict[int, set[int]] = {}
        # The agent of each active conversation.
        self._active: dict[int, int] = {}
        self._posts: list[tuple[Post, Callable[[], None] | None]] = []
        self._recent: RowValues = {}
        self._next_round: float | None = None
        self._lost: list[Event] | None = None
        self._begun = 0

    def run(self) -> Outcome:
        """Run the day in an empty database, and return what happened."""
        started = time.perf_counter()
        with clock_set(moment(self.plan.begins)) as clock:
            self.agenda = Agenda(clock, self.plan.begins)
            with simulated_database_clock(), patch.object(delivery, "announce", self._announce):
                self.bank = create_bank(self.plan.agents, self.mode)
                self._processes = RouterProcesses(self)
                self._schedule()
                self.agenda.run(self.plan.ends, self._is_over)
                self._faults.check_orphans(self.agenda.now)
                self._faults.check_end()
        for agent in self._agents.values():
            agent.count_online()
        return records.outcome_of(
            self,
            faults=self._faults,
            agents=list(self._agents.values()),
            kills=self._processes.kills,
            seconds=time.perf_counter() - started,
        )

    def _schedule(self) -> None:
        losses: dict[int, list[Period]] = defaultdict(list)
        for index, period in self.plan.losses:
            losses[index].append(period)
        for index, (plan, staff) in enumerate(zip(self.plan.agents, self.bank.staff, strict=True)):
            self._agents[staff.pk] = agent = Agent(self, plan, staff)
            agent.schedule(losses[index])
        for contact in self.plan.contacts:
            self.agenda.at(contact.at, lambda contact=contact: self._begin(Customer(self, contact)))  # type: ignore[misc]
        if self.mode == "router":
            for at in self.plan.kills:
                self.agenda.at(at, self._processes.kill)
        self.agenda.every(RENEW_SECONDS, self._renew_presences)
        self.agenda.every(STARVED_CHECK_SECONDS, self._check_starved)
        self.agenda.every(ORPHAN_CHECK_SECONDS, lambda: self._faults.check_orphans(self.agenda.now))
        self.agenda.every(HOUR, self._report_progress)

    def _begin(self, customer: Customer) -> None:
        self._begun += 1
        customer.begin()

    def _is_over(self) -> bool:
        return self._begun == len(self.plan.contacts) and not (self.waiting or self._active or self._posts)

    # -- events --------------------------------------------------------------------------------------------

    def _announce(self, events: Sequence[Event], received_at: Sequence[float] = ()) -> None:
        """Show events on the screens of customers and agents, in place of the hub."""
        if self._lost is not None:
            self._lost += events
            return
        for event in events:
            if isinstance(event, ConversationChanged):
                self._show(event.pk, event.row)
                self.wake()
            elif isinstance(event, MessagePosted):
                self._show(event.pk, event.row)
                if customer := self.customers.get(event.pk):
                    customer.read(event.message)
            elif isinstance(event, PresenceChanged):
                self._agents[event.frame.staff].see_presence(event.frame)
                self.wake()

    def _show(self, pk: int, row: Row) -> None:
        """Show a row to its customer, to the agents whose consoles list it, and to those who look at the queue."""
        was_in_queue = pk in self.queue
        self._track(pk, row)
        owner = row.agent.id if row.agent and row.status != Status.CLOSED else None
        recipients = {staff for staff in (owner, row.offered_to) if staff is not None}
        former, self._shown_to[pk] = self._shown_to.get(pk, set()), recipients
        if customer := self.customers.get(pk):
            customer.see(row)
        for staff in sorted(former | recipients):
            self._agents[staff].see(pk, row)
        if pk in self.queue and not was_in_queue:
            for agent in self._agents.values():
                agent.consider()

    def _track(self, pk: int, row: Row) -> None:
        for tracked in (self.waiting, self.queue, self._active):
            tracked.pop(pk, None)
        if row.status == Status.ACTIVE and row.agent:
            self._active[pk] = row.agent.id
        elif row.status == Status.WAITING:
            self.waiting[pk] = row.department
            if row.offered_until is None:
                self.queue[pk] = row.department
            else:
                end = datetime.fromisoformat(row.offered_until)
                self.agenda.at((end - MIDNIGHT).total_seconds() + POLL_SECONDS, self.wake)

    @contextmanager
    def lost_announcements(self) -> Iterator[list[Event]]:
        """Lose what is announced inside the block, as when the process ends. Yields the lost events.

        The sweeps of the other process find the changes.
        """
        lost: list[Event] = []
        self._lost = lost
        try:
            yield lost
        finally:
            self._lost = None
            if lost:
                self.agenda.after(settings.SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        for pk, row in _rows(Q()):
            self._show(pk, row)

    def rows_of(self, staff: int) -> list[tuple[int, Row]]:
        """Return the ids and rows that the agent's console shows after it has connected."""
        return _rows(Q(agent=staff) | Q(offered_to=staff))

    # -- what the servers do -------------------------------------------------------------------------------

    def post(self, post: Post, on_stored: Callable[[], None] | None = None) -> None:
        """Store a message, together with others that are written at the same time. A message that is refused, because
        the conversation has ended or changed hands, is dropped."""
        if not self._posts:
            self.agenda.after(POST_SECONDS, self._store_posts)
        self._posts.append((post, on_stored))

    def _store_posts(self) -> None:
        pending, self._posts = self._posts, []
        if len(self._recent) > MAX_RECENT:
            self._recent.clear()
        outcomes, events = post_batch([post for post, _ in pending], recent=self._recent)
        for outcome, (_, on_stored) in zip(outcomes, pending, strict=True):
            if isinstance(outcome, Refusal):
                self.refusals[outcome.code] += 1
            elif on_stored:
                on_stored()
        self._announce(events)

    def wake(self) -> None:
        """Let the router run a round soon, unless it would find nothing to do."""
        if self.waiting or self._has_lost_agents():
            self._plan_round(WAKE_SECONDS)

    def _plan_round(self, seconds: float) -> None:
        at = self.agenda.now + seconds
        if self._next_round is None or at < self._next_round:
            self._next_round = at
            self.agenda.at(at, self._run_rounds)

    def _run_rounds(self) -> None:
        if self.agenda.now != self._next_round:
            # An earlier round has replaced this one.
            return
        self._next_round = None
        self._processes.run()
        if self.queue and self.mode == "router":
            self._plan_round(POLL_SECONDS)
        elif self._has_lost_agents():
            self._plan_round(IDLE_POLL_SECONDS)

    def _has_lost_agents(self) -> bool:
        return any(not self._agents[staff].is_connected for staff in self._active.values())

    def _renew_presences(self) -> None:
        presence.renew([staff for staff, agent in self._agents.items() if agent.is_connected])

    def _report_progress(self) -> None:
        report = "%s: %s, %d of %d contacts"
        logger.info(report, self.mode, moment(self.agenda.now).time(), self._begun, len(self.plan.contacts))

    # -- checks --------------------------------------------------------------------------------------------

    def _check_starved(self) -> None:
        if self.waiting and (found := checks.starving(self.agenda.now)):
            self.agenda.after(CONFIRM_SECONDS, lambda: self._confirm_starved(found))

    def _confirm_starved(self, found: set[int]) -> None:
        self._faults.add_starved(found & checks.starving(self.agenda.now), self.agenda.now)


def _rows(which: Q) -> list[tuple[int, Row]]:
    unclosed = Conversation.objects.filter(which).exclude(status=Status.CLOSED).order_by("pk")
    values = list(unclosed.values(*serializers.ROW_FIELDS))
    return [(item["id"], serializers.row_of(item)) for item in values]
