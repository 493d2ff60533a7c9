"""The widget's requests for suggested answers. The URLs of the widget itself are in `chat.widget.urls`."""

from django.urls import URLPattern, URLResolver, path

from knowledge import views

app_name = "knowledge"
urlpatterns: list[URLPattern | URLResolver] = [
    path("widget/<slug:key>/answers", views.answers, name="answers"),
    path("widget/<slug:key>/answers/judge", views.feedback, name="judge_answer"),
]
