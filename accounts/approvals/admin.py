"""What admin pages share whose records wait for approval: they say what was sent, and what waits."""

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

# Requests that one form names at most; the page of approvals has them all.
SHOWN = 20


class ApprovalAdminMixin:
    """For an admin class: `asked(request, ...)` in place of the words that everything was saved.

    `approval_kinds` are those whose subject is the record's `approval_key`.
    """

    approval_kinds: tuple[str, ...] = ()
    approval_key = "pk"

    def asked(self, request: HttpRequest, waiting: ApprovalRequest | None) -> None:
        """Say that a request waits now."""
        if waiting is None:
            return
        request.sent_for_approval = True  # type: ignore[attr-defined]
        words = _("Sent for approval: %(title)s. It takes effect when somebody else has approved it.")
        messages.warning(request, _link(waiting, words % {"title": waiting.title}))

    def message_user(
        self,
        request: HttpRequest,
        message: Any,
        level: int | str = messages.INFO,
        extra_tags: str = "",
        fail_silently: bool = False,
    ) -> None:
        # "Changed successfully" would be half a truth beside "sent for approval".
        if not (level == messages.SUCCESS and getattr(request, "sent_for_approval", False)):
            super().message_user(request, message, level, extra_tags, fail_silently)  # type: ignore[misc]

    def waiting_for(self, obj: Any) -> QuerySet[ApprovalRequest]:
        """The requests that belong to this record."""
        subject = str(getattr(obj, self.approval_key))
        return pending().filter(kind__in=self.approval_kinds, subject=subject)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        if obj.pk is None:
            meta = obj._meta
            return redirect(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        response: HttpResponse = super().response_add(request, obj, post_url_continue)  # type: ignore[misc]
        return response

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        # What waits has no id yet; the audit trail has the request.
        return None if obj.pk is None else super().log_addition(request, obj, message)  # type: ignore[misc]

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        if obj is not None and request.method == "GET":
            for waiting in self.waiting_for(obj)[:SHOWN]:
                words = _("Waiting for approval: %(title)s.") % {"title": waiting.title}
                messages.warning(request, _link(waiting, words))
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)  # type: ignore[misc]


def _link(waiting: ApprovalRequest, words: str) -> SafeString:
    address = reverse("console:approval", args=[waiting.uuid])
    return format_html('{} <a href="{}">{}</a>', words, address, _("To the request"))
