from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("Staff")

    def ready(self) -> None:
        from accounts import session_trail
        from accounts.approvals.registry import register
        from accounts.departments import DEPARTMENTS

        session_trail.connect()
        register(DEPARTMENTS)
