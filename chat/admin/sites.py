"""Admin pages for sites, with their pre-chat forms, quick topics and business texts."""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin_parts import LabelledFormSet, RightsModelAdmin
from accounts.approvals.admin import ApprovalAdminMixin
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.selectors import pending
from accounts.models import Staff
from chat.actions.setup import SitePart, remove_setup, save_setup, switch_site_on
from chat.admin.secrets import renew_secret_view
from chat.approval_kinds import BUSINESS_TEXT, FORM_FIELD, QUICK_TOPIC, SITE
from chat.attachments.file_types import FILE_TYPES
from chat.models import BusinessText, FormField, QuickTopic, Site


class SiteForm(forms.ModelForm):  # type: ignore[type-arg]
    attachment_types = forms.MultipleChoiceField(
        label=gettext_lazy("File types"),
        choices=[(content_type, name) for content_type, (name, _ending) in FILE_TYPES.items()],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=gettext_lazy(
            "File types are detected from the content, not from the file name. If none is ticked, all are "
            "allowed. Pictures are re-encoded without location and camera data."
        ),
    )

    class Meta:
        model = Site
        fields = (
            "key",
            "name_zh",
            "name_en",
            "is_active",
            "allowed_origins",
            "requires_nonce",
            "department",
            "hotline",
            "accent",
            "position",
            "title_zh",
            "title_en",
            "launcher_zh",
            "launcher_en",
            "suggests_answers",
            "attachments",
            "attachment_types",
            "attachment_megabytes",
        )
        widgets = {
            "accent": forms.TextInput(attrs={"type": "color"}),
            "allowed_origins": forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        }
        help_texts = {
            "is_active": gettext_lazy("If unticked, the widget is not shown on any page."),
            "allowed_origins": gettext_lazy(
                "Origins of the bank's pages that may show the widget, one per line, without a path, for example "
                "https://www.bank.example. Each host counts separately: www.bank.example and bank.example are two"
                " origins."
            ),
            "hotline": gettext_lazy("Shown wherever a visitor may have to wait."),
            "suggests_answers": gettext_lazy(
                "While visitors wait, the widget searches the public knowledge points for answers to "
                "what they wrote. It shows at most three, collapsed, below the queue position. If "
                "unticked, the widget does not search."
            ),
            "accent": gettext_lazy(
                "Colour of the button, the header and the visitor's own messages. Text stays readable on any "
                "colour."
            ),
            "launcher_zh": gettext_lazy(
                "Shown beside the icon on the button. Leave empty to show only the icon."
            ),
            "launcher_en": gettext_lazy(
                "Shown beside the icon on the button. Leave empty to show only the icon."
            ),
        }

    def clean_allowed_origins(self) -> str:
        lines = (line.strip() for line in self.cleaned_data["allowed_origins"].splitlines())
        return "\n".join(dict.fromkeys(line for line in lines if line))


class PartInline(RightsModelAdmin, admin.TabularInline):  # type: ignore[type-arg]
    delete_right = "set_up"
    formset = LabelledFormSet
    extra = 0


class FormFieldInline(PartInline):
    model = FormField
    fields = ("order", "key", "kind", "label_zh", "label_en", "is_required")


class QuickTopicInline(PartInline):
    model = QuickTopic
    fields = ("order", "language", "label", "first_message", "department")


class BusinessTextInline(PartInline):
    model = BusinessText
    fields = ("code", "language", "body")

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "body":
            kwargs["widget"] = forms.Textarea(attrs={"rows": 2, "cols": 60})
        return super().formfield_for_dbfield(db_field, request, **kwargs)


@admin.register(Site)
class SiteAdmin(RightsModelAdmin, ApprovalAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    form = SiteForm
    approval_kinds = (SITE,)
    list_display = ("name_zh", "name_en", "key", "is_active", "department")
    list_select_related = ("department",)
    readonly_fields = ("script_tag", "secret")
    inlines = (FormFieldInline, QuickTopicInline, BusinessTextInline)
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("name_zh", "name_en", "is_active", "department", "hotline")}),
        (
            gettext_lazy("On the bank's website"),
            {"fields": ("key", "allowed_origins", "script_tag", "requires_nonce", "secret")},
        ),
        (
            gettext_lazy("Appearance"),
            {"fields": ("accent", "position", "title_zh", "title_en", "launcher_zh", "launcher_en")},
        ),
        (gettext_lazy("While a visitor waits"), {"fields": ("suggests_answers",)}),
        (gettext_lazy("Files"), {"fields": ("attachments", "attachment_types", "attachment_megabytes")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Site | None = None) -> tuple[str, ...]:
        # The key must not change, because the bank's pages contain it to load the widget.
        return (*self.readonly_fields, "key") if obj else self.readonly_fields

    @admin.display(description=gettext_lazy("Script tag"))
    def script_tag(self, site: Site) -> str:
        if site._state.adding:
            return _("Shown after you save the site.")
        host = settings.OWN_ORIGINS[0] if settings.OWN_ORIGINS else _("https://the-address-of-this-service")
        tag = f'<script async src="{host}/widget.js" data-site="{site.key}"></script>'
        help_text = _("Paste this into every page that should show the widget, just before </body>.")
        return format_html('<code class="copy">{}</code><div class="help">{}</div>', tag, help_text)

    @admin.display(description=gettext_lazy("Identity secret"))
    def secret(self, site: Site) -> str:
        """Return HTML with a link to the page that creates a new identity secret. The secret itself is not shown
        here."""
        if site._state.adding:
            return _("Save the site first. Then you can create the secret on a separate page.")
        return format_html(
            '<a class="button" href="{}">{}</a><div class="help">{}</div>',
            reverse("admin:chat_site_secret", args=[site.pk]),
            _("Create a new identity secret"),
            _(
                "The bank's server signs identity tokens with this secret. You see the secret only once, "
                "when you create it."
            ),
        )

    def get_urls(self) -> list[URLPattern]:
        secret = path(
            "<int:pk>/secret/", self.admin_site.admin_view(self.secret_view), name="chat_site_secret"
        )
        return [secret, *super().get_urls()]

    def secret_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        site = self.get_object(request, str(pk))
        if site is None:
            raise Http404
        return renew_secret_view(request, site, {**self.admin_site.each_context(request), "opts": self.opts})

    def waiting_for(self, obj: Site) -> QuerySet[ApprovalRequest]:
        """Return the pending approval requests for the site and its parts.

        A new part, such as a quick topic, has no id before it is approved. Requests for new parts are therefore found
        by the site's id in their content.
        """
        parts = Q(kind__in=(FORM_FIELD, QUICK_TOPIC, BUSINESS_TEXT), after__site__id=obj.pk)
        for kind, part in ((FORM_FIELD, FormField), (QUICK_TOPIC, QuickTopic), (BUSINESS_TEXT, BusinessText)):
            known = part._default_manager.filter(site=obj).values_list("pk", flat=True)
            parts |= Q(kind=kind, subject__in=[str(pk) for pk in known])
        return pending().filter(parts | Q(kind=SITE, subject=str(obj.pk)))

    def save_model(self, request: HttpRequest, obj: Site, form: Any, change: bool) -> None:
        assert isinstance(request.user, Staff)
        if not (change and form.initial.get("is_active")):
            # Keep the site inactive for now. `save_related` requests activation after the parts of the site are stored,
            # so that one approval request shows all of them.
            obj.is_active = False
        self.announce_request(request, save_setup(by=request.user, subject=obj, fields=form.changed_data))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        assert isinstance(request.user, Staff)
        super().save_related(request, form, formsets, change)
        was_active = change and form.initial.get("is_active")
        if form.cleaned_data.get("is_active") and not was_active:
            self.announce_request(request, switch_site_on(by=request.user, site=form.instance))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        assert isinstance(request.user, Staff)
        formset.save(commit=False)
        for deleted in formset.deleted_objects:
            remove_setup(by=request.user, subject=deleted)
        changed: list[tuple[SitePart, list[str]]] = [
            *formset.changed_objects,
            *((new, []) for new in formset.new_objects),
        ]
        for part, fields in changed:
            self.announce_request(request, save_setup(by=request.user, subject=part, fields=fields))
