"""The URLs of the approval pages. console.urls includes them."""

from django.urls import path

from console.approvals import views

_one = "approvals/<uuid:uuid>"

urlpatterns = [
    path("approvals/", views.approvals, name="approvals"),
    path("approvals/review", views.review, name="approvals_review"),
    path("approvals/approve", views.approve_several, name="approvals_approve"),
    path(f"{_one}/", views.approval, name="approval"),
    path(f"{_one}/approve", views.approve, name="approval_approve"),
    path(f"{_one}/reject", views.reject, name="approval_reject"),
    path(f"{_one}/withdraw", views.withdraw, name="approval_withdraw"),
]
