"""The configuration of the app for staff accounts."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("Staff")

    def ready(self) -> None:
        from accounts import sign_in_audit
        from accounts.approvals.actions import expire_overdue
        from accounts.approvals.registry import register
        from accounts.departments import DEPARTMENT_KIND
        from core import periodic

        sign_in_audit.connect()
        register(DEPARTMENT_KIND)
        periodic.register(expire_overdue)
