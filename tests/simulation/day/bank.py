"""The bank of a simulated day in the database: departments, skills, agents, and the policies of a mode."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.models import Department, Skill, Staff, StaffSkill
from chat import emergencies
from chat.models import EmergencyRule, FormField, Site, WrapUpCode
from routing.models import DepartmentPolicy, Mode
from tests.simulation.day.plan import AgentPlan, RunMode
from tests.simulation.day.shapes import CAPACITY, DEPARTMENTS, TEAMS

EMERGENCY_WORD = "被盗"


@dataclass(frozen=True)
class Bank:
    """The objects that the simulated people need. `staff` is in the order of the agents in the plan."""

    site: Site
    departments: dict[str, Department]
    staff: list[Staff]
    code: WrapUpCode


def create_bank(agents: tuple[AgentPlan, ...], mode: RunMode) -> Bank:
    """Create the bank in an empty database. In the mode `pull`, all departments are in pull mode."""
    departments = {
        shape.code: Department.objects.create(
            code=shape.code, name_zh=shape.name_zh, name_en=shape.name_en, order=order
        )
        for order, shape in enumerate(DEPARTMENTS, 1)
    }
    for shape in DEPARTMENTS:
        if mode == "pull":
            DepartmentPolicy.objects.create(department=departments[shape.code], mode=Mode.PULL)
        else:
            overflow_to = departments.get(shape.overflow_to)
            department = departments[shape.code]
            DepartmentPolicy.objects.create(department=department, overflow_to=overflow_to, **shape.policy)
    site = Site.objects.create(
        key="day",
        name_zh="青岚银行",
        name_en="Qinglan Bank",
        department=departments["cards"],
        hotline="95000",
    )
    FormField.objects.create(
        site=site, key="subject", kind=FormField.Kind.DEPARTMENT, label_zh="事由", label_en="Subject"
    )
    EmergencyRule.objects.create(word=EMERGENCY_WORD)
    emergencies.forget_rules()
    english = Skill.objects.create(code="english", name_zh="英语", name_en="English", language="en")
    staff = Staff.objects.bulk_create(
        Staff(
            username=f"agent{plan.number}", name=f"坐席{plan.number}", number=plan.number, capacity=CAPACITY
        )
        for plan in agents
    )
    memberships = Staff.departments.through._default_manager
    memberships.bulk_create(
        Staff.departments.through(staff=member, department=departments[code])
        for member, plan in zip(staff, agents, strict=True)
        for code in TEAMS[plan.team]
    )
    StaffSkill.objects.bulk_create(
        StaffSkill(staff=member, skill=english, level=plan.english)
        for member, plan in zip(staff, agents, strict=True)
        if plan.english
    )
    code = WrapUpCode.objects.create(code="done", name_zh="已解决", name_en="Solved")
    return Bank(site, departments, staff, code)
