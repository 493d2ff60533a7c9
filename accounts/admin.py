"""The admin pages for staff, departments and the audit trail."""

import json
from typing import Any, ClassVar

from allauth.account.models import EmailAddress
from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import unquote
from django.contrib.auth.forms import SetPasswordMixin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts import actions, admin_passwords, audit, skills
from accounts.admin_parts import (
    AuditedListMixin,
    BoundedPaginator,
    DateRange,
    LabelledFormSet,
    RightsModelAdmin,
)
from accounts.approvals.admin import ApprovalAdminMixin
from accounts.audit_verbs import VERBS
from accounts.departments import DEPARTMENT, save_department
from accounts.models import AuditEntry, Department, Skill, Staff, StaffSkill
from accounts.passwords import ConfirmedForm

# Groups and e-mail addresses are not used: rights depend on the role (`accounts.access`), and nobody signs up.
admin.site.unregister(Group)
admin.site.unregister(EmailAddress)


@admin.register(Department)
class DepartmentAdmin(RightsModelAdmin, ApprovalAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    approval_kinds = (DEPARTMENT,)
    list_display: tuple[str, ...] = ("name_zh", "name_en", "code", "is_active", "order")
    list_filter = ("is_active",)
    search_fields = ("name_zh", "name_en", "code")
    fields = ("name_zh", "name_en", "code", "is_active", "order")

    def get_readonly_fields(self, request: HttpRequest, obj: Department | None = None) -> tuple[str, ...]:
        # Forms, imports and the audit trail refer to a department by its code, so it must not change.
        return ("code",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Department, form: Any, change: bool) -> None:
        assert isinstance(request.user, Staff)
        self.announce_request(
            request, save_department(by=request.user, department=obj, changed=form.changed_data)
        )


@admin.register(Skill)
class SkillAdmin(RightsModelAdmin, admin.ModelAdmin):  # type: ignore[type-arg]
    delete_right = "set_up"
    list_display = ("name_zh", "name_en", "code", "language", "people")
    search_fields = ("name_zh", "name_en", "code")
    fields = ("name_zh", "name_en", "code", "language")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(people=Count("holders"))

    @admin.display(description=gettext_lazy("staff members"))
    def people(self, skill: Skill) -> int:
        return skill.people  # type: ignore[attr-defined, no-any-return]

    def get_readonly_fields(self, request: HttpRequest, obj: Skill | None = None) -> tuple[str, ...]:
        # The audit trail refers to a skill by its code, so it must not change.
        return ("code",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Skill, form: Any, change: bool) -> None:
        assert isinstance(request.user, Staff)
        skills.save_skill(by=request.user, skill=obj, changed=form.changed_data)

    def delete_model(self, request: HttpRequest, obj: Skill) -> None:
        assert isinstance(request.user, Staff)
        skills.remove_skill(by=request.user, skill=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Skill]) -> None:
        for skill in queryset:
            self.delete_model(request, skill)


class StaffSkillInline(RightsModelAdmin, admin.TabularInline):  # type: ignore[type-arg]
    delete_right = "set_up"
    model = StaffSkill
    formset = LabelledFormSet
    fields = ("skill", "level")
    verbose_name_plural = gettext_lazy("skills")
    extra = 0


class StaffForm(forms.ModelForm):  # type: ignore[type-arg]
    by: Staff

    class Meta:
        model = Staff
        fields: tuple[str, ...] = (
            "username",
            "name",
            "name_en",
            "number",
            "role",
            "departments",
            "capacity",
            "is_active",
        )
        widgets = {"departments": forms.CheckboxSelectMultiple}
        help_texts = {
            "username": gettext_lazy("Used to sign in. Only letters, digits and @ . + - _ are allowed."),
            "role": gettext_lazy(
                "Agents answer customers. Supervisors can also see and assign all conversations. Auditors read "
                "records. Editors maintain knowledge points. Administrators manage settings and can't read "
                "conversations."
            ),
            "departments": gettext_lazy(
                "The departments whose queues this staff member sees. A new department appears after the "
                "next sign-in."
            ),
            "is_active": gettext_lazy(
                "Untick when someone leaves. Their console closes immediately. Records of their work are kept."
            ),
        }

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        role, is_active = cleaned.get("role"), cleaned.get("is_active", True)
        if self.instance.pk == self.by.pk and (role != self.by.role or not is_active):
            raise forms.ValidationError(
                _("You can't remove your own rights. Ask another administrator to do it.")
            )
        return cleaned


class NewStaffForm(ConfirmedForm, SetPasswordMixin, StaffForm):  # type: ignore[type-arg]
    password1, password2 = SetPasswordMixin.create_password_fields()

    class Meta(StaffForm.Meta):
        fields = ("username", "name", "name_en", "number", "role", "departments", "capacity")

    def clean(self) -> dict[str, Any]:
        self.validate_passwords()
        return super().clean()

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        # Django checks that a password does not resemble the user's name, and the instance has its name only after this
        # call.
        self.validate_password_for_user(self.instance)


@admin.register(Staff)
class StaffAdmin(RightsModelAdmin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("number", "name", "username", "role", "department_names", "is_active", "last_login")
    list_display_links = ("number", "name")
    list_filter = ("role", "departments", "is_active")
    search_fields = ("name", "name_en", "number", "username")
    ordering = ("number",)
    change_form_template = "admin/accounts/staff/change_form.html"
    _person = (None, {"fields": ("name", "name_en", "number", "role", "departments", "capacity")})
    fieldsets: ClassVar[Any] = (_person, (gettext_lazy("Sign-in"), {"fields": ("username", "is_active")}))
    inlines = (StaffSkillInline,)
    add_fieldsets: ClassVar[Any] = (
        _person,
        (gettext_lazy("Sign-in"), {"fields": ("username", "password1", "password2", "own_password")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Staff]:
        return super().get_queryset(request).prefetch_related("departments")

    @admin.display(description=gettext_lazy("departments"))
    def department_names(self, staff: Staff) -> str:
        return ", ".join(str(department) for department in staff.departments.all())

    def get_fieldsets(self, request: HttpRequest, obj: Staff | None = None) -> Any:
        return self.add_fieldsets if obj is None else self.fieldsets

    def get_inlines(self, request: HttpRequest, obj: Staff | None) -> Any:
        """Return the inline of the skills, which an account gets after it has been created."""
        return self.inlines if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = StaffForm if obj else NewStaffForm
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"by": request.user})

    def save_model(self, request: HttpRequest, obj: Staff, form: Any, change: bool) -> None:
        assert isinstance(request.user, Staff)
        departments = form.cleaned_data["departments"]
        if not change:
            password = form.cleaned_data["password1"]
            actions.create_staff(by=request.user, staff=obj, password=password, departments=departments)
            return
        actions.change_staff(by=request.user, staff=obj, departments=departments)
        count = 0 if obj.is_active else obj.conversations.filter(status="active").count()
        if count:
            warning = ngettext(
                "%(name)s still has %(count)d open conversation. Ask a supervisor to assign it to someone else now.",
                "%(name)s still has %(count)d open conversations. Ask a supervisor to assign them to others now.",
                count,
            )
            messages.warning(request, warning % {"name": obj, "count": count})

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Store the skills. `save_model` has already stored the departments."""
        assert isinstance(request.user, Staff)
        for formset in formsets:
            # Only compares: the action stores the skills.
            formset.save(commit=False)
            rows = [row for row in formset.cleaned_data if row and not row.get("DELETE")]
            levels = {row["skill"].pk: row["level"] for row in rows}
            skills.set_levels(by=request.user, staff=form.instance, levels=levels)

    def get_urls(self) -> list[URLPattern]:
        password = path(
            "<id>/password/", self.admin_site.admin_view(self.password_view), name="auth_user_password_change"
        )
        return [password, *super().get_urls()]

    def password_view(self, request: HttpRequest, id: str) -> HttpResponse:
        staff = self.get_object(request, unquote(id))
        if not self.has_change_permission(request, staff):
            raise PermissionDenied
        if staff is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "is_popup": IS_POPUP_VAR in request.GET,
        }
        return admin_passwords.set_for(request, staff, context)


class VerbFilter(admin.SimpleListFilter):
    title = gettext_lazy("event")
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return sorted(((verb, str(label)) for verb, label in VERBS.items()), key=lambda pair: pair[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(verb=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(RightsModelAdmin, AuditedListMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """The audit trail, read-only for everyone: no capability allows adding, changing or removing an entry."""

    view_right = "read_audit"
    change_right = ""
    list_verb = "audit.read"
    list_display = ("at", "actor", "what", "subject", "details")
    list_select_related = ("actor",)
    list_filter = (("at", DateRange), VerbFilter, ("actor", admin.RelatedOnlyFieldListFilter))
    search_fields = ("=object_id", "=actor__number", "actor__name")
    search_help_text = gettext_lazy(
        "Search by staff number or name, or by the number of a conversation or another record"
    )
    fields = ("at", "actor", "what", "subject", "details")
    sortable_by = ("at",)
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator

    @admin.display(description=gettext_lazy("event"))
    def what(self, entry: AuditEntry) -> str:
        return str(VERBS.get(entry.verb, entry.verb))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        response = super().change_view(request, object_id, form_url, extra_context)
        if response.status_code == 200:
            assert isinstance(request.user, Staff)
            audit.record(request.user, "audit.read", None, entry=object_id)
        return response

    @admin.display(description=gettext_lazy("object"))
    def subject(self, entry: AuditEntry) -> str:
        try:
            kind = str(apps.get_model(entry.object_type)._meta.verbose_name)
        except (LookupError, ValueError):
            kind = entry.object_type
        return f"{kind} {entry.object_id}".strip()

    @admin.display(description=gettext_lazy("details"))
    def details(self, entry: AuditEntry) -> str:
        return json.dumps(entry.detail, ensure_ascii=False, sort_keys=True) if entry.detail else ""
