"""All changes to skills, and to the skills of staff members. Each change is audited."""

from collections.abc import Mapping, Sequence

from django.db import transaction

from accounts import audit
from accounts.access import may, require
from accounts.models import Skill, Staff, StaffSkill


def save_skill(*, by: Staff, skill: Skill, changed: Sequence[str]) -> None:
    """Store a new skill, or the fields named in `changed`."""
    require(by, "set_up")
    with transaction.atomic():
        if skill._state.adding:
            skill.save(force_insert=True)
            audit.record(by, "setup.created", skill, code=skill.code)
        elif changed:
            skill.save(update_fields=changed)
            audit.record(by, "setup.changed", skill, fields=list(changed))


def remove_skill(*, by: Staff, skill: Skill) -> None:
    """Remove a skill from all staff members and conversations, and delete it."""
    require(by, "set_up")
    with transaction.atomic():
        audit.record(by, "setup.removed", skill, code=skill.code)
        skill.delete()


def set_levels(*, by: Staff, staff: Staff, levels: Mapping[int, int]) -> None:
    """Replace the skills of a staff member. `levels` has the level of each skill by the id of the skill."""
    if not may(by, "manage_agents"):
        require(by, "set_up")
    with transaction.atomic():
        Staff.objects.select_for_update().get(pk=staff.pk)
        before = dict(StaffSkill.objects.filter(staff=staff).values_list("skill_id", "level"))
        if before == dict(levels):
            return
        StaffSkill.objects.filter(staff=staff).exclude(skill__in=levels).delete()
        StaffSkill.objects.bulk_create(
            [StaffSkill(staff=staff, skill_id=skill, level=level) for skill, level in levels.items()],
            update_conflicts=True,
            unique_fields=["staff", "skill"],
            update_fields=["level"],
        )
        audit.record(by, "staff.changed", staff, fields=["skills"])
