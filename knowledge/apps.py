from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class KnowledgeConfig(AppConfig):
    name = "knowledge"
    verbose_name = _("Knowledge")

    def ready(self) -> None:
        from accounts.approvals.registry import register
        from core import periodic
        from knowledge.actions.points import keep_validity
        from knowledge.approvals import KINDS

        register(*KINDS)
        periodic.register(keep_validity)
