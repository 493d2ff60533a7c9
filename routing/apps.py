"""The configuration of the app for routing."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RoutingConfig(AppConfig):
    name = "routing"
    verbose_name = _("Routing")

    def ready(self) -> None:
        from chat.actions.abandonment import register_rejoin_minutes
        from routing.actions.absent_visitors import rejoin_minutes

        register_rejoin_minutes(rejoin_minutes)
