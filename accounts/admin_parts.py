"""Parts shared by the admin pages of all apps: rights by capability, a bounded paginator and a date-range filter."""

from collections.abc import Iterator
from typing import Any, ClassVar, TypeVar

from django.contrib import admin
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.forms import BaseInlineFormSet, DateField, Form, TextInput
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.access import may
from accounts.models import Staff
from core.date_ranges import end_of, start_of

ROWS_PER_PAGE = 10_000
# Query parameters of an admin list page other than filters: search, order, page and so on.
NO_FILTERS = frozenset({"q", "o", "p", "e", "all"})
# Suffixes of the query parameters that Django's list filters use.
FILTER_SUFFIXES = ("", "__exact", "__isnull", "__id__exact")

M = TypeVar("M", bound=Model)


def has_right(request: HttpRequest, right: str) -> bool:
    """Return whether the signed-in staff member has the capability `right`; False for an empty name."""
    return bool(right) and isinstance(request.user, Staff) and may(request.user, right)


class RightsModelAdmin:
    """Mixin for a `ModelAdmin` that checks capabilities of `accounts.access`, not Django's permissions.

    `view_right`, `change_right` and `delete_right` name the capability for each operation; "" allows it to nobody.
    """

    view_right: ClassVar[str] = "set_up"
    change_right: ClassVar[str] = "set_up"
    delete_right: ClassVar[str] = ""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        # Remove the "add" and "change" buttons beside select boxes: related objects are managed on their own pages.
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Return whether a URL may filter the list by this lookup: only the filters that the list declares are allowed.

        By default, Django's admin lets a URL filter by any column of the table. With a lookup such as `startswith`, a
        reader could guess a secret such as a password hash, one character at a time, although no page shows it.
        """
        return lookup in {name for names in self._filter_names(request) for name in names}

    def _filter_names(self, request: HttpRequest) -> Iterator[set[str]]:
        for declared in self.get_list_filter(request):  # type: ignore[attr-defined]
            if isinstance(declared, type):
                parameter = getattr(declared, "parameter_name", None)
                yield {parameter} if parameter else set()
                continue
            path, kind = declared if isinstance(declared, tuple | list) else (declared, None)
            if isinstance(kind, type) and issubclass(kind, DateRange):
                yield {f"{path}_from", f"{path}_until"}
            else:
                yield {f"{path}{suffix}" for suffix in FILTER_SUFFIXES}

    def has_module_permission(self, request: HttpRequest) -> bool:
        return has_right(request, self.view_right)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_right(request, self.view_right)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_right(request, self.change_right)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_right(request, self.change_right)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_right(request, self.delete_right)


class LabelledFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """Inline formset that gives each field a label for screen readers. Django's tabular inline shows labels only in the
    table header."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        for field in form.fields.values():
            field.widget.attrs.setdefault("aria-label", field.label or "")


class AuditedListMixin:
    """Mixin for a `ModelAdmin` that writes an audit entry each time somebody opens the list page.

    The entry contains the length of the search text and the names of the filters, never the search text itself.
    """

    list_verb: ClassVar[str]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response: HttpResponse = super().changelist_view(request, extra_context)  # type: ignore[misc]
        if response.status_code == 200 and isinstance(request.user, Staff):
            filters = sorted(name for name, value in request.GET.items() if value and name not in NO_FILTERS)
            length = len(request.GET.get("q", "").strip())
            audit.record(request.user, self.list_verb, None, length=length, filters=filters)
        return response


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Paginator that counts and shows at most ROWS_PER_PAGE rows in total, over all its pages.

    Counting a large table is slow. To find rows beyond this number, readers narrow the list with filters.
    """

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list[:ROWS_PER_PAGE]
        return int(rows.count())


class DateRange(admin.FieldListFilter):
    """List filter for a range of dates, first and last day included. Days are in LIANXIN_TIME_ZONE."""

    template = "admin/date_range_filter.html"

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, field_path: str
    ):
        self.names = (f"{field_path}_from", f"{field_path}_until")
        super().__init__(field, request, params, model, model_admin, field_path)
        used: dict[str, Any] = self.used_parameters
        data = {name: values[-1] for name, values in used.items()}
        self.form = _range_form(self.names, data)
        self.form.is_valid()
        # The form also sends the other query parameters, so that it keeps the search and the other filters.
        self.others = [
            (name, value)
            for name, values in request.GET.lists()
            for value in values
            if name not in (*self.names, "p")
        ]

    def expected_parameters(self) -> list[str | None]:
        return list(self.names)

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> QuerySet[M]:
        start, end = (self.form.cleaned_data.get(name) for name in self.names)
        if start:
            queryset = queryset.filter(**{f"{self.field_path}__gte": start_of(start)})
        if end:
            queryset = queryset.filter(**{f"{self.field_path}__lt": end_of(end)})
        return queryset

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield {
            "form": self.form,
            "others": self.others,
            "clear": changelist.get_query_string(remove=self.names),
        }


def _range_form(names: tuple[str, str], data: dict[str, str]) -> Form:
    class DayInput(TextInput):
        input_type = "date"

    fields = {
        name: DateField(label=label, required=False, input_formats=["%Y-%m-%d"], widget=DayInput)
        for name, label in zip(names, (_("from"), _("until")), strict=True)
    }
    form_class = type("RangeForm", (Form,), fields)
    form: Form = form_class(data, auto_id="filter_%s")
    return form
