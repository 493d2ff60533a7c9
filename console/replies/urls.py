"""The URLs of canned replies. console.urls includes them."""

from django.urls import path

from console.replies import views

urlpatterns = [
    path("replies.json", views.usable, name="replies"),
    path("replies/", views.replies_page, name="replies_page"),
    path("replies/new", views.new_form, name="reply_new"),
    path("replies/create", views.create, name="reply_create"),
    path("replies/<int:pk>/", views.edit_form, name="reply_edit"),
    path("replies/<int:pk>/change", views.change, name="reply_change"),
    path("replies/<int:pk>/delete", views.delete, name="reply_delete"),
]
