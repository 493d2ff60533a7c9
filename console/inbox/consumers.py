"""The console's WebSocket. The server sends it events; the console sends read marks and typing.

All other actions of agents are HTTP POST requests.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import date
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from django.utils.translation import get_supported_language_variant

from accounts import audit, presence
from accounts.access import may
from accounts.models import Presence, Staff
from chat import access, limits, protocol
from chat.actions.posts import ReadMark
from chat.archive.reading_audit import audit_reading
from chat.errors import NotFound
from chat.models import Conversation, Status
from chat.protocol import (
    MAX_SEQ,
    ConsoleFetch,
    ConsoleHello,
    ConsolePong,
    ConsoleSeen,
    ConsoleTyping,
    ConsoleWelcome,
    Messages,
    Ping,
    Row,
    TypingFrame,
    TypingStarted,
    Unwatch,
    Watch,
)
from chat.realtime.delivery import announce, hub
from chat.realtime.sockets import Socket
from chat.realtime.writer import writer
from chat.selectors import page_of, rows_by_conversation_pk
from console.inbox import selectors
from core.database_threads import in_thread

logger = logging.getLogger(__name__)


def language_of(cookies: Mapping[str, str]) -> str:
    """Return the language of the console from the staff member's cookies."""
    try:
        return get_supported_language_variant(cookies.get(settings.LANGUAGE_COOKIE_NAME, ""))
    except LookupError:
        return settings.LANGUAGE_CODE


class ConsoleConsumer(Socket):
    async def connected(self) -> None:
        self.staff_id = 0
        self.session_key = ""
        self.role = ""
        self.departments: frozenset[int] = frozenset()
        self.sees_all = False
        self.watched: dict[str, int] = {}
        self.parked: dict[str, int] = {}
        # The client and the sweep may subscribe to conversations at the same time, but the socket can hold back frames
        # for only one page of messages at a time.
        self._loading = asyncio.Lock()
        self._typing = limits.posts()
        self._readings: set[tuple[int, str, int | None, date]] = set()
        self.language = language_of(self.scope.get("cookies", {}))
        await self.accept()
        staff = await in_thread(self._sign_in)
        if staff is None:
            self.end("access_revoked")
            return
        self.staff = staff
        hub.add_staff(self)

    def _sign_in(self) -> Staff | None:
        user = self.scope["user"]._wrapped if hasattr(self.scope["user"], "_wrapped") else self.scope["user"]
        if isinstance(user, AnonymousUser) or not isinstance(user, Staff):
            return None
        if not may(user, "use_console"):
            audit.record_refusal(user, "console socket", "no_right")
            return None
        self.staff_id, self.role = user.pk, user.role
        self.session_key = self.scope["session"].session_key
        self.departments = frozenset(user.departments.values_list("pk", flat=True))
        self.sees_all = may(user, "see_all_conversations")
        presence.renew([user.pk])
        return user

    async def received(self, text: str) -> None:
        frame = protocol.decode_console(text)
        if frame is None or not self.staff_id:
            return
        match frame:
            case ConsoleHello():
                await self._greet()
            case Watch():
                await self._watch(frame)
            case Unwatch():
                self.parked.pop(str(frame.conversation), None)
                pk = self.watched.pop(str(frame.conversation), None)
                if pk is not None:
                    hub.unwatch(pk, self)
            case ConsoleTyping():
                await self._is_typing(frame)
            case ConsoleSeen():
                pk = self._watched(frame.conversation)
                writer.mark(ReadMark(pk, frame.received, frame.read, agent_id=self.staff_id))
            case ConsoleFetch():
                self.answer(await in_thread(self._page, frame.conversation, frame.after, frame.limit))
            case Ping():
                heads = {uuid: hub.heads.get(pk, 0) for uuid, pk in self.watched.items()}
                self.answer(ConsolePong(heads))

    async def _greet(self) -> None:
        try:
            async with self._loading:
                with self.holding() as first:
                    welcome, shown = await in_thread(self._welcome)
                    for key, row in shown.items():
                        hub.note_row(key, row)
                    first.append(welcome)
        except Exception as error:
            # The console cannot work without a welcome frame. Close the socket: the console then reconnects and sends
            # hello again.
            logger.warning("hello failed, the socket is closed: %s", type(error).__name__)
            self.end("unavailable")

    def _welcome(self) -> tuple[ConsoleWelcome, dict[int, Row]]:
        lists = selectors.lists_for(self.staff)
        mine = Presence.objects.filter(staff=self.staff).first()
        welcome = ConsoleWelcome(
            settings.HEARTBEAT_SECONDS, lists.rows, lists.waiting_count, presence.current(mine)
        )
        return welcome, rows_by_conversation_pk(lists.rows)

    def _conversation(self, uuid: UUID) -> Conversation:
        """Return a conversation that the staff member may read. Raises NotFound.

        The refusal is recorded in the audit trail, because the conversation may belong to another department.
        """
        try:
            return access.conversation_for(self.staff, uuid)
        except NotFound as refusal:
            audit.record_refusal(self.staff, "console socket", refusal.code, object_id=str(uuid))
            raise

    def _page(self, conversation: UUID, after: int, limit: int) -> Messages:
        """Return a page of messages and audit that the staff member has read them. Raises NotFound.

        Reading a closed conversation is audited every time. For other conversations, this socket calls `audit_reading`
        once a day, and again when the status or the agent has changed.
        """
        shown = access.conversation_for(self.staff, conversation)
        reading = (shown.pk, shown.status, shown.agent_id, timezone.localdate())
        if shown.status == Status.CLOSED or reading not in self._readings:
            audit_reading(self.staff, shown, where="socket")
            self._readings.add(reading)
        return page_of(shown, after, limit)

    async def _watch(self, frame: Watch) -> None:
        """Subscribe the socket to a conversation, then send the stored messages.

        In this order, no message can be missed. Messages that arrive twice are dropped by the screen.
        """
        conversation = await in_thread(self._conversation, frame.conversation)
        uuid = str(frame.conversation)
        if not await in_thread(access.followable_ids, self.staff, [conversation.pk]):
            # The conversation is now in another department. The staff member may read the stored messages, but receives
            # no new events until the sweep finds that the conversation has come back.
            self.parked[uuid] = conversation.pk
            self.answer(
                await in_thread(self._page, frame.conversation, frame.after, protocol.PAGE_OF_MESSAGES)
            )
            return
        async with self._loading:
            if self not in hub.staff:
                # The socket was closed while this method waited.
                return
            self.parked.pop(uuid, None)
            self.watched[uuid] = conversation.pk
            with self.holding() as first:
                hub.watch(conversation.pk, self)
                page = await in_thread(self._page, frame.conversation, frame.after, protocol.PAGE_OF_MESSAGES)
                # The hub need not send the rest of a long conversation: the screen fetches the other pages itself.
                hub.note_head(conversation.pk, page.head)
                first.append(page)

    def _watched(self, conversation: UUID) -> int:
        pk = self.watched.get(str(conversation))
        if pk is None:
            raise NotFound
        return pk

    async def _is_typing(self, frame: ConsoleTyping) -> None:
        """Tell the visitor that the agent is typing. Does nothing if the conversation is not assigned to this agent."""
        pk = self._watched(frame.conversation)
        if self._typing.take() and await in_thread(access.is_assigned_to, self.staff, pk):
            shown = TypingFrame(str(frame.conversation), "agent", self.staff.name)
            announce([TypingStarted(pk, shown)])

    # -- for the hub -------------------------------------------------------------------------------------

    def moved_away(self, pk: int, row: Row) -> None:
        """Unsubscribe from a conversation that was transferred away. If the person may still follow it, subscribe to it
        again."""
        self.park(row.id)
        self._returning = asyncio.get_running_loop().create_task(self._return_to(pk, row.id))

    def park(self, uuid: str) -> None:
        """Unsubscribe from a conversation that the screen still shows, and remember it in `parked`."""
        if (pk := self.watched.pop(uuid, None)) is not None:
            hub.unwatch(pk, self)
            self.parked[uuid] = pk

    async def _return_to(self, pk: int, uuid: str) -> None:
        if await in_thread(access.followable_ids, self.staff, [pk]):
            await self.watch_again(uuid)

    async def watch_again(self, uuid: str) -> None:
        """Subscribe again to a conversation in `parked`.

        The socket sends a page without messages, which contains only the last seq. The screen then fetches the messages
        that it lacks.
        """
        try:
            await self._watch(Watch(UUID(uuid), MAX_SEQ))
        except Exception as error:
            # The database is unavailable. The socket subscribes when the agent opens the conversation again.
            logger.warning("cannot watch a transferred conversation again: %s", type(error).__name__)

    def disconnected(self) -> None:
        # If the socket closes during the handshake, these attributes do not exist yet.
        if getattr(self, "staff_id", 0):
            hub.remove_staff(self)
            for pk in self.watched.values():
                hub.unwatch(pk, self)
