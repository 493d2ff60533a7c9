"""Read-only admin pages for exams. Exams are changed only in the console, where the rules are enforced."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse

from accounts import audit
from accounts.admin_parts import AuditedListMixin, BoundedPaginator, DateRange, RightsModelAdmin
from accounts.models import QueueRestriction, Staff
from exams.models import Exam, ExamShare, Paper, PaperItem, Question


class ReadOnlyAdmin(RightsModelAdmin):
    """Admin class that shows records but does not allow adding, changing or deleting them."""

    change_right = ""


class ShareInline(ReadOnlyAdmin, admin.TabularInline):  # type: ignore[type-arg]
    view_right = "set_exams"
    model = ExamShare
    extra = 0


@admin.register(Exam)
class ExamAdmin(ReadOnlyAdmin, admin.ModelAdmin):  # type: ignore[type-arg]
    view_right = "set_exams"
    paginator = BoundedPaginator
    show_full_result_count = False
    list_display = ("name", "opens_at", "closes_at", "question_count", "pass_percent", "required_from")
    list_filter = ("departments", ("opens_at", DateRange))
    search_fields = ("name",)
    inlines = (ShareInline,)


@admin.register(Question)
class QuestionAdmin(ReadOnlyAdmin, admin.ModelAdmin):  # type: ignore[type-arg]
    view_right = "set_exams"
    paginator = BoundedPaginator
    show_full_result_count = False
    list_display = ("stem", "point", "version", "kind", "state", "asked", "missed")
    list_filter = ("state", "kind")
    list_select_related = ("point",)
    search_fields = ("stem", "point__key")


class ItemInline(ReadOnlyAdmin, admin.TabularInline):  # type: ignore[type-arg]
    view_right = "see_exam_results"
    model = PaperItem
    extra = 0
    fields = ("place", "kind", "stem", "given", "credit", "saved_at")


@admin.register(Paper)
class PaperAdmin(ReadOnlyAdmin, AuditedListMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    view_right = "see_exam_results"
    paginator = BoundedPaginator
    show_full_result_count = False
    list_display = ("exam", "staff", "number", "drawn_at", "submitted_at", "percent", "is_passed")
    list_filter = ("exam", "is_passed", ("submitted_at", DateRange))
    list_select_related = ("exam", "staff")
    search_fields = ("staff__name", "staff__number")
    exclude = ("seed",)
    inlines = (ItemInline,)
    list_verb = "exam.results_read"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        response = super().change_view(request, object_id, form_url, extra_context)
        paper = self.get_object(request, unquote(object_id))
        if response.status_code == 200 and paper is not None:
            assert isinstance(request.user, Staff)
            audit.record_once_a_day(request.user, "exam.paper_read", paper)
        return response

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Examinees are not allowed to see their own open paper in admin: they answer it in the console.
        is_open = isinstance(obj, Paper) and obj.submitted_at is None and obj.staff_id == request.user.pk
        return super().has_view_permission(request, obj) and not is_open


@admin.register(QueueRestriction)
class QueueRestrictionAdmin(ReadOnlyAdmin, admin.ModelAdmin):  # type: ignore[type-arg]
    view_right = "see_exam_results"
    paginator = BoundedPaginator
    show_full_result_count = False
    list_display = ("staff", "department", "why", "since", "is_lifted")
    list_filter = ("department", "is_lifted")
    list_select_related = ("staff", "department")
    search_fields = ("staff__name", "staff__number", "why")
