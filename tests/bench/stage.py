"""What the measures need in the database, made by Lianxin's own models and actions. Runs in `manage.py shell`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from accounts import presence
from accounts.models import Department, PresenceStatus, Role, Staff
from chat.actions.agents import take_next
from chat.errors import NobodyWaiting
from chat.models import Site


def desk(*, agents: int) -> dict[str, Any]:
    """A site, its department, so many agents and a supervisor, all online; the cookies of their sessions."""
    department = Department.objects.create(code="bench", name_zh="客户服务", name_en="Service")
    Site.objects.create(
        key="bench", name_zh="测试银行", name_en="Bench", allowed_origins="", department=department
    )
    people = [_employ(f"agent{number}", f"1{number:04}", Role.AGENT, department) for number in range(agents)]
    supervisor = _employ("supervisor", "90000", Role.SUPERVISOR, department)
    return {"agents": [_cookie(staff) for staff in people], "supervisor": _cookie(supervisor)}


def _employ(username: str, number: str, role: Role, department: Department) -> Staff:
    staff = Staff.objects.create_user(
        username, password=None, name="客服" + number, name_en=username, number=number, role=role
    )
    staff.departments.add(department)
    presence.set_status(staff=staff, status=PresenceStatus.ONLINE)
    return staff


def _cookie(staff: Staff) -> str:
    session = SessionStore()
    session[SESSION_KEY] = str(staff.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = staff.get_session_auth_hash()
    session.create()
    return f"sessionid={session.session_key}; django_language=zh-hans"


def take_all() -> list[list[str]]:
    """The agents take in turn until nobody waits; the conversations of each, in the order of the desk's cookies."""
    agents = list(Staff.objects.filter(role=Role.AGENT).order_by("pk"))
    taken: list[list[str]] = [[] for _ in agents]
    try:
        while True:
            for mine, staff in zip(taken, agents, strict=True):
                mine.append(str(take_next(staff=staff).uuid))
    except NobodyWaiting:
        return taken
