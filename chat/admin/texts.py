"""Admin pages for canned replies and wrap-up codes."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin_parts import RightsModelAdmin
from accounts.approvals.admin import ApprovalAdminMixin
from accounts.models import Staff
from chat.actions.canned_replies import delete_reply, save_reply
from chat.actions.setup import save_setup
from chat.approval_kinds import REPLY
from chat.models import CannedReply, WrapUpCode


class CannedReplyForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = CannedReply
        fields = ("language", "department", "shortcut", "title", "body")
        widgets = {"body": forms.Textarea(attrs={"rows": 6})}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        same_shortcut = CannedReply.objects.filter(
            owner=None,
            department=cleaned.get("department"),
            language=cleaned.get("language", ""),
            shortcut=cleaned.get("shortcut", ""),
        )
        if same_shortcut.exclude(pk=self.instance.pk).exists():
            self.add_error(
                "shortcut", _("Another reply for this department and language already has this shortcut.")
            )
        return cleaned


@admin.register(CannedReply)
class CannedReplyAdmin(RightsModelAdmin, ApprovalAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Admin page for shared canned replies: those for everyone or for one department.

    Personal replies are edited in the console by their owners.
    """

    view_right = change_right = delete_right = "edit_shared_replies"
    approval_kinds = (REPLY,)
    form = CannedReplyForm
    list_display = ("title", "shortcut", "department", "language")
    list_filter = ("department", "language")
    list_select_related = ("department",)
    search_fields = ("title", "shortcut", "initials", "body")
    search_help_text = gettext_lazy("Search by title, text, shortcut, or pinyin initials of the title")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CannedReply]:
        return super().get_queryset(request).filter(owner=None)

    def save_model(self, request: HttpRequest, obj: CannedReply, form: Any, change: bool) -> None:
        assert isinstance(request.user, Staff)
        self.announce_request(request, save_reply(staff=request.user, reply=obj))

    def delete_model(self, request: HttpRequest, obj: CannedReply) -> None:
        assert isinstance(request.user, Staff)
        delete_reply(staff=request.user, pk=obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[CannedReply]) -> None:
        assert isinstance(request.user, Staff)
        for reply in queryset:
            delete_reply(staff=request.user, pk=reply.pk)


@admin.register(WrapUpCode)
class WrapUpCodeAdmin(RightsModelAdmin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name_zh", "name_en", "code", "department", "is_active", "order")
    list_filter = ("department", "is_active")
    list_select_related = ("department",)
    search_fields = ("name_zh", "name_en", "code")
    fields = ("name_zh", "name_en", "code", "department", "is_active", "order")

    def get_readonly_fields(self, request: HttpRequest, obj: WrapUpCode | None = None) -> tuple[str, ...]:
        # Reports and exports identify a wrap-up code by `code`, so it must not change.
        return ("code",) if obj else ()

    def save_model(self, request: HttpRequest, obj: WrapUpCode, form: Any, change: bool) -> None:
        assert isinstance(request.user, Staff)
        save_setup(by=request.user, subject=obj, fields=form.changed_data)
