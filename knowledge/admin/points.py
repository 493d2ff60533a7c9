"""Knowledge points in admin: search, import, export, and the approval of several points at once. Editors change their
content in the console."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.access import may
from accounts.admin_parts import BoundedPaginator, RightsModelAdmin, has_right
from accounts.approvals.selectors import pending
from accounts.models import Department, Staff
from knowledge.admin.transfer import TransferMixin
from knowledge.approval_kinds import VERSION
from knowledge.import_export.points import PointTable
from knowledge.models import Category, Point, Version
from knowledge.selectors import UNPUBLISHED_STATES
from knowledge.selectors_pages import STATES, PointFilter, filter_points

State = Version.State
# The maximum number of points in one selection. The review page shows fewer and says how many it leaves out.
MAX_SELECTED = 100


class PointListFilter(admin.SimpleListFilter):
    """Base class of the list filters. Each subclass sets the attribute of `PointFilter` that its `field` names."""

    field = ""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Point]) -> QuerySet[Point]:
        value = self.value()
        if not value:
            return queryset
        assert isinstance(request.user, Staff)
        chosen: Any = int(value) if value.isdecimal() else value
        try:
            return filter_points(queryset, request.user, PointFilter(**{self.field: chosen}))
        except ValueError as error:
            # The value is not a choice of this filter. On this error, admin shows the whole list.
            raise IncorrectLookupParameters from error


class StateFilter(PointListFilter):
    title = gettext_lazy("state")
    parameter_name = field = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return STATES


class CategoryFilter(PointListFilter):
    title = gettext_lazy("category")
    parameter_name = field = "category"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(str(category.pk), category.name) for category in Category.objects.filter(parent=None)]


class DepartmentFilter(PointListFilter):
    title = gettext_lazy("department")
    parameter_name = field = "department"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(str(department.pk), str(department)) for department in Department.objects.all()]


@admin.register(Point)
class PointAdmin(RightsModelAdmin, TransferMixin, admin.ModelAdmin):  # type: ignore[misc, type-arg]
    """The list of points for editors, and for auditors who look up the recipients of a point."""

    change_right = ""
    resource_classes: Any = (PointTable,)
    exported_verb = "points.exported"
    list_display = (
        "title",
        "key",
        "category",
        "department",
        "language",
        "states",
        "owner",
        "uses",
        "helped",
        "missed",
    )
    list_display_links = ("title", "key")
    list_select_related = ("owner",)
    list_filter = (
        StateFilter,
        CategoryFilter,
        DepartmentFilter,
        "language",
        ("owner", admin.RelatedOnlyFieldListFilter),
    )
    search_fields = ("key",)
    search_help_text = gettext_lazy("Search by title, phrasing, answer or key")
    sortable_by = ("key", "uses", "helped", "missed")
    ordering = ("-pk",)
    list_per_page = 50
    list_max_show_all = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    actions = ("approve_selected",)
    fields = (
        "title",
        "key",
        "category",
        "department",
        "language",
        "states",
        "owner",
        "uses",
        "helped",
        "missed",
        "pages",
    )
    readonly_fields = fields

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_right(request, "edit_points") or has_right(request, "see_who_was_told")

    def success_message(self) -> str:
        return _(
            "Stored: %(new)d new, %(changed)d changed, %(unchanged)d unchanged. A second person must "
            "approve new content."
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Point]:
        versions = (
            Version.objects.exclude(state=State.REPLACED)
            .select_related("department", "category__parent__parent")
            .order_by("-number")
        )
        return (
            super().get_queryset(request).prefetch_related(Prefetch("versions", versions, "current_versions"))
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        assert isinstance(request.user, Staff)
        return filter_points(queryset, request.user, PointFilter(words=search_term)), False

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        assert isinstance(request.user, Staff)
        if not may(request.user, "approve_points"):
            actions.pop("approve_selected", None)
        return actions

    @admin.action(description=gettext_lazy("Review and approve selected points"))
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[Point]) -> HttpResponse | None:
        """Redirect to the page that shows every difference, so that nothing is approved unread."""
        keys = queryset.order_by().values("key")
        waiting = pending().filter(kind=VERSION, subject__in=keys).values_list("uuid", flat=True)
        chosen = urlencode([("id", str(uuid)) for uuid in waiting[:MAX_SELECTED]])
        if not chosen:
            messages.warning(request, _("None of the selected knowledge points needs approval."))
            return None
        return redirect(f"{reverse('console:approvals_review')}?{chosen}")

    @admin.display(description=gettext_lazy("title"))
    def title(self, point: Point) -> str:
        return _shown_version(point).title

    @admin.display(description=gettext_lazy("category"))
    def category(self, point: Point) -> str:
        category: Category | None = _shown_version(point).category
        names: list[str] = []
        while category is not None and len(names) < 8:
            names.append(category.name)
            category = category.parent
        return "/".join(reversed(names))

    @admin.display(description=gettext_lazy("department"))
    def department(self, point: Point) -> str:
        return str(_shown_version(point).department or "")

    @admin.display(description=gettext_lazy("state"))
    def states(self, point: Point) -> str:
        shown = [
            version
            for version in point.current_versions  # type: ignore[attr-defined]
            if version.state in (State.PUBLISHED, *UNPUBLISHED_STATES)
        ] or [_shown_version(point)]
        return ", ".join(f"{version.number} {version.get_state_display()}" for version in shown)

    @admin.display(description=gettext_lazy("in the console"))
    def pages(self, point: Point) -> SafeString:
        return format_html(
            '<a href="{}">{}</a> · <a href="{}">{}</a>',
            reverse("console:point", args=[point.key]),
            _("Knowledge point and versions"),
            reverse("console:point_recipients", args=[point.key]),
            _("Recipients"),
        )


def _shown_version(point: Point) -> Version:
    """Return the published version, or else the newest one."""
    versions: list[Version] = point.current_versions  # type: ignore[attr-defined]
    return next((version for version in versions if version.state == State.PUBLISHED), versions[0])
