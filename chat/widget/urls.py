from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from chat.widget import views

app_name = "chat"
urlpatterns: list[URLPattern | URLResolver] = [
    path("widget.js", views.loader, name="loader"),
    path("widget/<slug:key>/", views.box, name="box"),
    path("widget/<slug:key>/look.js", views.look, name="look"),
    path("", include("chat.widget.attachment_urls")),
]
if settings.SAMPLE_BANK:
    urlpatterns.append(path("", views.sample, name="sample"))
