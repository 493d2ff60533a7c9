"""The root URL configuration."""

from allauth.account.views import LogoutView
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.i18n import set_language

from accounts.views import SignInView, change_password
from console import session_views

handler400 = "server.malformed_values.bad_request"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("chat.widget.urls")),
    path("", include("knowledge.urls")),
    path("console/login/", SignInView.as_view(), name="login"),
    # Gives the sign-in page a second URL name, which allauth uses.
    path("console/login/", SignInView.as_view(), name="account_login"),
    path("console/password/", change_password, name="password"),
    path("console/logout/", LogoutView.as_view(), name="account_logout"),
    path("console/token", session_views.token, name="form_token"),
    path("console/clock", session_views.clock, name="clock"),
    path("console/language/", set_language, name="set_language"),
    path("console/", include("console.urls")),
    path("admin/", admin.site.urls),
]
