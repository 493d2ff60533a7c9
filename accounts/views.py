"""Signing in, and choosing a password of one's own."""

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
    """allauth's, which says with status 429 and Retry-After when to try again."""

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
    """One's own password, for every role. Also where a first sign-in leads. Other sessions and consoles end."""
    staff = request.user
    if not isinstance(staff, Staff):
        return redirect_to_login(request.get_full_path())
    form = OwnPasswordForm(staff, request.POST or None)
    if request.method == "POST" and form.is_valid():
        set_own_password(request, staff, form.cleaned_data["new_password1"])
        messages.success(request, _("Your new password is set. Other devices are signed out."))
        return HttpResponseRedirect(resolve_url(settings.LOGIN_REDIRECT_URL))
    context = {"form": form, "is_due": staff.must_change_password}
    return render(request, "account/password.html", context, status=422 if form.errors else 200)


def set_own_password(request: HttpRequest, staff: Staff, password: str) -> None:
    """Stores it, ends every other session and gives this one a new key."""
    actions.set_password(
        by=staff, staff=staff, password=password, keep_session=request.session.session_key or ""
    )
    update_session_auth_hash(request, staff)
