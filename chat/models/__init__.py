from chat.models.conversation import (
    CURRENT_FIRST,
    OPEN,
    RESUMABLE,
    Assignment,
    Conversation,
    Emergency,
    Rating,
    Status,
)
from chat.models.emergency_rule import EmergencyRule
from chat.models.message import Attachment, AuthorRole, Message, MessageKind, Note
from chat.models.site import BusinessText, FormField, QuickTopic, Site, TextCode
from chat.models.texts import CannedReply, WrapUpCode
from chat.models.visitor import IdentityUse, Level, Visitor, verified_since

__all__ = [
    "CURRENT_FIRST",
    "OPEN",
    "RESUMABLE",
    "Assignment",
    "Attachment",
    "AuthorRole",
    "BusinessText",
    "CannedReply",
    "Conversation",
    "Emergency",
    "EmergencyRule",
    "FormField",
    "IdentityUse",
    "Level",
    "Message",
    "MessageKind",
    "Note",
    "QuickTopic",
    "Rating",
    "Site",
    "Status",
    "TextCode",
    "Visitor",
    "WrapUpCode",
    "verified_since",
]
