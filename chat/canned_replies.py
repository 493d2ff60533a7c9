"""Functions for canned replies: placeholders, pinyin spellings for search, and rights to use or edit replies."""

import re
from collections.abc import Mapping

from django.db.models import Q, QuerySet

from accounts.access import may
from accounts.models import Staff
from chat.models import CannedReply, Conversation
from core.text.bidi import remove_marks
from core.text.pinyin import spellings_of

# A placeholder like `{name}`, in ASCII braces or in the full-width braces that a Chinese keyboard types.
_PLACEHOLDER = re.compile(r"[{｛]\s*([a-z_]{2,30})\s*[}｝]")
# Limits for `initials_of`: the number of spellings of each kind, and the total number of characters.
MAX_SPELLINGS, MAX_INITIALS_LENGTH = 12, 600
PLACEHOLDERS = ("visitor_name", "agent_name", "agent_number", "bank_name", "hotline")


def values_for(conversation: Conversation, staff: Staff) -> dict[str, str]:
    """Return the value of each placeholder in a conversation. A value is "" if unknown, such as the name of an
    anonymous visitor."""
    language = conversation.language
    return {
        "visitor_name": remove_marks(conversation.visitor.name),
        "agent_name": staff.name_in(language),
        "agent_number": staff.number,
        "bank_name": conversation.site.in_language("name", language),
        "hotline": conversation.site.hotline,
    }


def fill_placeholders(text: str, values: Mapping[str, str]) -> str:
    """Replace every placeholder whose value is not empty. Other placeholders stay in the text."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1]) or match[0], text)


def unfilled_placeholders(text: str) -> list[str]:
    """Return the known placeholders that the text still contains."""
    return [name for name in _PLACEHOLDER.findall(text) if name in PLACEHOLDERS]


def initials_of(title: str) -> str:
    """Return the pinyin spellings by which search finds a title, separated by spaces.

    There are spellings by the initials of the syllables and by full syllables. If characters have several readings,
    there are up to MAX_SPELLINGS spellings of each kind. Letters and digits are kept.
    """
    initials = ""
    for spelling in spellings_of(title, MAX_SPELLINGS):
        if len(initials) + len(spelling) < MAX_INITIALS_LENGTH:
            initials += f" {spelling}" if initials else spelling
    return initials


def usable_by(staff: Staff) -> QuerySet[CannedReply]:
    """Return the active canned replies that this staff member may send. One query.

    They are replies for everyone, replies of the person's departments, and the person's own replies. Supervisors may
    send the replies of all departments.
    """
    shared = Q(owner=None)
    if not may(staff, "see_all_conversations"):
        shared &= Q(department=None) | Q(department__in=staff.departments.values("pk"))
    return CannedReply.objects.filter(Q(owner=staff) | shared, is_active=True).order_by("shortcut", "id")


def editable_by(staff: Staff) -> QuerySet[CannedReply]:
    """Return the canned replies that this staff member may change.

    They are the person's own replies and, with the capability "edit_shared_replies", all shared replies.
    """
    editable = Q(owner=staff)
    if may(staff, "edit_shared_replies"):
        editable |= Q(owner=None)
    return CannedReply.objects.filter(editable).select_related("department").order_by("shortcut", "id")
