from django.urls import URLPattern, path

app_name = "chat"
urlpatterns: list[URLPattern] = []
