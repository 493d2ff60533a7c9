"""Included by console.urls: the knowledge points and their upkeep."""

from django.urls import path

from console.views import knowledge, knowledge_editing, knowledge_lists, knowledge_told, knowledge_use

_one = "points/<slug:key>"
_version = f"{_one}/versions/<int:number>"

urlpatterns = [
    path("points/", knowledge_lists.points, name="points"),
    # Not below points/: there every name is a point's.
    path("found-points", knowledge_lists.found, name="points_found"),
    path("phrasings/", knowledge_use.phrasings, name="phrasings"),
    path("phrasings/<int:pk>/judge", knowledge_use.judge, name="phrasing_judge"),
    path("gaps/", knowledge_use.gaps, name="gaps"),
    path("gaps/<int:pk>/points", knowledge_use.gap_points, name="gap_points"),
    path("gaps/<int:pk>/settle", knowledge_use.settle_gap, name="gap_settle"),
    path("new-point", knowledge_editing.new_form, name="point_new"),
    path("new-point/create", knowledge_editing.create, name="point_create"),
    path("point-files/<int:pk>", knowledge_editing.file, name="point_file"),
    path("point-files/<int:pk>/remove", knowledge_editing.remove_file, name="point_file_remove"),
    path(f"{_one}/told", knowledge_told.told, name="point_told"),
    path(f"{_one}/told/rows", knowledge_told.rows, name="point_told_rows"),
    path(f"{_one}/told.csv", knowledge_told.export, name="point_told_export"),
    path(f"{_one}/edit", knowledge_editing.edit_form, name="point_edit"),
    path(f"{_one}/save", knowledge_editing.save, name="point_save"),
    # The ending lets a body of a file's size in (config.bodies).
    path(f"{_one}/attachments", knowledge_editing.attach, name="point_files"),
    path(f"{_one}/", knowledge.point, name="point"),
    path(f"{_one}/differences", knowledge.differences, name="point_differences"),
    path(f"{_version}/submit", knowledge.submit, name="point_submit"),
    path(f"{_version}/approve", knowledge.approve, name="point_approve"),
    path(f"{_version}/send-back", knowledge.send_back, name="point_send_back"),
    path(f"{_version}/withdraw", knowledge.withdraw, name="point_withdraw"),
    path(f"{_version}/discard", knowledge.discard, name="point_discard"),
]
