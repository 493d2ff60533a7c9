"""The admin page on which an administrator sets another person's password."""

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
    """Show or process the form with which an administrator sets the password of another person, `staff`."""
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
                "Password changed. All open consoles of this account are closed. At the next sign-in, the staff"
                " member must choose a new password."
            ),
        )
        return HttpResponseRedirect(reverse("admin:accounts_staff_change", args=[staff.pk]))
    title = _("New password for %(name)s") % {"name": staff}
    form_context = {
        "adminForm": AdminForm(cast(Any, form), [(None, {"fields": list(form.fields)})], {}),
        "form": form,
        "title": title,
    }
    return TemplateResponse(
        request, "admin/accounts/staff/set_password.html", {**context, **form_context, "original": staff}
    )
