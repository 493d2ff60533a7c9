from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = _("Chat")

    def ready(self) -> None:
        from accounts.actions import rights_ended
        from accounts.approvals.registry import register
        from accounts.sessions import session_ended
        from chat.approvals import KINDS
        from chat.rights import end_consoles, end_consoles_of_session

        register(*KINDS)
        rights_ended.connect(end_consoles, dispatch_uid="chat.rights")
        session_ended.connect(end_consoles_of_session, dispatch_uid="chat.rights.session")
