"""Admin pages for conversations: search, read-only transcript and export. Nobody can add, change or delete a
conversation here."""

import re
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export.admin import ExportMixin
from import_export.forms import ExportForm

from accounts import audit
from accounts.admin_parts import AuditedListMixin, BoundedPaginator, DateRange, RightsModelAdmin, has_right
from accounts.models import Staff
from chat import access
from chat.archive.conversation_log import record_of
from chat.archive.exports import ConversationTable, CsvFile, TooManyRows, TranscriptTable, XlsxFile
from chat.archive.reading_audit import audit_file
from chat.archive.search import conversations_with
from chat.errors import NotFound
from chat.models import Conversation, Visitor
from chat.selectors import parse_seq
from chat.widget.attachment_views import file_response, transcript_response
from core.text.chinese_variants import matches_any_form

MAX_RESULTS = 1000


class RatingFilter(admin.SimpleListFilter):
    title = gettext_lazy("rating")
    parameter_name = "rating"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        stars = [(str(score), "★" * score) for score in range(5, 0, -1)]
        return [*stars, ("low", _("score 1 or 2")), ("none", _("not rated"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> QuerySet[Conversation]:
        match self.value():
            case None:
                return queryset
            case "none":
                return queryset.filter(rating__isnull=True)
            case "low":
                return queryset.filter(rating__score__lte=2)
            case score:
                return queryset.filter(rating__score=score) if score in "12345" else queryset.none()


class RecordsExportForm(ExportForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["resource"].label = _("Data to export")
        self.fields["format"].label = _("File format")


@admin.register(Conversation)
class ConversationAdmin(RightsModelAdmin, AuditedListMixin, ExportMixin, admin.ModelAdmin):  # type: ignore[misc, type-arg]
    view_right = "read_records"
    change_right = ""
    list_verb = "records.searched"
    list_display = (
        "number",
        "started_at",
        "who",
        "reference",
        "status",
        "department",
        "agent",
        "size",
        "wrap_up_code",
        "stars",
    )
    list_display_links = ("number", "started_at")
    list_select_related = ("visitor", "department", "agent", "wrap_up_code", "rating")
    list_filter = (
        ("started_at", DateRange),
        "status",
        "department",
        "wrap_up_code",
        RatingFilter,
        "visitor__level",
        "agent",
    )
    search_fields = ("uuid",)
    search_help_text = gettext_lazy(
        "Search by message text, visitor name, customer reference or conversation number"
    )
    sortable_by = ("started_at",)
    ordering = ("-id",)
    list_per_page = 50
    list_max_show_all = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    actions = None
    resource_classes: Any = (ConversationTable, TranscriptTable)
    formats: Any = (XlsxFile, CsvFile)
    export_form_class: Any = RecordsExportForm
    export_template_name = "admin/chat/conversation/export.html"

    @admin.display(description=gettext_lazy("conversation"))
    def number(self, conversation: Conversation) -> str:
        return str(conversation)

    @admin.display(description=gettext_lazy("visitor"))
    def who(self, conversation: Conversation) -> str:
        visitor = conversation.visitor
        level = visitor.level_now().label
        return format_html("<bdi>{}</bdi> ({})", visitor.name, level) if visitor.name else str(level)

    @admin.display(description=gettext_lazy("customer reference"))
    def reference(self, conversation: Conversation) -> str:
        return conversation.visitor.customer_reference

    @admin.display(description=gettext_lazy("messages"))
    def size(self, conversation: Conversation) -> int:
        return conversation.visitor_message_count + conversation.agent_message_count

    @admin.display(description=gettext_lazy("rating"))
    def stars(self, conversation: Conversation) -> str:
        rating = getattr(conversation, "rating", None)
        return "★" * rating.score if rating else ""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        assert isinstance(request.user, Staff)
        # Collect ids first, so that each of the three searches (text, visitor, conversation number) uses its own index.
        conversations, has_more = conversations_with(access.visible_to(request.user), term, MAX_RESULTS)
        visitors = list(
            Visitor.objects.filter(matches_any_form(("name",), term) | Q(customer_reference=term))
            .order_by("-pk")
            .values_list("pk", flat=True)[: MAX_RESULTS + 1]
        )
        if has_more or len(visitors) > MAX_RESULTS:
            request.search_was_cut = True  # type: ignore[attr-defined]
            warning = _("Too many results. Only the newest are listed. Add words to narrow the search.")
            messages.warning(request, warning)
        return queryset.filter(
            Q(pk__in=conversations) | Q(visitor__in=visitors[:MAX_RESULTS]) | _with_number_prefix(term)
        ), False

    # -- reading one conversation ------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own_urls = [
            path("<int:pk>/transcript/", view(self.transcript_view), name="chat_conversation_transcript"),
            path("files/<uuid:uuid>/", view(self.file_view), name="chat_conversation_file"),
        ]
        urls: list[URLPattern] = super().get_urls()
        return own_urls + urls

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_view_permission(request) or request.method != "GET":
            raise PermissionDenied
        conversation = self._get(object_id)
        assert isinstance(request.user, Staff)
        audit.record(request.user, "transcript.read", conversation)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Conversation %(number)s") % {"number": conversation},
            "record": record_of(conversation, parse_seq(request.GET.get("after", ""))),
            "conversation": conversation,
            "rating": getattr(conversation, "rating", None),
            "may_export": self.has_export_permission(request),
        }
        return TemplateResponse(request, "admin/chat/conversation/record.html", context)

    def transcript_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_export_permission(request):
            raise PermissionDenied
        conversation = self._get(str(pk))
        assert isinstance(request.user, Staff)
        audit.record(request.user, "transcript.downloaded", conversation)
        return transcript_response(conversation)

    def file_view(self, request: HttpRequest, uuid: UUID) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        assert isinstance(request.user, Staff)
        try:
            attachment = access.attachment_for(request.user, uuid)
        except NotFound as error:
            raise Http404 from error
        audit_file(request.user, attachment, where="record")
        return file_response(attachment)

    def _get(self, pk: str) -> Conversation:
        conversations = Conversation.objects.select_related(
            "site", "visitor", "department", "agent", "wrap_up_code", "rating"
        )
        conversation = conversations.filter(pk=int(pk)).first() if pk.isdecimal() and len(pk) < 19 else None
        if conversation is None:
            raise Http404
        return conversation

    # -- export ------------------------------------------------------------------------------------------

    def has_export_permission(self, request: HttpRequest) -> bool:
        return has_right(request, "export_records")

    def get_data_for_export(self, request: HttpRequest, queryset: QuerySet[Any], **kwargs: Any) -> Any:
        if getattr(request, "search_was_cut", False):
            raise TooManyRows(_("Too many results to export. Narrow the search first."))
        data = super().get_data_for_export(request, queryset, **kwargs)
        assert isinstance(request.user, Staff)
        form = kwargs["export_form"]
        what = self.choose_export_resource_class(form, request).__name__
        filters = {name: value for name, value in request.GET.items() if name != "q"}
        # The search text may be a customer's name, so the audit entry only records whether the page was searched.
        is_search = bool(request.GET.get("q"))
        audit.record(
            request.user,
            "records.exported",
            None,
            what=what,
            count=len(data),
            filters=filters,
            is_search=is_search,
        )
        return data

    def get_export_filename(self, request: Any, queryset: Any, file_format: Any) -> str:  # type: ignore[override]
        return f"lianxin-{timezone.localtime():%Y%m%d-%H%M}.{file_format.get_extension()}"


def _with_number_prefix(term: str) -> Q:
    """Return a filter for conversations whose number starts with `term`.

    The term must have at least eight hexadecimal digits, as many as lists show.
    """
    digits = term.replace("-", "").lower()
    if not re.fullmatch(r"[0-9a-f]{8,32}", digits):
        return Q(pk__in=[])
    return Q(uuid__range=(UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))))
