from django.urls import URLPattern, URLResolver, include, path

app_name = "console"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("console.inbox.urls")),
    path("", include("console.board.urls")),
    path("", include("console.search.urls")),
    path("", include("console.replies.urls")),
    path("", include("console.exams.urls")),
    path("", include("console.approvals.urls")),
    path("", include("console.knowledge.urls")),
]
