"""URLs of the visitor's files and transcript, included by chat.widget.urls."""

from django.urls import path

from chat.widget import attachment_views

urlpatterns = [
    path("chat/attachments", attachment_views.upload, name="attachments"),
    path("chat/attachments/<uuid:uuid>", attachment_views.attachment, name="attachment"),
    path("chat/transcript", attachment_views.transcript, name="transcript"),
]
