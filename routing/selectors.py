"""Functions that read the queue and the agents for the router. Each docstring gives the number of database queries."""

from collections import defaultdict
from collections.abc import Collection, Mapping

from django.db.models import OuterRef, QuerySet, Subquery

from accounts import presence
from accounts.access import may
from accounts.models import Presence, PresenceStatus, Skill, Staff, StaffSkill
from chat.models import Assignment, Conversation, Status
from chat.queue_order import QUEUE_ORDER, URGENT
from chat.selectors import departments_of
from routing import loads
from routing.matching import Agent, Waiting
from routing.models import DepartmentPolicy, Mode, Offer

# Outcomes after which the conversation is not offered to this agent again.
TRIED = (Offer.Outcome.MISSED, Offer.Outcome.DECLINED)


def routed_departments(policies: Mapping[int, DepartmentPolicy]) -> set[int]:
    """Return the ids of the departments whose conversations the router gives to agents."""
    return {pk for pk, policy in policies.items() if policy.mode != Mode.PULL}


def has_waiting(departments: Collection[int]) -> bool:
    """Return whether a conversation of these departments waits for the router. One query."""
    return _waiting(departments).exists()


def waiting(departments: Collection[int], limit: int) -> list[Waiting]:
    """Return the first `limit` conversations of these departments that wait for the router, in queue order.

    Three queries at most.
    """
    last_agent = (
        Assignment.objects.filter(conversation__visitor=OuterRef("visitor"))
        .exclude(conversation=OuterRef("pk"))
        .order_by("-id")
        .values("agent")[:1]
    )
    columns = ("pk", "department_id", "waiting_since", "emergency", "skill_id", "language")
    rows = list(
        _waiting(departments)
        .order_by(*QUEUE_ORDER)
        .annotate(last_agent=Subquery(last_agent))
        .values_list(*columns, "last_agent")[:limit]
    )
    if not rows:
        return []
    languages = dict(Skill.objects.exclude(language="").values_list("language", "pk"))
    tried: dict[int, set[int]] = defaultdict(set)
    offers = Offer.objects.filter(conversation__in=[row[0] for row in rows], outcome__in=TRIED)
    for conversation, agent in offers.order_by().values_list("conversation_id", "agent_id"):
        tried[conversation].add(agent)
    return [
        Waiting(
            id=pk,
            department=department,
            waiting_since=since,
            is_emergency=emergency in URGENT,
            skills=frozenset(filter(None, (skill, languages.get(language)))),
            tried=frozenset(tried.get(pk, ())),
            last_agent=last,
        )
        for pk, department, since, emergency, skill, language, last in rows
    ]


def online_agents(policies: Mapping[int, DepartmentPolicy]) -> list[Agent]:
    """Return the agents who are online, with their loads. Seven queries at most.

    Supervisors are left out: they choose conversations themselves.
    """
    rows = Presence.objects.filter(presence.is_valid(), status=PresenceStatus.ONLINE, staff__is_active=True)
    last = Assignment.objects.filter(agent=OuterRef("pk")).order_by("-id").values("at")[:1]
    online = Staff.objects.filter(pk__in=rows.values("pk")).annotate(last_assigned_at=Subquery(last))
    people = [person for person in online if may(person, "answer") and not may(person, "choose_from_queue")]
    if not people:
        return []
    own: dict[int, set[int]] = defaultdict(set)
    memberships = Staff.departments.through._default_manager.filter(staff__in=people)
    for staff, department in memberships.values_list("staff_id", "department_id"):
        own[staff].add(department)
    skills: dict[int, dict[int, int]] = defaultdict(dict)
    for staff, skill, level in StaffSkill.objects.filter(staff__in=people).values_list(
        "staff_id", "skill_id", "level"
    ):
        skills[staff][skill] = level
    takeable = departments_of(people)
    agent_loads = loads.agent_loads({person.pk: person.capacity for person in people}, policies)
    return [
        Agent(
            id=person.pk,
            number=person.number,
            name=person.name,
            departments=frozenset(takeable[person.pk]) & own[person.pk],
            restricted=frozenset(own[person.pk].difference(takeable[person.pk])),
            load=agent_loads[person.pk],
            skills=skills.get(person.pk, {}),
            last_assigned_at=person.last_assigned_at,
        )
        for person in people
    ]


def _waiting(departments: Collection[int]) -> QuerySet[Conversation]:
    return Conversation.objects.filter(
        department__in=departments, status=Status.WAITING, visitor_away_since=None, offered_to=None
    )
