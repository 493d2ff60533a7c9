"""Forms of the board. They check only the format of the data; actions decide what is allowed."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Department, Skill, Staff

LEVELS = [("", "–"), *((level, str(level)) for level in range(1, 6))]
MAX_CAPACITY = 99


class AgentForm(forms.Form):
    """The form for an agent's capacity, departments and skills. It has a field `skill_<id>` for each skill."""

    capacity = forms.IntegerField(
        label=_("Capacity"),
        min_value=0,
        max_value=MAX_CAPACITY,
        help_text=_("Maximum number of conversations at the same time."),
    )
    departments = forms.ModelMultipleChoiceField(
        Department.objects.filter(is_active=True),
        label=_("Departments"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "When you remove a department, the agent's console closes, and the agent signs in again. The queue of a "
            "new department appears when the agent reloads the console."
        ),
    )

    def __init__(self, data: Any = None, *, staff: Staff) -> None:
        self._levels = dict(staff.skills.values_list("skill_id", "level"))
        self._skills = {f"skill_{skill.pk}": skill for skill in Skill.objects.all()}
        initial: dict[str, Any] = {"capacity": staff.capacity, "departments": list(staff.departments.all())}
        initial |= {name: self._levels.get(skill.pk, "") for name, skill in self._skills.items()}
        super().__init__(data, initial=initial)
        for name, skill in self._skills.items():
            self.fields[name] = forms.TypedChoiceField(
                label=str(skill), choices=LEVELS, coerce=int, empty_value=None, required=False
            )

    def skill_fields(self) -> list[Any]:
        return [self[name] for name in self._skills]

    def levels(self) -> dict[int, int]:
        """Return the chosen level of each skill by the id of the skill."""
        chosen = {skill.pk: self.cleaned_data[name] for name, skill in self._skills.items()}
        return {pk: level for pk, level in chosen.items() if level is not None}
