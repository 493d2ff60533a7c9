"""Delivery of events: directly to the sockets of this process, and through the channel layer to other processes.

This is the only file that names the channel layer. The layer may lose, repeat and reorder notifications: the database
is the truth, and a sweep every second or two finds what a lost notification missed. Everything here except `announce`
runs on the event-loop thread.
"""

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence, Set
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction
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
from chat.realtime import metrics
from chat.realtime.sent_state import (
    ConversationSnapshot,
    is_current,
    snapshot_of,
    with_message,
    with_read_marks,
)
from chat.realtime.subscriptions import StaffSocket, Subscriptions
from chat.realtime.sweep import sweep

logger = logging.getLogger(__name__)

GROUP = "hub"
PUBLISH_TIMEOUT_SECONDS = 1.0
MAX_UNPUBLISHED = 10_000


class Hub(Subscriptions):
    """Hands events to those who listen in this process, and by the doorbell to the other processes."""

    def __init__(self) -> None:
        super().__init__()
        self.process = uuid.uuid4().hex
        self.loop: asyncio.AbstractEventLoop | None = None
        # This process is about to end: what comes in now is for the next one (server/drain.py).
        self.is_draining = False
        self._calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._is_called = False
        self._unpublished: list[Event] = []
        self._has_unpublished = asyncio.Event()
        self._is_publishing = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Takes this running loop for its own; the second call does nothing."""
        loop = asyncio.get_running_loop()
        if self.loop is loop:
            return
        self.loop = loop
        self.forget_all()
        self._calls.clear()
        self._unpublished.clear()
        self._is_called = False
        self._has_unpublished = asyncio.Event()
        self._tasks = [loop.create_task(sweep(self)), loop.create_task(metrics.watch_loop())]
        if settings.CHANNEL_LAYERS:
            self._tasks += [loop.create_task(self._publish()), loop.create_task(self._listen())]

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Calls it on the loop, from any thread, in order. What comes together wakes the loop once."""
        self._calls.append((function, arguments))
        if self._is_called or self.loop is None:
            return
        self._is_called = True
        try:
            self.loop.call_soon_threadsafe(self._call)
        except RuntimeError:
            # The loop has been closed.
            self._is_called = False

    def _call(self) -> None:
        # First: what is added from here on wakes the loop again.
        self._is_called = False
        while self._calls:
            function, arguments = self._calls.popleft()
            try:
                function(*arguments)
            except Exception as error:
                logger.error("a call on the loop failed: %s", type(error).__name__, exc_info=True)

    # -- routing -----------------------------------------------------------------------------------------

    def route(self, events: Iterable[Event]) -> None:
        for event in events:
            try:
                self._route(event)
            except Exception:
                logger.exception("an event of kind %s was not delivered", type(event).__name__)

    def _route(self, event: Event) -> None:
        match event:
            case MessagePosted():
                self._message(event)
            case ConversationChanged():
                self._changed(event)
            case NoteAdded():
                self.told_notes.add(event.note.id)
                self._to_staff(protocol.encode(event.note), event.pk, event.agent)
            case TypingStarted(pk=pk, frame=frame):
                text = protocol.encode(frame)
                if frame.role == "visitor":
                    self._to_staff(text, pk, None)
                else:
                    self._to_visitors(text, pk)
            case SeenChanged(pk=pk, frame=frame):
                text = protocol.encode(frame)
                self._to_visitors(text, pk)
                self._to_staff(text, pk, event.row.agent.id if event.row.agent else None)
                # Reading lowers the unread count in every list that shows it.
                known = self.told.get(pk)
                is_shown = frame.role == "agent" and is_current(known, event.row)
                is_listed = is_shown and self._rows(pk, event.row)
                self._tell(pk, with_read_marks(known, event.row, frame.role, is_shown=is_shown), is_listed)
            case PresenceChanged(frame=frame):
                self._to_all_staff(frame)
            case KnowledgeChanged(edition=edition):
                self._to_all_staff(KnowledgeFrame(edition))
            case VisitorTokensVoided(visitor=visitor, generation=generation):
                for box in tuple(self.boxes.get(visitor, ())):
                    box.tokens_voided(generation)
            case AccessRevoked(staff=staff, session=session):
                for socket in tuple(self._of_member.get(staff, ()) if staff else self.staff):
                    if session in ("", socket.session_key):
                        socket.end("access_revoked")

    def _message(self, event: MessagePosted) -> None:
        pk, row = event.pk, event.row
        self.touched.add(pk)
        # A gap is left to the sweep and to the screens: the head moves only over what is in order.
        if self.heads.get(pk, -1) == event.message.seq - 1:
            self.heads[pk] = event.message.seq
        if pk in self.visitors:
            self._to_visitors(protocol.encode(MessageFrame(row.id, event.message)), pk)
        known = self.told.get(pk)
        is_shown = is_current(known, row)
        watchers = self.watchers.get(pk, set()).copy()
        if watchers:
            text = protocol.encode(MessageFrame(row.id, event.message, row if is_shown else UNSET))
            for socket in watchers:
                socket.push(text)
        if is_shown:
            is_listed = self._rows(pk, row, without=watchers)
            self._tell(pk, with_message(known, row), is_listed)

    def _changed(self, event: ConversationChanged) -> None:
        if event.pk in self.visitors:
            for socket in tuple(self.visitors[event.pk]):
                socket.state_changed(event.row)
            self._to_visitors(protocol.encode(StateFrame(state_of(event.row))), event.pk)
        is_listed = self._rows(event.pk, event.row, was=event)
        for watcher in self.outsiders(event.pk, event.row):
            watcher.moved_away(event.pk, event.row)
        self._tell(event.pk, snapshot_of(event.row), is_listed)

    def _rows(
        self,
        pk: int,
        row: Row,
        *,
        without: Set[StaffSocket] = frozenset(),
        was: ConversationChanged | None = None,
    ) -> bool:
        """The row to all whose lists hold it or held it, and to those who have the conversation open.

        Returns whether any list holds it.
        """
        watchers = self.watchers.get(pk, set())
        listed = self._lists(row.status, row.agent.id if row.agent else None, row.department)
        concerned = listed | watchers
        if was:
            concerned |= self._lists(was.was_status, was.was_agent, was.was_department)
        concerned.difference_update(without)
        texts: dict[bool, bytes] = {}
        for socket in concerned:
            is_listed = socket in listed
            if is_listed not in texts:
                texts[is_listed] = protocol.encode(RowFrame(row, is_listed))
            socket.push(texts[is_listed])
        return bool(listed)

    def _tell(self, pk: int, told: ConversationSnapshot, is_listed: bool) -> None:
        """Notes what our screens know now, even if it is older than what they knew: then the sweep sees that."""
        if is_listed or pk in self.told or pk in self.visitors or pk in self.watchers:
            self.told[pk] = told
            self.touched.add(pk)

    def _to_all_staff(self, frame: PresenceFrame | KnowledgeFrame) -> None:
        text = protocol.encode(frame)
        for socket in tuple(self.staff):
            socket.push(text)

    def _to_visitors(self, text: bytes, pk: int) -> None:
        for socket in tuple(self.visitors.get(pk, ())):
            socket.push(text)

    def _to_staff(self, text: bytes, pk: int, agent: int | None) -> None:
        own = self._of_member.get(agent, set()) if agent is not None else set()
        for socket in self.watchers.get(pk, set()) | own:
            socket.push(text)

    # -- the doorbell ------------------------------------------------------------------------------------

    def announce(self, events: list[Event], received_at: Sequence[float] = ()) -> None:
        """On the loop: to the sockets of this process at once, to the others by one publish a batch.

        `received_at`: when the messages among them came to this process, for the metrics.
        """
        self.route(events)
        metrics.delivered(received_at)
        if settings.CHANNEL_LAYERS:
            # What does not fit is dropped: the sweep of the other processes finds it.
            if len(self._unpublished) < MAX_UNPUBLISHED:
                self._unpublished.extend(events)
            else:
                metrics.unpublished.inc(len(events))
            self._has_unpublished.set()

    async def _publish(self) -> None:
        while True:
            await self._has_unpublished.wait()
            self._has_unpublished.clear()
            events, self._unpublished = self._unpublished, []
            self._is_publishing = True
            await send_to_layer(self.process, events)
            self._is_publishing = False

    def has_published(self) -> bool:
        """Whether the other processes have been told everything."""
        return not (self._unpublished or self._is_publishing)

    async def _listen(self) -> None:
        layer = get_channel_layer()
        assert layer is not None
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(GROUP, channel)
                while True:
                    message = await layer.receive(channel)
                    if message["process"] != self.process:
                        self.route(protocol.decode_events(message["events"]))
            except Exception as error:
                logger.warning("the channel layer does not answer: %s", type(error).__name__)
                await asyncio.sleep(1)


async def send_to_layer(process: str, events: list[Event]) -> None:
    """One publish. It can neither raise nor take longer than a second: the sweep makes up for what is lost."""
    layer = get_channel_layer()
    if layer is None or not events:
        return
    started = time.monotonic()
    try:
        message = {"type": "chat.events", "process": process, "events": protocol.encode_events(events)}
        await asyncio.wait_for(layer.group_send(GROUP, message), PUBLISH_TIMEOUT_SECONDS)
    except Exception as error:
        metrics.publish_failures.inc()
        metrics.unpublished.inc(len(events))
        logger.warning(
            "%d events were not published after %.1f s: %s",
            len(events),
            time.monotonic() - started,
            type(error).__name__,
        )


hub = Hub()


def announce(events: list[Event], received_at: Sequence[float] = ()) -> None:
    """Tells every screen, from any thread, after the commit. Never raises. `received_at`: see `Hub.announce`."""
    if not events:
        return
    loop = hub.loop
    try:
        if loop is not None and loop.is_running():
            hub.call(hub.announce, events, received_at)
        elif settings.CHANNEL_LAYERS:
            # A command, or a process without sockets: no loop of its own to publish from.
            async_to_sync(send_to_layer)(hub.process, events)
    except Exception as error:
        # It is committed; the sweeps find it. Above all, whoever stored it must not hear that it failed.
        logger.warning("%d events were not announced: %s", len(events), type(error).__name__)


def announce_on_commit(*events: Event) -> None:
    """Tells every screen when, and only when, the surrounding transaction has committed."""
    transaction.on_commit(lambda: announce(list(events)))
