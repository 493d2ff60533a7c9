"""Routing of events: which sockets of this process get a frame about each event.

All code here runs on the event-loop thread.
"""

import logging
from collections.abc import Callable, Iterable, Set

from msgspec import UNSET

from chat import protocol
from chat.protocol import (
    AccessRevoked,
    ConversationChanged,
    Event,
    KnowledgeChanged,
    KnowledgeFrame,
    MessageFrame,
    MessagePosted,
    NoteAdded,
    PresenceChanged,
    PresenceFrame,
    Row,
    RowFrame,
    SeenChanged,
    StateFrame,
    TypingStarted,
    VisitorTokensVoided,
)
from chat.protocol.serializers import state_of
from chat.realtime.subscriptions import SentRow, StaffSocket, Subscriptions

logger = logging.getLogger(__name__)


class EventRouter(Subscriptions):
    """Pushes events to the subscribed sockets of this process."""

    def __init__(self) -> None:
        super().__init__()
        # Called with each event after it was pushed to the sockets. Notifications may be lost or repeated, so an event
        # may come twice or never.
        self.observers: list[Callable[[Event], None]] = []

    def route(self, events: Iterable[Event]) -> None:
        """Push events to the sockets of this process that should see them, and pass each event to the observers."""
        for event in events:
            try:
                self._route(event)
            except Exception:
                logger.exception("an event of kind %s was not delivered", type(event).__name__)
            for observer in self.observers:
                try:
                    observer(event)
                except Exception:
                    logger.exception("an observer failed at an event of kind %s", type(event).__name__)

    def _route(self, event: Event) -> None:
        match event:
            case MessagePosted():
                self._route_message(event)
            case ConversationChanged():
                self._route_change(event)
            case NoteAdded():
                self.sent_notes.add(event.note.id)
                self._to_staff(protocol.encode(event.note), event.pk, event.agent)
            case TypingStarted(pk=pk, frame=frame):
                text = protocol.encode(frame)
                if frame.role == "visitor":
                    self._to_staff(text, pk, None)
                else:
                    self._to_visitors(text, pk)
            case SeenChanged():
                self._route_read_marks(event)
            case PresenceChanged(frame=frame):
                self._to_all_staff(frame)
            case KnowledgeChanged(edition=edition):
                self._to_all_staff(KnowledgeFrame(edition))
            case VisitorTokensVoided(visitor=visitor, generation=generation):
                for widget in tuple(self.widgets.get(visitor, ())):
                    widget.tokens_voided(generation)
            case AccessRevoked(staff=staff, session=session):
                for socket in tuple(self._by_staff_id.get(staff, ()) if staff else self.staff):
                    if session in ("", socket.session_key):
                        socket.end("access_revoked")

    def _route_message(self, event: MessagePosted) -> None:
        pk, row = event.pk, event.row
        self.touched.add(pk)
        # Record the seq only if it follows the last one. The sweep and the screens themselves fetch missing messages.
        if self.heads.get(pk, -1) == event.message.seq - 1:
            self.heads[pk] = event.message.seq
        if pk in self.visitors:
            self._to_visitors(protocol.encode(MessageFrame(row.id, event.message)), pk)
        is_next = self._is_next(pk, row)
        watchers = self.watchers.get(pk, set()).copy()
        if watchers:
            text = protocol.encode(MessageFrame(row.id, event.message, row if is_next else UNSET))
            for socket in watchers:
                socket.push(text)
        if is_next:
            self._send_row(pk, row, without=watchers)

    def _route_read_marks(self, event: SeenChanged) -> None:
        pk, row = event.pk, event.row
        self.touched.add(pk)
        self._to_visitors(protocol.encode(event.frame), pk)
        if self._is_next(pk, row):
            # Supervisors' lists do not show how far the visitor has read, so do not send them a visitor's read mark.
            has_no_use = self._overseers - self.watchers.get(pk, set())
            self._send_row(pk, row, without=has_no_use if event.frame.role == "visitor" else frozenset())

    def _route_change(self, event: ConversationChanged) -> None:
        pk, row = event.pk, event.row
        sent = self.sent_rows.get(pk)
        if sent is not None and row.revision < sent.revision:
            return
        if pk in self.visitors:
            if row.visitor_away_since is not None:
                # Another process has seen the visitor leave, or takes this process for dead. The sweep corrects it.
                self.arrived.add(pk)
            for socket in tuple(self.visitors[pk]):
                socket.state_changed(row)
            self._to_visitors(protocol.encode(StateFrame(state_of(row))), pk)
        self._send_row(
            pk, row, was=SentRow(row.revision, event.was_status, event.was_agent, event.was_department)
        )
        for watcher in self.outsiders(pk, row):
            watcher.moved_away(pk, row)

    def _is_next(self, pk: int, row: Row) -> bool:
        """Whether consoles may get the row that comes with a message or a read mark.

        The answer is no if the row was already sent, or if it contains an earlier change whose own event has not
        arrived: only that event says which lists held the conversation before. If it is lost, the sweep sends the row.
        """
        sent = self.sent_rows.get(pk)
        return sent is None or SentRow.of(row) == sent._replace(revision=sent.revision + 1)

    def _send_row(
        self,
        pk: int,
        row: Row,
        *,
        without: Set[StaffSocket] = frozenset(),
        was: SentRow | None = None,
    ) -> None:
        """Push a row to the consoles that list the conversation, listed it before, or watch it, and record it as sent.

        `was` is the conversation before the change. Consoles in `without` get nothing.
        """
        before, sent = self.sent_rows.get(pk), SentRow.of(row)
        watchers = self.watchers.get(pk, set())
        listed = self._consoles_listing(sent)
        recipients = listed | watchers
        if was is not None:
            recipients |= self._consoles_listing(was)
            if before is not None:
                recipients |= self._consoles_listing(before)
        recipients.difference_update(without)
        texts: dict[bool, bytes] = {}
        for socket in recipients:
            is_listed = socket in listed
            if is_listed not in texts:
                texts[is_listed] = protocol.encode(RowFrame(row, is_listed))
            socket.push(texts[is_listed])
        if listed or before is not None or pk in self.visitors or watchers:
            self.sent_rows[pk] = sent
            self.touched.add(pk)

    def _to_all_staff(self, frame: PresenceFrame | KnowledgeFrame) -> None:
        text = protocol.encode(frame)
        for socket in tuple(self.staff):
            socket.push(text)

    def _to_visitors(self, text: bytes, pk: int) -> None:
        for socket in tuple(self.visitors.get(pk, ())):
            socket.push(text)

    def _to_staff(self, text: bytes, pk: int, agent: int | None) -> None:
        own = self._by_staff_id.get(agent, set()) if agent is not None else set()
        for socket in self.watchers.get(pk, set()) | own:
            socket.push(text)
