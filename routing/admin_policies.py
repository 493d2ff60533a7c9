"""The form of a routing policy and the names of the rules, for the admin pages and the dry run."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Department

# The sections of the form of a policy. The first one has no title.
POLICY_FIELDSETS: Any = (
    (None, {"fields": ("mode", "offer_seconds", "pause_seconds", "capacity", "sleep_minutes")}),
    (gettext_lazy("Skills and languages"), {"fields": ("skill_wait_seconds",)}),
    (
        gettext_lazy("Absence"),
        {"fields": ("return_seconds", "abandon_minutes", "abandon_minutes_phone", "rejoin_minutes")},
    ),
    (gettext_lazy("Overflow"), {"fields": ("overflow_to", "overflow_length", "overflow_minutes")}),
)

# The names of the rules by which an agent got a conversation (`routing.explanations`).
RULES = {
    "least_busy": gettext_lazy("the least busy"),
    "last_agent": gettext_lazy("the customer's last agent"),
    "emergency": gettext_lazy("emergency"),
    "by_hand": gettext_lazy("chosen by hand"),
}


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    def clean_overflow_to(self) -> Department | None:
        chosen: Department | None = self.cleaned_data["overflow_to"]
        if chosen is not None and chosen.pk == self.instance.department_id:
            raise forms.ValidationError(_("Choose another department for the overflow."))
        return chosen
