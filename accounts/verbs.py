"""What the audit trail's verbs mean, in words."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

VERBS: dict[str, str | Promise] = {
    "conversation.assigned": _("conversation assigned"),
    "conversation.closed": _("conversation closed"),
    "conversation.transferred": _("conversation transferred"),
    "department.changed": _("department changed"),
    "department.created": _("department created"),
    "presence.changed": _("presence changed"),
    "records.exported": _("records exported"),
    "reply.changed": _("canned reply changed"),
    "reply.created": _("canned reply created"),
    "reply.deleted": _("canned reply deleted"),
    "setup.changed": _("set-up changed"),
    "setup.created": _("set-up added to"),
    "setup.removed": _("set-up removed from"),
    "site.secret_renewed": _("identity secret renewed"),
    "staff.changed": _("staff member changed"),
    "staff.created": _("staff member created"),
    "staff.password_set": _("password set"),
    "transcript.downloaded": _("transcript downloaded"),
    "transcript.read": _("transcript read"),
}
