"""The load of agents: how much of their capacity they use now."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from accounts.models import Staff
from chat.models import Conversation, Status
from core import database_clock
from routing.models import DepartmentPolicy, Mode

DEFAULT_POLICY = DepartmentPolicy(mode=Mode.PULL)


@dataclass(slots=True)
class AgentLoad:
    """The conversations of an agent.

    `load` counts the active ones that do not sleep, those in wrap-up, and open offers; `by_department` counts them for
    each department. `sleeping` counts the active ones that sleep, and `offers` the open offers.
    """

    capacity: int
    load: int = 0
    sleeping: int = 0
    offers: int = 0
    by_department: Counter[int] = field(default_factory=Counter)

    def add(self, department: int) -> None:
        self.load += 1
        self.by_department[department] += 1

    def limit_in(self, policy: DepartmentPolicy) -> int:
        """Return the number of conversations of the policy's department that the agent may have."""
        return self.capacity if policy.capacity is None else min(policy.capacity, self.capacity)

    def has_room_for(self, department: int, policy: DepartmentPolicy, *, extra: int = 0) -> bool:
        """Return whether the agent may get one more conversation of the department.

        `extra` is the number of conversations by which the capacity may be exceeded.
        """
        limit = self.limit_in(policy)
        return self.load < self.capacity + extra and self.by_department[department] < limit + extra

    def full_departments(self, policies: Mapping[int, DepartmentPolicy]) -> set[int]:
        """Return the departments of which the agent may get no more, because the policy limits their number."""
        return {pk for pk, policy in policies.items() if self.by_department[pk] >= self.limit_in(policy)}


def policies() -> dict[int, DepartmentPolicy]:
    """Return the policies by department id. Departments without one are left out. One query."""
    return {policy.department_id: policy for policy in DepartmentPolicy.objects.all()}


def agent_loads(
    capacities: Mapping[int, int], policies: Mapping[int, DepartmentPolicy]
) -> dict[int, AgentLoad]:
    """Return the load of each agent. `capacities` has the capacity of each by staff id. Two queries."""
    loads = {staff: AgentLoad(capacity) for staff, capacity in capacities.items()}
    own = Conversation.objects.filter(agent__in=loads, status__in=(Status.ACTIVE, Status.WRAP_UP))
    columns = ("agent_id", "department_id", "status", "unanswered_since", "last_message_at")
    stored = own.order_by().values_list(*columns, database_clock.now())
    for staff, department, status, unanswered, last_message, now in stored:
        policy = policies.get(department, DEFAULT_POLICY)
        if status == Status.ACTIVE and is_asleep(unanswered, last_message, policy.sleep_minutes, now):
            loads[staff].sleeping += 1
        else:
            loads[staff].add(department)
    offered = Conversation.objects.filter(offered_to__in=loads).order_by()
    for staff, department in offered.values_list("offered_to_id", "department_id"):
        loads[staff].add(department)
        loads[staff].offers += 1
    return loads


def is_asleep(
    unanswered_since: datetime | None, last_message_at: datetime | None, minutes: int, now: datetime
) -> bool:
    """Return whether an active conversation sleeps: the agent has answered, and nobody has written for `minutes`."""
    return (
        unanswered_since is None
        and last_message_at is not None
        and now - last_message_at > timedelta(minutes=minutes)
    )


def load_of(staff: Staff) -> AgentLoad:
    """Return the load of one agent. Three queries."""
    return agent_loads({staff.pk: staff.capacity}, policies())[staff.pk]
