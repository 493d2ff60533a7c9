from django.urls import URLPattern, path

app_name = "console"
urlpatterns: list[URLPattern] = []
