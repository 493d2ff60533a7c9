"""Events between server processes. Each has the data that a process needs to send it to the right sockets."""

from msgspec import Struct

from chat.protocol.console import NoteFrame, PresenceFrame
from chat.protocol.parts import MessageData, Row
from chat.protocol.server import SeenFrame, TypingFrame


class MessagePosted(Struct, tag_field="event", tag="message_posted"):
    pk: int
    message: MessageData
    row: Row


class ConversationChanged(Struct, tag_field="event", tag="conversation_changed"):
    """A conversation has changed.

    The `was_...` fields have its former values. They tell a process which consoles must remove the conversation from
    their lists.
    """

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
    """Open consoles must close: all consoles of a staff member who lost rights, or the consoles of a session that has
    ended."""

    staff: int = 0
    session: str = ""


class VisitorTokensVoided(Struct, tag_field="event", tag="visitor_tokens_voided"):
    """A visitor has signed in or logged out. Sockets that were opened with a token of a lower generation must close."""

    visitor: int
    generation: int


class KnowledgeChanged(Struct, tag_field="event", tag="knowledge_changed"):
    """Published knowledge points have changed, so consoles must load their suggestions again. `edition` counts such
    changes."""

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
