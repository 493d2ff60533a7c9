"""The URLs of the inbox: conversations, messages, files and suggestions. console.urls includes them."""

from django.urls import path

from console.inbox import (
    assignment_views,
    attachment_views,
    emergency_views,
    explanation_views,
    message_views,
    offer_views,
    presence_views,
    suggestion_views,
    thread_views,
    views,
)

_one = "conversations/<uuid:uuid>"

urlpatterns = [
    path("", views.inbox, name="inbox"),
    path("today", views.today, name="today"),
    path("agent-settings", views.agent_settings, name="agent_settings"),
    path("presence", presence_views.presence, name="presence"),
    path("next", assignment_views.take_next, name="take_next"),
    path(f"{_one}/", views.conversation, name="conversation"),
    path(f"{_one}/thread", thread_views.thread, name="thread"),
    path(f"{_one}/card", thread_views.card, name="card"),
    path(f"{_one}/messages", message_views.post_message, name="post_message"),
    path(f"{_one}/attachments", attachment_views.upload, name="attachments"),
    path(f"{_one}/transcript", attachment_views.transcript, name="transcript"),
    path(f"{_one}/take", assignment_views.take, name="take"),
    path(f"{_one}/offer", offer_views.offer, name="offer"),
    path(f"{_one}/accept", offer_views.accept, name="accept"),
    path(f"{_one}/decline", offer_views.decline, name="decline"),
    path(f"{_one}/emergency/raise", emergency_views.raise_emergency, name="raise_emergency"),
    path(f"{_one}/emergency/confirm", emergency_views.confirm_emergency, name="confirm_emergency"),
    path(f"{_one}/emergency/lower", emergency_views.lower_emergency, name="lower_emergency"),
    path(f"{_one}/explanation", explanation_views.explanation, name="explanation"),
    path(f"{_one}/reassignment", explanation_views.reassignment, name="reassignment"),
    path(f"{_one}/end", assignment_views.end, name="end"),
    path(f"{_one}/forms/transfer", assignment_views.transfer_form, name="transfer_form"),
    path(f"{_one}/transfer", assignment_views.transfer, name="transfer"),
    path(f"{_one}/forms/close", assignment_views.close_form, name="close_form"),
    path(f"{_one}/close", assignment_views.close, name="close"),
    path(f"{_one}/forms/note", assignment_views.note_form, name="note_form"),
    path(f"{_one}/notes", assignment_views.note, name="note"),
    path("attachments/<uuid:uuid>", attachment_views.attachment, name="attachment"),
    path("points/likely", suggestion_views.suggested, name="suggestions"),
    path("points/find", suggestion_views.found_points, name="suggestion_search"),
    path("points/judge", suggestion_views.judge, name="point_judge"),
]
