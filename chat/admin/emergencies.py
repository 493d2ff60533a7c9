"""Admin pages for emergency words, with a box in which an administrator tests texts."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin_parts import RightsModelAdmin
from accounts.models import Staff
from chat.actions.setup import remove_emergency_rule, save_setup
from chat.emergencies import stored_matcher
from chat.models import EmergencyRule
from chat.protocol import MAX_BODY_CHARACTERS


class TestTextsForm(forms.Form):
    texts = forms.CharField(
        label=gettext_lazy("Texts"),
        max_length=10 * MAX_BODY_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 6, "cols": 80}),
        help_text=gettext_lazy(
            "Type what a customer may write. Each line is a text of its own. Nothing is stored."
        ),
    )


@admin.register(EmergencyRule)
class EmergencyRuleAdmin(RightsModelAdmin, admin.ModelAdmin):  # type: ignore[type-arg]
    delete_right = "set_up"
    list_display = ("word", "exceptions", "is_active")
    list_filter = ("is_active",)
    search_fields = ("word", "exceptions")
    fields = ("word", "exceptions", "is_active")
    change_list_template = "admin/chat/emergencyrule/change_list.html"

    def save_model(self, request: HttpRequest, obj: EmergencyRule, form: Any, change: bool) -> None:
        assert isinstance(request.user, Staff)
        save_setup(by=request.user, subject=obj, fields=form.changed_data)

    def delete_model(self, request: HttpRequest, obj: EmergencyRule) -> None:
        assert isinstance(request.user, Staff)
        remove_emergency_rule(by=request.user, rule=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[EmergencyRule]) -> None:
        for rule in queryset:
            self.delete_model(request, rule)

    def get_urls(self) -> list[URLPattern]:
        test = path("test/", self.admin_site.admin_view(self.test_view), name="chat_emergencyrule_test")
        return [test, *super().get_urls()]

    def test_view(self, request: HttpRequest) -> HttpResponse:
        """Show which emergency word, if any, each of the typed texts contains. The texts are sent by POST, because a
        customer may have written them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = TestTextsForm(request.POST if request.method == "POST" else None)
        results: list[tuple[str, str | None]] = []
        if form.is_valid():
            matcher = stored_matcher()
            lines = (line.strip() for line in form.cleaned_data["texts"].splitlines())
            results = [(line, matcher.find(line)) for line in lines if line]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Test texts"),
            "form": form,
            "results": results,
        }
        return TemplateResponse(request, "admin/chat/emergencyrule/test.html", context)
