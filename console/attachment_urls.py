"""Included by console.urls: files and transcripts for staff."""

from django.urls import path

from console import attachment_views

urlpatterns = [
    path("conversations/<uuid:uuid>/attachments", attachment_views.upload, name="attachments"),
    path("attachments/<uuid:uuid>", attachment_views.attachment, name="attachment"),
    path("conversations/<uuid:uuid>/transcript", attachment_views.transcript, name="transcript"),
]
