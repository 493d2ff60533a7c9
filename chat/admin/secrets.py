"""The admin page that creates a new identity secret for a site. The secret is shown only once, right after creation."""

from typing import Any

from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables

from accounts.models import Staff
from accounts.passwords import ConfirmedForm
from chat.actions.setup import renew_secret
from chat.models import Site


@never_cache
@sensitive_variables("secret")
def renew_secret_view(request: HttpRequest, site: Site, context: dict[str, Any]) -> TemplateResponse:
    """Show the form that asks for the administrator's own password, or process it: create the secret and show it.

    The secret appears only in the response to this POST.
    """
    assert isinstance(request.user, Staff)
    form = ConfirmedForm(request.POST or None)
    form.by = request.user
    secret = ""
    if request.method == "POST" and form.is_valid():
        renew_secret(by=request.user, site=site)
        secret = site.identity_secret
    return TemplateResponse(
        request,
        "admin/chat/site/secret.html",
        {**context, "title": _("New identity secret"), "original": site, "form": form, "secret": secret},
    )
