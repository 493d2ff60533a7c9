"""Kinds of approval for sites, the parts of sites that customers see, and shared canned replies.

`ChatConfig` registers them when the app starts.
"""

from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.approvals.authors import forget_authors
from accounts.approvals.digest import Fields
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.records import RecordKind
from accounts.models import Staff
from chat import canned_replies
from chat.approval_kinds import BUSINESS_TEXT, FORM_FIELD, QUICK_TOPIC, REPLY, SITE
from chat.models import BusinessText, CannedReply, EmergencyRule, FormField, QuickTopic, Site, WrapUpCode

APPROVAL_RIGHT = "approve_set_up"
SITE_FIELDS = (
    "is_active", "name_zh", "name_en", "allowed_origins", "department", "hotline", "accent", "position", "title_zh",
    "title_en", "launcher_zh", "launcher_en", "suggests_answers", "attachments", "attachment_types",
    "attachment_megabytes", "requires_nonce",
)  # fmt: skip
PART_LABELS = {
    "form_fields": _("pre-chat form"),
    "quick_topics": _("quick topics"),
    "texts": _("business texts"),
}
REPLY_FIELDS = ("department", "owner", "language", "shortcut", "title", "body", "source", "is_active")
# Settings that only staff see.
InternalRecord = WrapUpCode | EmergencyRule
SetupRecord = Site | FormField | QuickTopic | BusinessText | InternalRecord


def audited_object_of(subject: SetupRecord) -> Site | InternalRecord:
    """Return the object to which audit entries about `subject` refer. For a part of a site, this is the site."""
    return subject if isinstance(subject, Site | InternalRecord) else subject.site


def write_setup(by: Staff, subject: SetupRecord, fields: Sequence[str]) -> None:
    """Store a new object, or the given fields of an existing one.

    The audit entry contains the names of the fields, never their values.
    """
    kind, is_new = subject._meta.model_name, subject._state.adding
    if is_new:
        subject.save(force_insert=True)
        audit.record(by, "setup.created", audited_object_of(subject), kind=kind, id=subject.pk)
    else:
        subject.save(update_fields=fields)
        audit.record(
            by, "setup.changed", audited_object_of(subject), kind=kind, id=subject.pk, fields=list(fields)
        )


def write_reply(by: Staff, reply: CannedReply, fields: Sequence[str]) -> None:
    """Store a canned reply, together with the pinyin spellings of its title for search."""
    is_new = reply._state.adding
    reply.initials = canned_replies.initials_of(reply.title)
    reply.save()
    audit.record(by, "reply.created" if is_new else "reply.changed", reply)


class SiteKind(RecordKind):
    """Kind of approval for changes to the fields of a site.

    A request to switch a site on shows the whole site with all its parts.
    """

    def proposed(self, request: ApprovalRequest) -> Fields:
        if not is_switch_on(request):
            return dict(request.after)
        site = self.stored(request.subject)
        return full_site_content(site) if site is not None else {}

    def apply(self, request: ApprovalRequest, by: Staff) -> None:
        if not is_switch_on(request):
            super().apply(request, by)
            return
        site = self.stored(request.subject)
        site.is_active = True
        write_setup(by, site, ["is_active"])
        forget_authors(SITE, [request.subject])

    def label_of(self, field: str) -> str:
        return capfirst(str(PART_LABELS[field])) if field in PART_LABELS else super().label_of(field)

    def text_of(self, field: str, value: Any) -> str:
        return super().text_of("name_zh" if field in PART_LABELS else field, value)


def is_switch_on(request: ApprovalRequest) -> bool:
    """Return whether the request asks to switch on a site that is switched off."""
    return request.before.get("is_active") is False


def full_site_content(site: Site) -> Fields:
    """Return all settings and texts of a site that customers see after the site is switched on. Four queries."""
    fields = SITE_KIND.shown(site, SITE_FIELDS) | {"is_active": True}
    return fields | {
        "form_fields": [
            [
                str(field.order),
                field.key,
                field.get_kind_display(),
                field.label_zh,
                field.label_en,
                str(field.is_required),
            ]
            for field in site.form_fields.order_by("order", "id")
        ],
        "quick_topics": [
            [
                topic.language,
                topic.label,
                topic.first_message,
                topic.department.code if topic.department else "",
            ]
            for topic in site.quick_topics.select_related("department").order_by("order", "id")
        ],
        "texts": [[text.code, text.language, text.body] for text in site.texts.order_by("code", "language")],
    }


def _site_page(subject: str) -> str:
    return reverse("admin:chat_site_change", args=[subject])


SITE_KIND = SiteKind(SITE, Site, SITE_FIELDS, right=APPROVAL_RIGHT, write=write_setup, address=_site_page)
FORM_FIELDS = RecordKind(
    FORM_FIELD,
    FormField,
    ("site", "key", "kind", "label_zh", "label_en", "is_required", "order"),
    right=APPROVAL_RIGHT,
    write=write_setup,
    label=_("pre-chat form question"),
)
QUICK_TOPICS = RecordKind(
    QUICK_TOPIC,
    QuickTopic,
    ("site", "language", "label", "first_message", "department", "order"),
    right=APPROVAL_RIGHT,
    write=write_setup,
)
BUSINESS_TEXTS = RecordKind(
    BUSINESS_TEXT, BusinessText, ("site", "code", "language", "body"), right=APPROVAL_RIGHT, write=write_setup
)
REPLIES = RecordKind(
    REPLY, CannedReply, REPLY_FIELDS, right=APPROVAL_RIGHT, write=write_reply, label=_("shared canned reply")
)
KINDS = (SITE_KIND, FORM_FIELDS, QUICK_TOPICS, BUSINESS_TEXTS, REPLIES)
