"""The visitor's socket: decodes frames, calls actions and selectors, and answers."""

import logging
from random import randint
from uuid import UUID

from django.utils import translation
from msgspec.structs import replace

from chat import limits, protocol
from chat.actions import identities, visitors
from chat.actions.posts import ReadMark
from chat.errors import BadRequest, NotFound, TooFast, Unavailable
from chat.languages import language_code
from chat.models import Level, Site, Visitor
from chat.protocol import (
    End,
    Fetch,
    Hello,
    Identify,
    Logout,
    Ping,
    Pong,
    Rate,
    Row,
    Start,
    TypingFrame,
    TypingStarted,
    VisitorSeen,
    VisitorTyping,
)
from chat.protocol import PostFrame as PostFrame
from chat.queue_estimates import RISE_WORDS, QueuePosition, ShownPosition
from chat.realtime import metrics
from chat.realtime.coalescing import Disconnected, Overloaded, RequestCoalescer
from chat.realtime.delivery import announce, hub
from chat.realtime.writer import writer
from chat.widget import sessions
from chat.widget.posting_socket import PostingSocket
from core import rate_limits
from core.client_address import address_of
from core.database_threads import in_thread

logger = logging.getLogger(__name__)

# Range of the wait before a reconnect, after too many hellos from one network address.
TOO_MANY_HELLOS_RETRY_MS = 2_000, 20_000
# Range of the wait before a reconnect, after a sign-in or logout has voided the token of this socket.
SUPERSEDED_RETRY_MS = 200, 800

_session_lookups = RequestCoalescer(sessions.find_session)
_welcomes = RequestCoalescer(sessions.welcome_frames)
_hellos_of_address = limits.Buckets(limits.hellos_of_address)


class VisitorConsumer(PostingSocket):
    # True once the hello has arrived, even if its session has not been looked up yet.
    _has_said_hello = False

    async def connected(self) -> None:
        await super().connected()
        self.hello: Hello | None = None
        self.site: Site
        self.visitor_uuid: UUID
        self.visitor: Visitor | None = None
        self.pk: int | None = None
        self.conversation = ""
        self.is_waiting = False
        self._is_returning = False
        self._is_identifying = False
        self._position = ShownPosition()
        self._address = address_of(self.scope)
        self._start_limit = limits.starts()
        self._request_limit = limits.control_requests()
        self._typing_limit = limits.posts()
        await self.accept()

    async def received(self, text: str) -> None:
        frame = protocol.decode_visitor(text)
        if frame is None:
            return
        if self.hello is None and not isinstance(frame, Hello):
            raise BadRequest
        if isinstance(frame, Identify | End | Rate) and not self._request_limit.take():
            raise TooFast
        match frame:
            case Hello():
                await self._hello(frame)
            case Start():
                await self._start(frame)
            case Identify():
                await self._identify(frame)
            case PostFrame():
                await self._post(frame)
            case VisitorTyping():
                self._announce_typing()
            case VisitorSeen():
                self._seen(frame)
            case Fetch():
                await self._fetch(frame)
            case End():
                await in_thread(
                    visitors.end_by_visitor, visitor=self._require_visitor(), uuid=frame.conversation
                )
            case Rate():
                await in_thread(
                    visitors.rate,
                    visitor=self._require_visitor(),
                    score=frame.score,
                    comment=frame.comment,
                    uuid=frame.conversation,
                )
            case Logout():
                await self._log_out()
            case Ping():
                head = hub.heads.get(self.pk, 0) if self.pk is not None else 0
                self.answer(Pong(head, sessions.now_ms()))

    def has_said_hello(self) -> bool:
        return self._has_said_hello

    def _require_visitor(self) -> Visitor:
        if self.visitor is None:
            raise NotFound
        return self.visitor

    # -- starting and resuming ---------------------------------------------------------------------------

    async def _hello(self, hello: Hello) -> None:
        self._has_said_hello = True
        self.language = language_code(hello.language)
        if not _hellos_of_address.take(self._address):
            self.end("unavailable", retry_after_ms=randint(*TOO_MANY_HELLOS_RETRY_MS))
            return
        try:
            session = await _session_lookups.ask(hello, self.is_disconnected)
            if isinstance(session, NotFound):
                self.refuse(session)
                self.end("not_found")
                return
            self.hello, self.site = hello, session.site
            await self._join_and_welcome(session, hello.conversation, hello.after)
            if hello.conversation is not None and str(hello.conversation) == self.conversation:
                metrics.resumed.inc()
        except Disconnected:
            return
        except Overloaded as overloaded:
            self.end("unavailable", retry_after_ms=round(overloaded.after_seconds * 1000))
        except Exception as error:
            # The widget cannot work without a welcome, so close the socket. The widget then reconnects and tries again.
            logger.warning("hello was not answered: %s", type(error).__name__, extra=self.ids())
            self.refuse(Unavailable())
            self.end("unavailable")

    async def _start(self, start: Start) -> None:
        assert self.hello is not None
        self.current_client_id = str(start.client_id)
        if not self._start_limit.take() or await self._has_too_many_starts():
            raise TooFast
        await self._join_and_welcome(
            await in_thread(sessions.start_conversation, self.site, self.visitor_uuid, start, self.hello)
        )

    async def _has_too_many_starts(self) -> bool:
        """Count a start from this network address. Returns whether it exceeds the limit of the address."""
        if self._address is None:
            return False
        return await rate_limits.hit_async("starts", self._address, *limits.STARTS_OF_ADDRESS) > 0

    async def _identify(self, identify: Identify) -> None:
        assert self.hello is not None
        self._is_identifying = True
        try:
            await self._join_and_welcome(
                await in_thread(
                    sessions.identify, self.site, self._session(), identify.identity, self.hello.language
                )
            )
        finally:
            self._is_identifying = False

    def _session(self) -> sessions.VisitorSession:
        return sessions.VisitorSession(
            self.site, self.visitor_uuid, self.visitor, self.pk, self._is_returning
        )

    async def _log_out(self) -> None:
        if self.visitor is not None:
            await in_thread(identities.log_out, visitor=self.visitor)
        self.end("superseded", retry_after_ms=randint(*SUPERSEDED_RETRY_MS))

    async def _join_and_welcome(
        self, session: sessions.VisitorSession, conversation: UUID | None = None, after: int = 0
    ) -> None:
        """Subscribe to the session's conversation, then read and send the welcome.

        In this order, no event is missed. An event that arrives before the welcome is sent is held back until then.
        """
        if session.pk != self.pk:
            self._leave()
            self._queue_of_posts.forget()
        self._is_returning = session.is_returning
        self._register_widget(session.visitor)
        self.visitor_uuid, self.visitor, self.pk = session.visitor_uuid, session.visitor, session.pk
        self.is_waiting, self._position = False, ShownPosition()
        with self.holding() as first:
            if self.pk is not None:
                hub.join(self.pk, self)
            welcome, row = await _welcomes.ask(
                sessions.ResumedSession(session, conversation, after), self.is_disconnected
            )
            self.conversation = row.id if row else ""
            # The conversation is also waiting if an event has said so since the row was read.
            self.is_waiting = self.is_waiting or (row is not None and row.status == "waiting")
            if self.pk is not None and row is not None:
                hub.note_head(self.pk, row.last_seq)
                hub.note_row(self.pk, row)
            first.append(welcome)

    def _register_widget(self, visitor: Visitor | None) -> None:
        """Register this socket with the hub as a widget of `visitor`, and unregister it from its former visitor."""
        if self.visitor is not None:
            hub.remove_widget(self.visitor.pk, self)
        if visitor is not None:
            hub.add_widget(visitor.pk, self)

    def _leave(self) -> None:
        if self.pk is not None:
            hub.leave(self.pk, self)

    def disconnected(self) -> None:
        if getattr(self, "pk", None) is not None:
            self._leave()
        if getattr(self, "visitor", None) is not None:
            self._register_widget(None)
        super().disconnected()

    # -- frames of a conversation ------------------------------------------------------------------------

    def _seen(self, frame: VisitorSeen) -> None:
        # A frame sent before a new conversation started belongs to the old one and must be ignored.
        is_current = frame.conversation is None or str(frame.conversation) == self.conversation
        if self.pk is not None and self.visitor is not None and is_current:
            writer.mark(ReadMark(self.pk, frame.received, frame.read, visitor_id=self.visitor.pk))

    def _announce_typing(self) -> None:
        if self.pk is not None and self._typing_limit.take():
            frame = TypingFrame(self.conversation, "visitor")
            announce([TypingStarted(self.pk, frame)])

    async def _fetch(self, frame: Fetch) -> None:
        if self.pk is None:
            raise NotFound
        page = await in_thread(
            sessions.message_page,
            self._require_visitor(),
            UUID(self.conversation),
            frame.after,
            frame.limit,
        )
        self.answer(page)

    # -- called by the hub and the sweep -----------------------------------------------------------------

    def state_changed(self, row: Row) -> None:
        if row.level == Level.VERIFIED and self.visitor is not None and self.visitor.level != Level.VERIFIED:
            # The conversation now belongs to a customer, because of a sign-in on another socket.
            self.lost_conversation()
        is_waiting = row.status == "waiting"
        if is_waiting != self.is_waiting:
            self.is_waiting, self._position = is_waiting, ShownPosition()

    def lost_conversation(self) -> None:
        """End the socket because its conversation belongs to another visitor now.

        Does nothing while this socket signs its visitor in, because the new owner is then the same person.
        """
        if not self._is_identifying:
            self.end("unavailable")

    def tokens_voided(self, generation: int) -> None:
        """End the socket because its visitor has signed in or logged out elsewhere.

        Nothing happens if this socket's own sign-in voided the older tokens.
        """
        if self.visitor is None or self._is_identifying or self._session().generation >= generation:
            return
        self.end("superseded", retry_after_ms=randint(*SUPERSEDED_RETRY_MS))

    def send_position(self, position: QueuePosition) -> None:
        if (frame := self._position.update(position)) is not None:
            with translation.override(self.language):
                self.answer(replace(frame, words=str(RISE_WORDS.get(frame.reason, ""))))
