"""Passwords in admin: one's own, and those that an administrator sets for others."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.admin.helpers import AdminForm
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from accounts import actions
from accounts.models import Staff


@sensitive_post_parameters()
def change_own(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    staff = request.user
    assert isinstance(staff, Staff)
    form = PasswordChangeForm(staff, request.POST or None)
    if request.method == "POST" and form.is_valid():
        _set(request, staff, form.cleaned_data["new_password1"])
        return HttpResponseRedirect(reverse("admin:password_change_done"))
    return TemplateResponse(
        request,
        "registration/password_change_form.html",
        {**context, "form": form, "title": _("Change password")},
    )


@sensitive_post_parameters()
def set_for(request: HttpRequest, staff: Staff, context: dict[str, Any]) -> HttpResponse:
    form = SetPasswordForm(staff, request.POST or None)
    if request.method == "POST" and form.is_valid():
        _set(request, staff, form.cleaned_data["new_password1"])
        messages.success(
            request, _("The new password is set. Consoles that were open under this account are closed.")
        )
        return HttpResponseRedirect(reverse("admin:accounts_staff_change", args=[staff.pk]))
    title = _("New password for %(name)s") % {"name": staff}
    more = {
        "adminForm": AdminForm(cast(Any, form), [(None, {"fields": list(form.fields)})], {}),
        "form": form,
        "title": title,
    }
    return TemplateResponse(
        request, "admin/accounts/staff/set_password.html", {**context, **more, "original": staff}
    )


def _set(request: HttpRequest, staff: Staff, password: str) -> None:
    assert isinstance(request.user, Staff)
    own = request.session.session_key if request.user.pk == staff.pk else None
    actions.set_password(by=request.user, staff=staff, password=password, keep_session=own or "")
    if own:
        update_session_auth_hash(request, staff)
