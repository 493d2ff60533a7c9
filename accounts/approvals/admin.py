"""Texts on admin pages about approval requests: the message "sent for approval" after a change, and the list of
pending requests."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts.approvals.models import ApprovalRequest
from accounts.approvals.selectors import pending

# The maximum number of pending requests listed on one form. The approvals page lists all.
MAX_LISTED = 20


class ApprovalAdminMixin:
    """Mixin for a `ModelAdmin` whose changes need approval by a second person.

    The `save_model` of the subclass passes the approval request to `announce_request`, which replaces the message
    "changed successfully". `approval_kinds` are the kinds of approval for this model, and `approval_key` is the
    attribute that identifies a record in its approval requests.
    """

    approval_kinds: tuple[str, ...] = ()
    approval_key = "pk"

    def announce_request(self, request: HttpRequest, waiting: ApprovalRequest | None) -> None:
        """Show the message that a change was sent for approval; do nothing if `waiting` is None."""
        if waiting is None:
            return
        request.sent_for_approval = True  # type: ignore[attr-defined]
        text = _("Sent for approval: %(title)s. It takes effect when someone else approves it.")
        messages.warning(request, _with_link(waiting, text % {"title": waiting.title}))

    def message_user(
        self,
        request: HttpRequest,
        message: Any,
        level: int | str = messages.INFO,
        extra_tags: str = "",
        fail_silently: bool = False,
    ) -> None:
        # "Changed successfully" would contradict "sent for approval".
        if not (level == messages.SUCCESS and getattr(request, "sent_for_approval", False)):
            super().message_user(request, message, level, extra_tags, fail_silently)  # type: ignore[misc]

    def waiting_for(self, obj: Any) -> QuerySet[ApprovalRequest]:
        """Return the pending approval requests for the record `obj`."""
        subject = str(getattr(obj, self.approval_key))
        return pending().filter(kind__in=self.approval_kinds, subject=subject)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        if obj.pk is None:
            meta = obj._meta
            return redirect(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        response: HttpResponse = super().response_add(request, obj, post_url_continue)  # type: ignore[misc]
        return response

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        # A new record that needs approval is not stored yet and has no id. The audit trail contains the request.
        return None if obj.pk is None else super().log_addition(request, obj, message)  # type: ignore[misc]

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        if obj is not None and request.method == "GET":
            for waiting in self.waiting_for(obj)[:MAX_LISTED]:
                text = _("Waiting for approval: %(title)s.") % {"title": waiting.title}
                messages.warning(request, _with_link(waiting, text))
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)  # type: ignore[misc]


def _with_link(waiting: ApprovalRequest, text: str) -> SafeString:
    address = reverse("console:approval", args=[waiting.uuid])
    return format_html('{} <a href="{}">{}</a>', text, address, _("View the request"))
