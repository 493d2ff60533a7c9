"""The URLs of the search in conversations. console.urls includes them."""

from django.urls import path

from console.search import views

urlpatterns = [
    path("search", views.search, name="search"),
    path("search/results", views.results, name="search_results"),
]
