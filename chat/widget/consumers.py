"""The visitor's socket: decode, call, answer."""

import logging
from functools import partial
from random import randint
from uuid import UUID

from django.db import Error

from chat import limits, protocol
from chat.actions import identities, visitors
from chat.actions.posts import Mark, Outcome, Post
from chat.actions.repeated_posts import find_stored
from chat.errors import BadRequest, EmptyText, NotFound, TooFast, Unavailable
from chat.languages import language_code
from chat.models import Level, Site, Visitor
from chat.protocol import (
    AcceptedFrame,
    End,
    Fetch,
    Hello,
    Identify,
    Logout,
    Ping,
    Pong,
    QueueFrame,
    Rate,
    Row,
    Start,
    TypingFrame,
    TypingStarted,
    VisitorSeen,
    VisitorTyping,
)
from chat.protocol import PostFrame as PostFrame
from chat.realtime import metrics
from chat.realtime.coalescing import Disconnected, Overloaded, RequestCoalescer
from chat.realtime.delivery import announce, hub
from chat.realtime.post_queue import PostQueue
from chat.realtime.sockets import Socket
from chat.realtime.writer import writer
from chat.widget import sessions
from core import rate_limits
from core.client_address import address_of
from core.database_threads import in_thread
from core.text.cleaning import clean_text

logger = logging.getLogger(__name__)

# When to come back, of too many from one address.
AGAIN_MS = 2_000, 20_000
# When another tab of the same browser may come back, with the token that the sign-in gave.
SUPERSEDED_MS = 200, 800

_finding = RequestCoalescer(sessions.find_session)
_welcoming = RequestCoalescer(sessions.welcome_frames)
_hellos_of_address = limits.Buckets(limits.hellos_of_address)


class VisitorConsumer(Socket):
    # Set when the hello arrives, before its answer is looked up.
    _has_said_hello = False

    async def connected(self) -> None:
        self.hello: Hello | None = None
        self.site: Site
        self.visitor_uuid: UUID
        self.visitor: Visitor | None = None
        self.pk: int | None = None
        self.conversation = ""
        self.is_waiting = False
        self._is_returning = False
        self._queue_of_posts = PostQueue(self._submit, self._answer_post)
        self._is_identifying = False
        self._place: QueueFrame | None = None
        self._address = address_of(self.scope)
        self._posts = limits.posts()
        self._lookups = limits.posts()
        self._starts = limits.starts()
        self._asks = limits.asks()
        self._typing = limits.posts()
        await self.accept()

    async def received(self, text: str) -> None:
        frame = protocol.decode_visitor(text)
        if frame is None:
            return
        if self.hello is None and not isinstance(frame, Hello):
            raise BadRequest
        if isinstance(frame, Identify | End | Rate) and not self._asks.take():
            raise TooFast
        match frame:
            case Hello():
                await self._greet(frame)
            case Start():
                await self._start(frame)
            case Identify():
                await self._identify(frame)
            case PostFrame():
                await self._post(frame)
            case VisitorTyping():
                self._is_typing()
            case VisitorSeen():
                self._seen(frame)
            case Fetch():
                await self._fetch(frame)
            case End():
                await in_thread(visitors.end_by_visitor, visitor=self._known(), uuid=frame.conversation)
            case Rate():
                await in_thread(
                    visitors.rate,
                    visitor=self._known(),
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

    def _known(self) -> Visitor:
        if self.visitor is None:
            raise NotFound
        return self.visitor

    # -- beginning and coming back -----------------------------------------------------------------------

    async def _greet(self, hello: Hello) -> None:
        self._has_said_hello = True
        self.language = language_code(hello.language)
        if not _hellos_of_address.take(self._address):
            self.end("unavailable", retry_after_ms=randint(*AGAIN_MS))
            return
        try:
            found = await _finding.ask(hello, self.is_gone)
            if isinstance(found, NotFound):
                self.refuse(found)
                self.end("not_found")
                return
            self.hello, self.site = hello, found.site
            await self._settle(found, hello.conversation, hello.after)
            if hello.conversation is not None and str(hello.conversation) == self.conversation:
                metrics.resumed.inc()
        except Disconnected:
            return
        except Overloaded as crowded:
            self.end("unavailable", retry_after_ms=round(crowded.after_seconds * 1000))
        except Exception as error:
            # Without a welcome the box has nothing to go on with; it comes back and asks again.
            logger.warning("hello was not answered: %s", type(error).__name__, extra=self.ids())
            self.refuse(Unavailable())
            self.end("unavailable")

    async def _start(self, start: Start) -> None:
        assert self.hello is not None
        self.about = str(start.client_id)
        if not self._starts.take() or await self._is_crowded():
            raise TooFast
        await self._settle(
            await in_thread(sessions.start_conversation, self.site, self.visitor_uuid, start, self.hello)
        )

    async def _is_crowded(self) -> bool:
        """Whether more conversations are begun from this address than agents can answer."""
        if self._address is None:
            return False
        return await rate_limits.hit_async("starts", self._address, *limits.STARTS_OF_ADDRESS) > 0

    async def _identify(self, identify: Identify) -> None:
        assert self.hello is not None
        self._is_identifying = True
        try:
            await self._settle(
                await in_thread(
                    sessions.recognise, self.site, self._found(), identify.identity, self.hello.language
                )
            )
        finally:
            self._is_identifying = False

    def _found(self) -> sessions.VisitorSession:
        return sessions.VisitorSession(
            self.site, self.visitor_uuid, self.visitor, self.pk, self._is_returning
        )

    async def _log_out(self) -> None:
        if self.visitor is not None:
            await in_thread(identities.log_out, visitor=self.visitor)
        self.end("superseded", retry_after_ms=randint(*SUPERSEDED_MS))

    async def _settle(
        self, found: sessions.VisitorSession, conversation: UUID | None = None, after: int = 0
    ) -> None:
        """Joins the conversation first and reads the welcome then, so that between the two nothing can be missed."""
        if found.pk != self.pk:
            self._leave()
            self._queue_of_posts.forget()
        self._is_returning = found.is_returning
        self._recognise(found.visitor)
        self.visitor_uuid, self.visitor, self.pk = found.visitor_uuid, found.visitor, found.pk
        self.is_waiting, self._place = False, None
        with self.holding() as first:
            if self.pk is not None:
                hub.join(self.pk, self)
            welcome, row = await _welcoming.ask(
                sessions.ResumedSession(found, conversation, after), self.is_gone
            )
            self.conversation = row.id if row else ""
            # It may have begun to wait after it was read.
            self.is_waiting = self.is_waiting or (row is not None and row.status == "waiting")
            if self.pk is not None and row is not None:
                hub.note_head(self.pk, row.last_seq)
                hub.note_row(self.pk, row)
            first.append(welcome)

    def _recognise(self, visitor: Visitor | None) -> None:
        """Has the hub know whose box this is."""
        if self.visitor is not None:
            hub.remove_box(self.visitor.pk, self)
        if visitor is not None:
            hub.add_box(visitor.pk, self)

    def _leave(self) -> None:
        if self.pk is not None:
            hub.leave(self.pk, self)

    def disconnected(self) -> None:
        if getattr(self, "pk", None) is not None:
            self._leave()
        if getattr(self, "visitor", None) is not None:
            self._recognise(None)
        if (queue := getattr(self, "_queue_of_posts", None)) is not None:
            queue.close()

    # -- talking -----------------------------------------------------------------------------------------

    async def _post(self, frame: PostFrame) -> None:
        if hub.is_draining:
            # Unanswered it stays with the box, which posts it again to the next process.
            return
        self.about = str(frame.client_id)
        body = clean_text(frame.body)
        if not body:
            raise EmptyText
        if self.pk is None or self.visitor is None:
            raise NotFound
        post = Post(
            self.pk,
            frame.client_id,
            body,
            visitor_id=self.visitor.pk,
            written_for=frame.conversation,
            is_returning=self._is_returning,
        )
        queue = self._queue_of_posts
        if queue.refusal_for(post.client_id) is not None and await self._is_answered_as_stored(post):
            return
        if queue.refusal_for(post.client_id) is not None:
            queue.hold(post)
        elif not self._posts.take():
            queue.put_off(post, TooFast())
        else:
            queue.add(post)

    async def _is_answered_as_stored(self, post: Post) -> bool:
        """Whether a post that an earlier one holds up is a repeat of a stored message, and answered so.

        Those before it that are found to be stored hold up nothing from then on: their sender, who has seen them as
        messages, sends them no more.
        """
        if not self._lookups.take():
            return False
        posts = [*self._queue_of_posts.held, post]
        try:
            found = await in_thread(find_stored, posts)
        except Error:
            return False
        stored = {
            each.client_id: message.answer_to(each)
            for each in posts
            for message in found.get(each.client_id, ())
            if message.is_repeated_by(each)
        }
        self._queue_of_posts.release(stored)
        if post.client_id not in stored:
            return False
        self._answer_post(post.client_id, stored[post.client_id])
        return True

    def _submit(self, post: Post) -> None:
        writer.submit(post, partial(hub.call, self._queue_of_posts.settle))

    def _answer_post(self, client_id: UUID, outcome: Outcome) -> None:
        if isinstance(outcome, AcceptedFrame):
            self.answer(outcome)
        else:
            self.refuse(outcome, str(client_id))

    def has_posts_in_hand(self) -> bool:
        # Before the handshake is through there is no queue.
        queue = getattr(self, "_queue_of_posts", None)
        return queue is not None and not queue.is_empty

    def _seen(self, frame: VisitorSeen) -> None:
        # One that was on its way while another conversation began says nothing about that one.
        is_of_this = frame.conversation is None or str(frame.conversation) == self.conversation
        if self.pk is not None and self.visitor is not None and is_of_this:
            writer.mark(Mark(self.pk, frame.received, frame.read, visitor_id=self.visitor.pk))

    def _is_typing(self) -> None:
        if self.pk is not None and self._typing.take():
            frame = TypingFrame(self.conversation, "visitor")
            announce([TypingStarted(self.pk, frame)])

    async def _fetch(self, frame: Fetch) -> None:
        if self.pk is None:
            raise NotFound
        page = await in_thread(
            sessions.page, self._known(), UUID(self.conversation), frame.after, frame.limit
        )
        self.answer(page)

    # -- for the hub and the sweep -----------------------------------------------------------------------

    def state_changed(self, row: Row) -> None:
        if row.level == Level.VERIFIED and self.visitor is not None and self.visitor.level != Level.VERIFIED:
            # Handed to the customer as whom somebody has signed in, on another socket than this.
            self.lost_conversation()
        self.is_waiting, self._place = row.status == "waiting", None

    def lost_conversation(self) -> None:
        """It belongs to another visitor now. Unless that is who this one is just becoming, it is no longer heard."""
        if not self._is_identifying:
            self.end("unavailable")

    def tokens_voided(self, generation: int) -> None:
        """The visitor has signed in or logged out elsewhere. Unless that is this very sign-in, the box ends."""
        if self.visitor is None or self._is_identifying or self._found().generation >= generation:
            return
        self.end("superseded", retry_after_ms=randint(*SUPERSEDED_MS))

    def tell_place(self, frame: QueueFrame) -> None:
        if frame != self._place:
            self._place = frame
            self.answer(frame)
