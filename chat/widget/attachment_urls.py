"""Included by chat.widget.urls: files and transcript of the visitor."""

from django.urls import path

from chat.widget import attachment_views

urlpatterns = [
    path("chat/attachments", attachment_views.upload, name="attachments"),
    path("chat/attachments/<uuid:uuid>", attachment_views.attachment, name="attachment"),
    path("chat/transcript", attachment_views.transcript, name="transcript"),
]
