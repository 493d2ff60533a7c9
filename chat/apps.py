from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = _("Chat")

    def ready(self) -> None:
        from accounts.actions import rights_ended
        from accounts.approvals.registry import register
        from accounts.session_queries import session_ended
        from chat.actions.abandonment import close_abandoned
        from chat.actions.identities import lapse_identities
        from chat.approvals import KINDS
        from chat.realtime.session_revocation import end_consoles, end_consoles_of_session
        from core import periodic

        register(*KINDS)
        periodic.register(lapse_identities, close_abandoned)
        rights_ended.connect(end_consoles, dispatch_uid="chat.realtime.session_revocation")
        session_ended.connect(
            end_consoles_of_session, dispatch_uid="chat.realtime.session_revocation.session"
        )
