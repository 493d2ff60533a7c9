"""Passwords that an administrator sets for others."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.admin.helpers import AdminForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from accounts import actions
from accounts.models import Staff
from accounts.passwords import FirstPasswordForm


@sensitive_post_parameters()
def set_for(request: HttpRequest, staff: Staff, context: dict[str, Any]) -> HttpResponse:
    assert isinstance(request.user, Staff)
    if request.user.pk == staff.pk:
        return HttpResponseRedirect(reverse("password"))
    form = FirstPasswordForm(staff, request.POST or None)
    form.by = request.user
    if request.method == "POST" and form.is_valid():
        actions.set_password(by=request.user, staff=staff, password=form.cleaned_data["new_password1"])
        messages.success(
            request,
            _(
                "The new password is set. Consoles that were open under this account are closed, and the first"
                " sign-in asks for a password of their own."
            ),
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
