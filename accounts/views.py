"""The pages for signing in and for changing one's own password."""

from typing import Any

from allauth.account.views import LoginView
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts import actions
from accounts.models import Staff
from accounts.passwords import OwnPasswordForm
from accounts.sign_in import TOO_MANY


class SignInView(LoginView):
    """allauth's sign-in page, which answers with status 429 and a Retry-After header after too many attempts."""

    def form_invalid(self, form: Any) -> Any:
        response = super().form_invalid(form)
        for error in form.non_field_errors().as_data():
            if error.code == TOO_MANY:
                response.status_code = 429
                response["Retry-After"] = str(error.params["seconds"])
        return response


@never_cache
@sensitive_post_parameters()
def change_password(request: HttpRequest) -> HttpResponse:
    """Show or process the form with which staff of any role change their own password.

    Staff whose password was set by somebody else are sent here when they sign in. A change ends the person's other
    sessions and closes their open consoles.
    """
    staff = request.user
    if not isinstance(staff, Staff):
        return redirect_to_login(request.get_full_path())
    form = OwnPasswordForm(staff, request.POST or None)
    if request.method == "POST" and form.is_valid():
        set_own_password(request, staff, form.cleaned_data["new_password1"])
        messages.success(request, _("Password changed. Your other devices are signed out."))
        return HttpResponseRedirect(resolve_url(settings.LOGIN_REDIRECT_URL))
    context = {"form": form, "is_due": staff.must_change_password}
    return render(request, "account/password.html", context, status=422 if form.errors else 200)


def set_own_password(request: HttpRequest, staff: Staff, password: str) -> None:
    """Store a staff member's new password, end their other sessions, and give the current session a new key."""
    actions.set_password(
        by=staff, staff=staff, password=password, keep_session=request.session.session_key or ""
    )
    update_session_auth_hash(request, staff)
