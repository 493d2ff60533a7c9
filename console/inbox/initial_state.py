"""The initial state in the HTML of the console's page: the conversation lists and the signed-in person."""

from collections.abc import Iterable
from typing import Any

import msgspec
from django.utils import timezone
from django.utils.translation import get_language

from accounts.access import may, restricted_departments
from accounts.models import AuditEntry, Department, PresenceStatus, Skill, Staff
from chat.models import Assignment
from console.inbox import selectors
from routing.loads import DEFAULT_POLICY
from routing.models import DepartmentPolicy


def initial_state(staff: Staff) -> dict[str, Any]:
    """Return the initial state for static/console/inbox/state.js, as data for JSON. At most ten queries."""
    lists = selectors.lists_for(staff)
    presence = selectors.presence_of(staff)
    settings = settings_of(staff)
    own_policies = [settings["policies"][pk] for pk in settings["me"]["departments"]]
    return {
        **settings,
        "skills": {skill.pk: str(skill) for skill in Skill.objects.all()},
        "rows": msgspec.to_builtins(lists.rows),
        "waiting_count": lists.waiting_count,
        "presence": str(presence),
        "seconds_since_assignment": _seconds_since_assignment(staff, own_policies),
        "presence_reason": _presence_reason(staff) if presence == PresenceStatus.AWAY else "",
    }


def settings_of(staff: Staff) -> dict[str, Any]:
    """Return what an administrator or supervisor may change while the console is open. Three queries.

    The key `me` describes the signed-in person and lists the departments from whose queues they are not allowed to take
    conversations today. `policies` says by department how conversations reach agents.
    """
    departments = list(Department.objects.select_related("policy"))
    barred = restricted_departments(staff).order_by().values_list("department", flat=True).distinct()
    return {
        "me": {
            "id": staff.pk,
            "number": staff.number,
            "sees_all": may(staff, "see_all_conversations"),
            "may_choose": may(staff, "choose_from_queue"),
            "departments": list(staff.departments.values_list("pk", flat=True)),
            "barred": list(barred),
            "capacity": staff.capacity,
        },
        "departments": {department.pk: department.name_in(get_language()) for department in departments},
        "policies": {department.pk: _policy_of(department) for department in departments},
    }


def _policy_of(department: Department) -> dict[str, Any]:
    policy: DepartmentPolicy = getattr(department, "policy", DEFAULT_POLICY)
    return {
        "mode": policy.mode,
        "offer_seconds": policy.offer_seconds,
        "pause_seconds": policy.pause_seconds,
        "sleep_minutes": policy.sleep_minutes,
        "capacity": policy.capacity,
    }


def _seconds_since_assignment(staff: Staff, policies: Iterable[dict[str, Any]]) -> float | None:
    """Return the seconds since the agent's last assignment, or None if no policy requires a pause."""
    if not any(policy["pause_seconds"] for policy in policies):
        return None
    last = Assignment.objects.filter(agent=staff).order_by("-id").values_list("at", flat=True).first()
    return (timezone.now() - last).total_seconds() if last else None


def _presence_reason(staff: Staff) -> str:
    """Return the code of why the system has set the agent's presence, or "" if the agent has set it."""
    changes = AuditEntry.objects.filter(object_id=str(staff.pk), verb="presence.changed").order_by("-id")
    detail: dict[str, Any] = changes.values_list("detail", flat=True).first() or {}
    return str(detail.get("reason", ""))
