"""Canned replies: how they are found, and the placeholders in their words."""

import re
from collections.abc import Mapping

from django.db.models import Q, QuerySet

from accounts.access import may
from accounts.models import Staff
from chat.models import CannedReply, Conversation
from core.text.bidi import remove_marks
from core.text.pinyin import spellings_of

# `{name}`, in ASCII braces or the full-width ones that a Chinese keyboard writes.
_PLACEHOLDER = re.compile(r"[{｛]\s*([a-z_]{2,30})\s*[}｝]")
# Spellings by first letters, and as many by whole syllables; and the characters they may take together.
MAX_SPELLINGS, MAX_INITIALS_LENGTH = 12, 600
PLACEHOLDERS = ("visitor_name", "agent_name", "agent_number", "bank_name", "hotline")


def values_for(conversation: Conversation, staff: Staff) -> dict[str, str]:
    """What each placeholder stands for here; empty where nothing is known (a visitor without a name)."""
    language = conversation.language
    return {
        "visitor_name": remove_marks(conversation.visitor.name),
        "agent_name": staff.name_in(language),
        "agent_number": staff.number,
        "bank_name": conversation.site.in_language("name", language),
        "hotline": conversation.site.hotline,
    }


def fill_placeholders(text: str, values: Mapping[str, str]) -> str:
    """The text with every placeholder filled that has a value; the others stay as they are."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1]) or match[0], text)


def unfilled_placeholders(text: str) -> list[str]:
    """The known placeholders that still stand in the text."""
    return [name for name in _PLACEHOLDER.findall(text) if name in PLACEHOLDERS]


def initials_of(title: str) -> str:
    """What a title is found by, with blanks between: the first letters of its pinyin, and the pinyin itself, each with
    the readings of characters that have several. Other letters stay as they are."""
    found = ""
    for spelling in spellings_of(title, MAX_SPELLINGS):
        if len(found) + len(spelling) < MAX_INITIALS_LENGTH:
            found += f" {spelling}" if found else spelling
    return found


def usable_by(staff: Staff) -> QuerySet[CannedReply]:
    """The replies this agent may send: everybody's, their departments' and their own. One query."""
    of_departments = Q(owner=None)
    if not may(staff, "see_all_conversations"):
        of_departments &= Q(department=None) | Q(department__in=staff.departments.values("pk"))
    return CannedReply.objects.filter(Q(owner=staff) | of_departments, is_active=True).order_by(
        "shortcut", "id"
    )


def editable_by(staff: Staff) -> QuerySet[CannedReply]:
    """The replies this member of staff may change: their own, and with the right to it those of all."""
    editable = Q(owner=staff)
    if may(staff, "edit_shared_replies"):
        editable |= Q(owner=None)
    return CannedReply.objects.filter(editable).select_related("department").order_by("shortcut", "id")
