"""The admin site: requires the capability "use_admin", and sends people to the sign-in page at LOGIN_URL."""

from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.access import may
from accounts.form_keys import handle_once
from accounts.form_recovery import SIGNED_OUT, recovery_page
from accounts.models import Staff


class BankAdminSite(AdminSite):
    site_header = _("Lianxin: settings and records")
    site_title = _("Lianxin")
    index_title = _("Settings and records")
    site_url = None
    empty_value_display = "–"

    def has_permission(self, request: HttpRequest) -> bool:
        return isinstance(request.user, Staff) and may(request.user, "use_admin")

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        guarded = super().admin_view(handle_once(view), cacheable)

        @wraps(guarded)
        def with_recovery(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            """Run the admin view; if the session has ended, return a page with the posted form instead.

            Without this check, Django would redirect to the sign-in page and the typed text would be lost.
            """
            if request.method == "POST" and not request.user.is_authenticated:
                return recovery_page(request, SIGNED_OUT, status=401)
            return guarded(request, *args, **kwargs)

        return with_recovery

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Redirect to LOGIN_URL, the only sign-in page. Admin has none of its own, because LOGIN_URL limits password
        attempts.

        Signed-in staff are redirected to the admin index, or to the page for a new password if they must choose one
        first. Raises PermissionDenied for staff who are not allowed to use admin.
        """
        if request.user.is_authenticated:
            if request.user.must_change_password:
                return HttpResponseRedirect(reverse("password"))
            if not self.has_permission(request):
                raise PermissionDenied
            return HttpResponseRedirect(reverse("admin:index"))
        next_url = request.GET.get("next") or reverse("admin:index")
        return redirect_to_login(next_url, settings.LOGIN_URL)

    def logout(self, request: HttpRequest, extra_context: Any = None) -> Any:
        super().logout(request, extra_context)
        return HttpResponseRedirect(reverse(settings.LOGIN_URL))

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Redirect to the page where every staff member changes their own password."""
        return HttpResponseRedirect(reverse("password"))
