from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ExamsConfig(AppConfig):
    name = "exams"
    verbose_name = _("Exams")

    def ready(self) -> None:
        from core import periodic
        from exams.actions.exams import settle_overdue
        from exams.actions.pass_requirements import update_all_restrictions

        periodic.register(settle_overdue, update_all_restrictions)
