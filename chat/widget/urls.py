from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from chat.widget import views

app_name = "chat"
urlpatterns: list[URLPattern | URLResolver] = [
    path("widget.js", views.loader_script, name="loader"),
    path("widget/<slug:key>/", views.widget_page, name="widget"),
    path("widget/<slug:key>/look.js", views.site_script, name="site_script"),
    path("", include("chat.widget.attachment_urls")),
]
if settings.SAMPLE_BANK:
    urlpatterns.append(path("", views.sample_page, name="sample"))
