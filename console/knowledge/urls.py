"""The URLs of the knowledge pages. console.urls includes them."""

from django.urls import path

from console.knowledge import editing_views, list_views, recipient_views, review_views, views

_one = "points/<slug:key>"
_version = f"{_one}/versions/<int:number>"

urlpatterns = [
    path("points/", list_views.points, name="points"),
    # This path is not below points/, because the part of a path after points/ is the key of a point.
    path("found-points", list_views.search, name="points_found"),
    path("phrasings/", review_views.phrasings, name="phrasings"),
    path("phrasings/<int:pk>/judge", review_views.judge, name="phrasing_judge"),
    path("gaps/", review_views.unanswered_questions, name="unanswered_questions"),
    path("gaps/<int:pk>/points", review_views.suggested_points, name="unanswered_question_points"),
    path("gaps/<int:pk>/settle", review_views.settle_question, name="unanswered_question_settle"),
    path("new-point", editing_views.new_point_form, name="point_new"),
    path("new-point/create", editing_views.create, name="point_create"),
    path("point-files/<int:pk>", editing_views.file, name="point_file"),
    path("point-files/<int:pk>/remove", editing_views.remove_file, name="point_file_remove"),
    path(f"{_one}/told", recipient_views.recipients, name="point_recipients"),
    path(f"{_one}/told/rows", recipient_views.rows, name="point_recipient_rows"),
    path(f"{_one}/told.csv", recipient_views.export, name="point_recipients_export"),
    path(f"{_one}/edit", editing_views.edit_form, name="point_edit"),
    path(f"{_one}/save", editing_views.save, name="point_save"),
    # server.body_limits allows request bodies as large as a file for addresses with this ending.
    path(f"{_one}/attachments", editing_views.attach, name="point_files"),
    path(f"{_one}/", views.point, name="point"),
    path(f"{_one}/differences", views.differences, name="point_differences"),
    path(f"{_version}/submit", views.submit, name="point_submit"),
    path(f"{_version}/approve", views.approve, name="point_approve"),
    path(f"{_version}/send-back", views.send_back, name="point_send_back"),
    path(f"{_version}/withdraw", views.withdraw, name="point_withdraw"),
    path(f"{_version}/discard", views.discard, name="point_discard"),
]
