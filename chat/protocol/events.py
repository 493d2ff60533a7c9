"""Events between server processes: what happened, and what is needed to route it."""

from msgspec import Struct

from chat.protocol.console import NoteFrame, PresenceFrame
from chat.protocol.parts import MessageData, Row
from chat.protocol.server import SeenFrame, TypingFrame


class MessagePosted(Struct, tag_field="event", tag="message_posted"):
    pk: int
    message: MessageData
    row: Row


class ConversationChanged(Struct, tag_field="event", tag="conversation_changed"):
    """With what it was before, so that those who lose it from their lists hear of it."""

    pk: int
    row: Row
    was_status: str
    was_agent: int | None
    was_department: int


class NoteAdded(Struct, tag_field="event", tag="note_added"):
    pk: int
    note: NoteFrame
    agent: int | None


class TypingStarted(Struct, tag_field="event", tag="typing_started"):
    pk: int
    frame: TypingFrame


class SeenChanged(Struct, tag_field="event", tag="seen_changed"):
    pk: int
    frame: SeenFrame
    row: Row


class PresenceChanged(Struct, tag_field="event", tag="presence_changed"):
    frame: PresenceFrame


class AccessRevoked(Struct, tag_field="event", tag="access_revoked"):
    """A member of staff lost their rights, in all sessions or in this one; or, without `staff`, a session has ended."""

    staff: int = 0
    session: str = ""


class VisitorTokensVoided(Struct, tag_field="event", tag="visitor_tokens_voided"):
    """A visitor signed in or logged out: sockets that were opened with a token below `generation` end."""

    visitor: int
    generation: int


class KnowledgeChanged(Struct, tag_field="event", tag="knowledge_changed"):
    """The library has a new edition: consoles look again at what they offer."""

    edition: int


Event = (
    MessagePosted
    | ConversationChanged
    | NoteAdded
    | TypingStarted
    | SeenChanged
    | PresenceChanged
    | AccessRevoked
    | VisitorTokensVoided
    | KnowledgeChanged
)
