from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = _("Chat")

    def ready(self) -> None:
        from accounts.actions import rights_ended
        from accounts.approvals.registry import register
        from chat.approvals import KINDS
        from chat.rights import end_consoles

        register(*KINDS)
        rights_ended.connect(end_consoles, dispatch_uid="chat.rights")
