"""Branches, regions and categories in admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin_parts import RightsModelAdmin
from accounts.approvals.admin import ApprovalAdminMixin
from accounts.models import Staff
from core.text.cleaning import clean_line
from knowledge.actions.branches import save_branch, save_region_or_category
from knowledge.admin.transfer import TransferMixin
from knowledge.approval_kinds import BRANCH
from knowledge.import_export.branches import BranchTable
from knowledge.models import Branch, Category, Region


class LinesField(forms.CharField):
    """A form field for a list of texts, one per line."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return list(
            dict.fromkeys(text for line in (value or "").splitlines() if (text := clean_line(line, 80)))
        )

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(self.prepare_value(initial)) != self.to_python(data))


class BranchForm(forms.ModelForm):  # type: ignore[type-arg]
    services = forms.MultipleChoiceField(
        label=gettext_lazy("services"),
        choices=Branch.Service.choices,
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    aliases = LinesField(
        label=gettext_lazy("other names"),
        required=False,
        help_text=gettext_lazy(
            "Other names that people use for this branch, one per line. Search also matches these names."
        ),
    )

    class Meta:
        model = Branch
        fields = (
            "key", "kind", "name", "name_en", "region", "address", "address_en", "latitude", "longitude",
            "weekday_hours", "saturday_hours", "sunday_hours", "telephone", "services", "aliases",
            "duty_contact", "is_active",
        )  # fmt: skip


@admin.register(Branch)
class BranchAdmin(RightsModelAdmin, ApprovalAdminMixin, TransferMixin, admin.ModelAdmin):  # type: ignore[misc, type-arg]
    view_right = change_right = "edit_points"
    approval_kinds, approval_key = (BRANCH,), "key"
    resource_classes: Any = (BranchTable,)
    exported_verb = "branches.exported"
    form = BranchForm
    list_display = ("name", "kind", "region", "address", "telephone", "duty_contact", "is_active")
    list_filter = ("kind", "region", "is_active")
    list_select_related = ("region",)
    search_fields = ("name", "name_en", "address", "key", "aliases")
    ordering = ("region", "name")
    list_per_page = 50

    def get_readonly_fields(self, request: HttpRequest, obj: Branch | None = None) -> tuple[str, ...]:
        # Imports find a branch by its key.
        return ("key",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Branch, form: Any, change: bool) -> None:
        assert isinstance(request.user, Staff)
        self.announce_request(request, save_branch(by=request.user, branch=obj, changed=form.changed_data))

    def success_message(self) -> str:
        return _(
            "File read: %(new)d new, %(changed)d changed, %(unchanged)d unchanged. A second person must "
            "approve the changes that customers see."
        )


class RegionOrCategoryAdmin(RightsModelAdmin, admin.ModelAdmin):  # type: ignore[type-arg]
    view_right = change_right = "edit_points"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        assert isinstance(request.user, Staff)
        save_region_or_category(by=request.user, part=obj, changed=form.changed_data)


@admin.register(Region)
class RegionAdmin(RegionOrCategoryAdmin):
    list_display = ("name", "name_en")
    search_fields = ("name", "name_en")
    fields = ("name", "name_en")


class CategoryForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Category
        fields = ("parent", "name", "order")

    def clean_parent(self) -> Category | None:
        parent: Category | None = self.cleaned_data["parent"]
        above = parent
        while above is not None:
            if above.pk == self.instance.pk:
                raise forms.ValidationError(
                    gettext_lazy("A category can't be below itself or one of its own subcategories.")
                )
            above = above.parent
        return parent


@admin.register(Category)
class CategoryAdmin(RegionOrCategoryAdmin):
    form = CategoryForm
    list_display = ("name", "parent", "order")
    list_filter = (("parent", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("parent",)
    search_fields = ("name",)
    ordering = ("parent__name", "order", "name")
