"""Included by console.urls: what waits for approval."""

from django.urls import path

from console.views import approvals

_one = "approvals/<uuid:uuid>"

urlpatterns = [
    path("approvals/", approvals.approvals, name="approvals"),
    path("approvals/review", approvals.review, name="approvals_review"),
    path("approvals/approve", approvals.approve_several, name="approvals_approve"),
    path(f"{_one}/", approvals.approval, name="approval"),
    path(f"{_one}/approve", approvals.approve, name="approval_approve"),
    path(f"{_one}/reject", approvals.reject, name="approval_reject"),
    path(f"{_one}/withdraw", approvals.withdraw, name="approval_withdraw"),
]
