"""Functions that read data for the supervisor's board. Each docstring gives the number of database queries."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone

from accounts import presence
from accounts.access import CAPABILITIES
from accounts.models import Department, PresenceStatus, Staff
from chat.models import Conversation, Emergency, Status
from chat.queue_order import QUEUE_ORDER, URGENT
from console.board.errors import AgentNotFound, DepartmentNotFound
from core.date_ranges import start_of
from routing.loads import AgentLoad, agent_loads
from routing.models import DepartmentPolicy, Mode, Offer

MAX_EMERGENCIES = 20
MAX_WAITING_SHOWN = 50
# The order of the states on the board.
STATES = (
    PresenceStatus.ONLINE,
    PresenceStatus.BUSY,
    PresenceStatus.BREAK,
    PresenceStatus.AWAY,
    PresenceStatus.OFFLINE,
)


@dataclass(frozen=True, slots=True)
class Load:
    """Conversations that count towards the capacity, and the capacity."""

    used: int
    capacity: int

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.used / self.capacity)) if self.capacity else 0

    @property
    def is_full(self) -> bool:
        return self.used >= self.capacity


@dataclass(slots=True)
class AgentLine:
    """An agent's state, load and figures of today. `since` is the start of the state, or None if it is unknown."""

    staff: Staff
    status: PresenceStatus
    since: datetime | None
    departments: list[Department]
    load: Load
    sleeping: int
    missed: int
    conversations: int


@dataclass(slots=True)
class DepartmentLine:
    """The queue and the agents of a department.

    `away` counts those waiting visitors who are not connected. `waiting_since` and `emergency_since` are the times
    since which somebody has waited longest, or None. `states` has the number of agents by state. `load` is the load of
    the agents who are online.
    """

    department: Department
    mode: Mode
    waiting: int = 0
    away: int = 0
    waiting_since: datetime | None = None
    emergency_since: datetime | None = None
    active: int = 0
    states: Counter[PresenceStatus] = field(default_factory=Counter)
    load: Load = Load(0, 0)

    @property
    def counted_states(self) -> list[tuple[PresenceStatus, int]]:
        return [(status, self.states[status]) for status in STATES]


@dataclass(frozen=True, slots=True)
class Board:
    """The data of the board. `emergencies` are not confirmed yet, the oldest first. `total` sums up all departments."""

    at: datetime
    departments: list[DepartmentLine]
    agents: list[AgentLine]
    emergencies: list[Conversation]
    total: DepartmentLine


def board() -> Board:
    """Return the board. Nine queries, whatever the number of departments, agents and conversations."""
    now = timezone.now()
    departments = list(Department.objects.select_related("policy"))
    lines = {department.pk: DepartmentLine(department, _mode(department)) for department in departments}
    _add_counts(lines)
    agents = _agents(departments)
    for agent in agents:
        for department in agent.departments:
            lines[department.pk].states[agent.status] += 1
    for line in lines.values():
        line.load = _load_online(agent for agent in agents if line.department in agent.departments)
    shown = [line for line in lines.values() if line.department.is_active or line.waiting or line.active]
    return Board(now, shown, agents, emergencies(), _total(lines.values(), agents))


def emergencies() -> list[Conversation]:
    """Return open conversations that are emergencies and not confirmed, the oldest first. One query."""
    unconfirmed = Conversation.objects.filter(
        status__in=(Status.WAITING, Status.ACTIVE), emergency=Emergency.RAISED
    )
    return list(
        unconfirmed.select_related("visitor", "department", "agent").order_by(*QUEUE_ORDER)[:MAX_EMERGENCIES]
    )


def waiting_in(department: Department) -> list[Conversation]:
    """Return the first waiting conversations of a department, in queue order. One query."""
    queue = Conversation.objects.filter(department=department, status=Status.WAITING)
    return list(queue.select_related("visitor", "offered_to").order_by(*QUEUE_ORDER)[:MAX_WAITING_SHOWN])


def conversations_of(staff: Staff) -> list[Conversation]:
    """Return the conversations that an agent has now, active or in wrap-up, the oldest assignment first. One query."""
    own = Conversation.objects.filter(agent=staff, status__in=(Status.ACTIVE, Status.WRAP_UP))
    return list(own.select_related("visitor", "department").order_by("assigned_at", "id"))


def agent_by_id(pk: int) -> Staff:
    """Return an active staff member who answers customers. Raises AgentNotFound. One query."""
    staff = answering_staff().filter(pk=pk).select_related("presence").first()
    if staff is None:
        raise AgentNotFound
    return staff


def department_by_id(pk: int) -> Department:
    """Return a department. Raises DepartmentNotFound. One query."""
    department = Department.objects.filter(pk=pk).first()
    if department is None:
        raise DepartmentNotFound
    return department


def answering_staff() -> QuerySet[Staff]:
    """Return the active staff members whose role may answer customers."""
    return Staff.objects.filter(is_active=True, role__in=CAPABILITIES["answer"])


def state_of(staff: Staff) -> tuple[PresenceStatus, datetime | None]:
    """Return the current status of a staff member, whose presence is loaded, and its beginning."""
    stored = getattr(staff, "presence", None)
    status = presence.current(stored)
    if stored is None:
        return status, None
    return status, stored.since if status == stored.status else stored.seen_at


def _mode(department: Department) -> Mode:
    policy: DepartmentPolicy | None = getattr(department, "policy", None)
    return Mode(policy.mode) if policy is not None else Mode.PULL


def _add_counts(lines: dict[int, DepartmentLine]) -> None:
    """Add the numbers of waiting and active conversations to the lines. One query."""
    urgent = Q(emergency__in=URGENT)
    counts = (
        Conversation.objects.filter(status__in=(Status.WAITING, Status.ACTIVE))
        .order_by()
        .values("department", "status")
        .annotate(
            count=Count("pk"),
            away=Count("pk", filter=Q(visitor_away_since__isnull=False)),
            oldest=Min("waiting_since"),
            oldest_urgent=Min("waiting_since", filter=urgent),
        )
    )
    for row in counts:
        line = lines[row["department"]]
        if row["status"] == Status.ACTIVE:
            line.active = row["count"]
        else:
            line.waiting, line.away = row["count"], row["away"]
            line.waiting_since, line.emergency_since = row["oldest"], row["oldest_urgent"]


def _agents(departments: Iterable[Department]) -> list[AgentLine]:
    """Return all agents, by state and number. Six queries."""
    by_id = {department.pk: department for department in departments}
    policies = {pk: department.policy for pk, department in by_id.items() if hasattr(department, "policy")}
    staff = list(answering_staff().select_related("presence").order_by("number"))
    own: dict[int, list[Department]] = defaultdict(list)
    memberships = Staff.departments.through._default_manager.order_by("department__order", "department_id")
    for staff_id, department_id in memberships.values_list("staff_id", "department_id"):
        own[staff_id].append(by_id[department_id])
    loads: dict[int, AgentLoad] = agent_loads({member.pk: member.capacity for member in staff}, policies)
    conversations, missed = conversations_today(), missed_today()
    lines = []
    for member in staff:
        status, since = state_of(member)
        load = loads[member.pk]
        lines.append(
            AgentLine(
                staff=member,
                status=status,
                since=since,
                departments=own[member.pk],
                load=Load(load.load, load.capacity),
                sleeping=load.sleeping,
                missed=missed.get(member.pk, 0),
                conversations=conversations.get(member.pk, 0),
            )
        )
    return sorted(lines, key=lambda line: STATES.index(line.status))


def conversations_today() -> dict[int, int]:
    """Return the number of conversations assigned since midnight, by the agent who has or had them last. One query.

    It is the number that the agents see in their own top bar.
    """
    midnight = start_of(timezone.localdate())
    # The lower bound on `started_at` lets the query use the index on that column.
    assigned = Conversation.objects.filter(
        agent__isnull=False, assigned_at__gte=midnight, started_at__gte=midnight - timedelta(days=1)
    )
    return dict(assigned.order_by().values_list("agent").annotate(Count("pk")))


def missed_today() -> dict[int, int]:
    """Return the number of offers missed since midnight, by agent. One query."""
    midnight = start_of(timezone.localdate())
    missed = Offer.objects.filter(outcome=Offer.Outcome.MISSED, at__gte=midnight)
    return dict(missed.order_by().values_list("agent").annotate(Count("pk")))


def _load_online(agents: Iterable[AgentLine]) -> Load:
    online = [agent.load for agent in agents if agent.status == PresenceStatus.ONLINE]
    return Load(sum(load.used for load in online), sum(load.capacity for load in online))


def _total(lines: Iterable[DepartmentLine], agents: list[AgentLine]) -> DepartmentLine:
    """Return a line for all departments together. It counts each agent once."""
    lines = list(lines)
    name = Department(name_zh="", name_en="")
    return DepartmentLine(
        department=name,
        mode=Mode.PULL,
        waiting=sum(line.waiting for line in lines),
        away=sum(line.away for line in lines),
        waiting_since=min((line.waiting_since for line in lines if line.waiting_since), default=None),
        emergency_since=min((line.emergency_since for line in lines if line.emergency_since), default=None),
        active=sum(line.active for line in lines),
        states=Counter(agent.status for agent in agents),
        load=_load_online(agents),
    )
