from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from chat import views

app_name = "chat"
urlpatterns: list[URLPattern | URLResolver] = [
    path("widget.js", views.loader, name="loader"),
    path("widget/<slug:key>/", views.box, name="box"),
    path("widget/<slug:key>/look.js", views.look, name="look"),
    path("", include("chat.attachment_urls")),
]
if settings.SAMPLE_BANK:
    urlpatterns.append(path("", views.sample, name="sample"))
