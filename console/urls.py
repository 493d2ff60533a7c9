from django.urls import URLPattern, URLResolver, include, path

from console.views import drill, inbox, messages, moves, points, presence, replies, search, threads

app_name = "console"

_one = "conversations/<uuid:uuid>"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", inbox.inbox, name="inbox"),
    path("today", inbox.today, name="today"),
    path("presence", presence.presence, name="presence"),
    path("search", search.search, name="search"),
    path("search/results", search.results, name="search_results"),
    path("next", moves.take_next, name="take_next"),
    path(f"{_one}/", inbox.conversation, name="conversation"),
    path(f"{_one}/thread", threads.thread, name="thread"),
    path(f"{_one}/card", threads.card, name="card"),
    path(f"{_one}/messages", messages.post_message, name="post_message"),
    path(f"{_one}/take", moves.take, name="take"),
    path(f"{_one}/end", moves.end, name="end"),
    path(f"{_one}/forms/transfer", moves.transfer_form, name="transfer_form"),
    path(f"{_one}/transfer", moves.transfer, name="transfer"),
    path(f"{_one}/forms/close", moves.close_form, name="close_form"),
    path(f"{_one}/close", moves.close, name="close"),
    path(f"{_one}/forms/note", moves.note_form, name="note_form"),
    path(f"{_one}/notes", moves.note, name="note"),
    path("replies.json", replies.usable, name="replies"),
    path("replies/", replies.replies_page, name="replies_page"),
    path("replies/new", replies.new_form, name="reply_new"),
    path("replies/create", replies.create, name="reply_create"),
    path("replies/<int:pk>/", replies.edit_form, name="reply_edit"),
    path("replies/<int:pk>/change", replies.change, name="reply_change"),
    path("replies/<int:pk>/delete", replies.delete, name="reply_delete"),
    path("exams/", include("console.exam_urls")),
    path("drill/next", drill.drill, name="drill"),
    path("drill/answer", drill.drill_answer, name="drill_answer"),
    path("points/likely", points.likely, name="points_likely"),
    path("points/find", points.looked_for, name="points_looked_for"),
    path("points/judge", points.judge, name="point_judge"),
    path("", include("console.attachment_urls")),
    path("", include("console.approval_urls")),
    path("", include("console.knowledge_urls")),
]
