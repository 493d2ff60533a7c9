from django.urls import URLPattern, URLResolver, include, path

app_name = "chat"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("chat.attachment_urls")),
]
