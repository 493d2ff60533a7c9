"""Admin pages for routing: the policy of each department, and the offers and assignments with their reasons."""

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.admin import DepartmentAdmin
from accounts.admin_parts import AuditedListMixin, BoundedPaginator, DateRange, RightsModelAdmin
from accounts.models import Department, Staff
from chat.models import Assignment
from routing.admin_dry_run import dry_run_view
from routing.admin_policies import POLICY_FIELDSETS, RULES, PolicyForm
from routing.models import DepartmentPolicy, Offer
from routing.policies import remove_policy, save_policy


class PolicyInline(RightsModelAdmin, admin.StackedInline):  # type: ignore[type-arg]
    delete_right = "set_up"
    model = DepartmentPolicy
    form = PolicyForm
    fk_name = "department"
    fieldsets = POLICY_FIELDSETS
    verbose_name = gettext_lazy("routing policy (without one, agents take conversations by hand)")
    extra = 0


admin.site.unregister(Department)


@admin.register(Department)
class RoutedDepartmentAdmin(DepartmentAdmin):
    """The page of a department, with its routing policy."""

    change_form_template = "admin/accounts/department/change_form.html"
    inlines = (PolicyInline,)
    list_display = (*DepartmentAdmin.list_display, "mode")
    list_select_related = ("policy",)

    def get_inlines(self, request: HttpRequest, obj: Department | None) -> Any:
        """Return the inline of the policy, which a department gets after it has been created."""
        return self.inlines if obj else ()

    @admin.display(description=gettext_lazy("routing"))
    def mode(self, department: Department) -> str:
        policy = getattr(department, "policy", None)
        return str(policy.get_mode_display()) if policy else ""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.dry_run_view)
        return [path("<int:pk>/dry-run/", view, name="accounts_department_dry_run"), *super().get_urls()]

    def dry_run_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        department = self.get_object(request, str(pk))
        if department is None:
            raise Http404
        return dry_run_view(request, department, {**self.admin_site.each_context(request), "opts": self.opts})

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        assert isinstance(request.user, Staff)
        formset.save(commit=False)
        for policy in formset.deleted_objects:
            remove_policy(by=request.user, department=policy.department)
        for policy, fields in (*formset.changed_objects, *((new, []) for new in formset.new_objects)):
            save_policy(by=request.user, policy=policy, changed=fields)


class ExplainedAdmin(RightsModelAdmin, AuditedListMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Read-only pages of records that explain why an agent got a conversation. Each reading is audited."""

    view_right = "read_records"
    change_right = ""
    list_verb = "assignments.read"
    list_select_related: ClassVar[tuple[str, ...]] = ("agent", "department", "conversation")
    search_fields = ("=conversation__uuid", "=agent__number")
    search_help_text = gettext_lazy("Search by the number of a conversation, in full, or by staff number")
    ordering = ("-id",)
    sortable_by = ()
    list_per_page = 50
    list_max_show_all = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    actions = None

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        response = super().change_view(request, object_id, form_url, extra_context)
        if response.status_code == 200:
            assert isinstance(request.user, Staff)
            audit.record(request.user, self.list_verb, None, kind=self.opts.model_name, id=object_id)
        return response

    @admin.display(description=gettext_lazy("conversation"))
    def number(self, record: Assignment | Offer) -> SafeString:
        address = reverse("admin:chat_conversation_change", args=[record.conversation_id])
        return format_html('<a href="{}">{}</a>', address, record.conversation)

    @admin.display(description=gettext_lazy("rule"))
    def rule(self, record: Assignment | Offer) -> str:
        return str(RULES.get(record.explanation.get("rule", ""), ""))

    @admin.display(description=gettext_lazy("why this agent"))
    def why(self, record: Assignment | Offer) -> SafeString:
        context = {
            "agent": record.agent,
            "by": getattr(record, "by", None),
            "reason": getattr(record, "reason", Assignment.Reason.OFFERED.value),
            "explanation": record.explanation,
        }
        return render_to_string("chat/_explanation.html", context)


@admin.register(Assignment)
class AssignmentAdmin(ExplainedAdmin):
    list_display = ("at", "number", "department", "agent", "reason", "by", "rule")
    list_select_related = (*ExplainedAdmin.list_select_related, "by")
    list_filter = (("at", DateRange), "reason", "department", "agent")
    fields = ("at", "until_at", "number", "department", "agent", "reason", "by", "why")
    readonly_fields = ("number", "why")


@admin.register(Offer)
class OfferAdmin(ExplainedAdmin):
    list_display = ("at", "number", "department", "agent", "outcome", "decided_at", "rule")
    list_filter = (("at", DateRange), "outcome", "department", "agent")
    fields = ("at", "until_at", "number", "department", "agent", "outcome", "decided_at", "why")
    readonly_fields = ("number", "why")
