"""The admin page of the dry run: a policy that is not saved, contacts of a period or from a file, and the outcome."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Department
from routing import dry_run, loads
from routing.admin_policies import POLICY_FIELDSETS, RULES, PolicyForm
from routing.dry_run_inputs import (
    MAX_CONTACTS,
    colleagues_always_online,
    colleagues_between,
    contacts_between,
    contacts_in,
)
from routing.models import DepartmentPolicy

MAX_FILE_BYTES = 1_000_000
# The results that the page lists. The summary is about all.
MAX_SHOWN = 200


class DryRunForm(PolicyForm):
    start = forms.DateTimeField(
        label=gettext_lazy("Start of the period"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
    )
    hours = forms.IntegerField(label=gettext_lazy("Length in hours"), min_value=1, max_value=24, initial=1)
    file = forms.FileField(
        label=gettext_lazy("Or a file of contacts"),
        required=False,
        help_text=gettext_lazy(
            "CSV or XLSX with the columns time and department (its code), and if you like language (a code such "
            "as en) and emergency (yes or no). With a file, all agents count as online; without one, the agents "
            "are those who were online in the period."
        ),
    )
    minutes = forms.IntegerField(
        label=gettext_lazy("Minutes that a conversation takes"), min_value=1, max_value=240, initial=5
    )

    class Meta:
        model = DepartmentPolicy
        exclude = ("department",)

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file is None:
            return None
        if file.size > MAX_FILE_BYTES:
            raise forms.ValidationError(_("This file is too large."))
        contacts, problems = contacts_in(file.read())
        if problems:
            raise forms.ValidationError(problems[:10])
        return contacts


@dataclass(frozen=True)
class Summary:
    """The outcome of a dry run for one department. Waits are in seconds, and None if nobody got anything."""

    contacts: int
    unassigned: int
    median_wait: int | None
    longest_wait: int | None
    most: int
    fewest: int


def dry_run_view(request: HttpRequest, department: Department, context: dict[str, Any]) -> HttpResponse:
    """Show the form with the department's policy, and after a POST who would have got which contact, and why.

    Nothing is stored.
    """
    policy = getattr(department, "policy", None) or DepartmentPolicy(department=department)
    hour_ago = timezone.localtime() - timedelta(hours=1)
    form = DryRunForm(
        request.POST if request.method == "POST" else None,
        request.FILES or None,
        instance=policy,
        initial={"start": hour_ago.replace(minute=0, second=0, microsecond=0)},
    )
    context |= {"title": _("Dry run"), "original": department, "form": form, "fieldsets": _fieldsets(form)}
    if form.is_valid():
        results = _results(form, department)
        own = [result for result in results if result.contact.department == department.pk]
        context |= {
            "results": [(result, _rule_name(result)) for result in own[:MAX_SHOWN]],
            "summary": _summary(own),
            "has_all": len(results) < MAX_CONTACTS,
        }
    return TemplateResponse(request, "admin/routing/dry_run.html", context)


def _fieldsets(form: DryRunForm) -> list[tuple[Any, list[Any]]]:
    contacts = (gettext_lazy("Contacts"), {"fields": ("start", "hours", "file", "minutes")})
    return [
        (title, [form[name] for name in options["fields"]])
        for title, options in (*POLICY_FIELDSETS, contacts)
    ]


def _results(form: DryRunForm, department: Department) -> list[dry_run.DryRunResult]:
    chosen = form.cleaned_data
    contacts = chosen["file"]
    if contacts is not None:
        colleagues = colleagues_always_online(contacts)
    else:
        start = chosen["start"]
        end = start + timedelta(hours=chosen["hours"])
        contacts, colleagues = contacts_between(start, end), colleagues_between(start, end)
    # The validated form has written the policy into its instance, which is not saved.
    policies = loads.policies() | {department.pk: form.instance}
    handle_time = timedelta(minutes=chosen["minutes"])
    return dry_run.run(contacts, colleagues, policies, handle_time=handle_time)


def _rule_name(result: dry_run.DryRunResult) -> str:
    return str(RULES.get(result.explanation.rule, "")) if result.explanation else ""


def _summary(results: list[dry_run.DryRunResult]) -> Summary:
    waits = sorted(result.waited_seconds for result in results if result.waited_seconds is not None)
    counts: dict[int, int] = {}
    for result in results:
        if result.agent is not None:
            counts[result.agent.id] = counts.get(result.agent.id, 0) + 1
    return Summary(
        contacts=len(results),
        unassigned=len(results) - len(waits),
        median_wait=waits[len(waits) // 2] if waits else None,
        longest_wait=waits[-1] if waits else None,
        most=max(counts.values(), default=0),
        fewest=min(counts.values(), default=0),
    )
