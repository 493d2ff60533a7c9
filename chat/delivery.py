"""Delivery: the sockets of this process, and the doorbell to the other processes.

The only file that names the channel layer. The layer may lose, repeat and reorder: the database is the truth, and
a sweep every second or two finds what the doorbell missed. Everything here but `announce` runs on the loop's thread.
"""

import asyncio
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction

from accounts.models import Staff
from chat import metrics, protocol
from chat.models import Visitor
from chat.protocol import (
    AccessRevoked,
    ConversationChanged,
    Event,
    MessageFrame,
    MessagePosted,
    NoteAdded,
    PresenceChanged,
    Row,
    RowFrame,
    SeenChanged,
    StateFrame,
    TypingStarted,
)
from chat.rows import state_of
from chat.sweep import Fingerprint, fingerprint_of, sweep

logger = logging.getLogger(__name__)

GROUP = "hub"
PUBLISH_TIMEOUT_SECONDS = 1.0
MAX_UNPUBLISHED = 10_000


class VisitorSocket(Protocol):
    is_waiting: bool
    visitor: Visitor | None

    def push(self, text: str) -> None: ...

    def state_changed(self, row: Row) -> None: ...

    def tell_place(self, frame: protocol.Queue) -> None: ...

    def lost_conversation(self) -> None: ...


class StaffSocket(Protocol):
    staff: Staff
    staff_id: int
    session_key: str
    role: str
    departments: frozenset[int]
    sees_all: bool
    watched: dict[str, int]

    def push(self, text: str) -> None: ...

    def lists(self, status: str, agent: int | None, department: int) -> bool: ...

    def end(self, code: str) -> None: ...


class AnySocket(Protocol):
    def end(self, code: str, *, retry_after_ms: int | None = None) -> None: ...

    def cut(self) -> None: ...


class Hub:
    """Who listens in this process. Visitors and staff stand in tables of their own: a note is only ever looked up
    in the second."""

    def __init__(self) -> None:
        self.process = uuid.uuid4().hex
        self.loop: asyncio.AbstractEventLoop | None = None
        # Everybody who is connected, whether they listen to anything yet or not.
        self.sockets: set[AnySocket] = set()
        # This process is about to end: what comes in now is for the next one (config/drain.py).
        self.is_draining = False
        self.visitors: defaultdict[int, set[VisitorSocket]] = defaultdict(set)
        self.watchers: defaultdict[int, set[StaffSocket]] = defaultdict(set)
        self.staff: set[StaffSocket] = set()
        # Last seq that was handed to the sockets of a conversation, for those that have any.
        self.heads: dict[int, int] = {}
        # As what our screens were last told of each conversation they show; the sweep compares it with the database.
        self.told: dict[int, Fingerprint] = {}
        # Notes of the last seconds that were handed to our screens: id and time.
        self.told_notes: dict[int, str] = {}
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
        self.sockets.clear()
        self.visitors.clear()
        self.watchers.clear()
        self.staff.clear()
        self.heads.clear()
        self.told.clear()
        self.told_notes.clear()
        self._unpublished.clear()
        self._has_unpublished = asyncio.Event()
        self._tasks = [loop.create_task(sweep(self)), loop.create_task(metrics.watch_loop())]
        if settings.CHANNEL_LAYERS:
            self._tasks += [loop.create_task(self._publish()), loop.create_task(self._listen())]

    # -- joining -----------------------------------------------------------------------------------------

    def join(self, pk: int, socket: VisitorSocket) -> None:
        self.visitors[pk].add(socket)

    def leave(self, pk: int, socket: VisitorSocket) -> None:
        self.visitors[pk].discard(socket)
        self._forget(pk)

    def watch(self, pk: int, socket: StaffSocket) -> None:
        self.watchers[pk].add(socket)

    def unwatch(self, pk: int, socket: StaffSocket) -> None:
        self.watchers[pk].discard(socket)
        self._forget(pk)

    def _forget(self, pk: int) -> None:
        if not self.visitors.get(pk):
            self.visitors.pop(pk, None)
        if not self.watchers.get(pk):
            self.watchers.pop(pk, None)
        if pk not in self.visitors and pk not in self.watchers:
            self.heads.pop(pk, None)

    def note_head(self, pk: int, seq: int) -> None:
        """A socket has just been brought up to `seq` from the database: the sweep goes on from there.

        The lowest stands: what another socket here has had already comes to it twice, and it drops the repeat.
        """
        self.heads[pk] = min(self.heads.get(pk, seq), seq)

    def note_row(self, pk: int, row: Row) -> None:
        """A screen of this process has just been shown this row from the database.

        What another one was told before stands: if it is out of date, the sweep tells all once more.
        """
        self.told.setdefault(pk, fingerprint_of(row))

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
                self.told_notes[event.note.id] = event.note.at
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
                is_listed = frame.role == "agent" and self._rows(pk, event.row)
                self._tell(pk, event.row, is_shown=is_listed)
            case PresenceChanged(frame=frame):
                text = protocol.encode(frame)
                for socket in tuple(self.staff):
                    socket.push(text)
            case AccessRevoked(staff=staff, session=session):
                for socket in tuple(self.staff):
                    if socket.staff_id == staff and session in ("", socket.session_key):
                        socket.end("access_revoked")

    def _message(self, event: MessagePosted) -> None:
        pk, row = event.pk, event.row
        # A gap is left to the sweep and to the screens: the head moves only over what is in order.
        if self.heads.get(pk, -1) == event.message.seq - 1:
            self.heads[pk] = event.message.seq
        if pk in self.visitors:
            self._to_visitors(protocol.encode(MessageFrame(row.id, event.message)), pk)
        watchers = self.watchers.get(pk, ())
        if watchers:
            text = protocol.encode(MessageFrame(row.id, event.message, row))
            for socket in tuple(watchers):
                socket.push(text)
        is_listed = self._rows(pk, row, without=tuple(watchers))
        self._tell(pk, row, is_shown=is_listed)

    def _changed(self, event: ConversationChanged) -> None:
        if event.pk in self.visitors:
            for socket in tuple(self.visitors[event.pk]):
                socket.state_changed(event.row)
            self._to_visitors(protocol.encode(StateFrame(state_of(event.row))), event.pk)
        is_listed = self._rows(event.pk, event.row, was=event)
        self._tell(event.pk, event.row, is_shown=is_listed)

    def _rows(
        self,
        pk: int,
        row: Row,
        *,
        without: Iterable[StaffSocket] = (),
        was: ConversationChanged | None = None,
    ) -> bool:
        """The row to all whose lists hold it or held it, and to those who have the conversation open.

        Returns whether any list holds it.
        """
        agent = row.agent.id if row.agent else None
        watchers = self.watchers.get(pk, ())
        texts: dict[bool, str] = {}
        is_listed = False
        for socket in tuple(self.staff):
            listed = socket.lists(row.status, agent, row.department)
            is_listed = is_listed or listed
            if socket in without:
                continue
            if (
                listed
                or socket in watchers
                or (was and socket.lists(was.was_status, was.was_agent, was.was_department))
            ):
                if listed not in texts:
                    texts[listed] = protocol.encode(RowFrame(row, listed))
                socket.push(texts[listed])
        return is_listed

    def _tell(self, pk: int, row: Row, *, is_shown: bool) -> None:
        """Notes what our screens know now, even if it is older than what they knew: then the sweep sees that."""
        if is_shown or pk in self.told or pk in self.visitors or pk in self.watchers:
            self.told[pk] = fingerprint_of(row)

    def _to_visitors(self, text: str, pk: int) -> None:
        for socket in tuple(self.visitors.get(pk, ())):
            socket.push(text)

    def _to_staff(self, text: str, pk: int, agent: int | None) -> None:
        watchers = self.watchers.get(pk, set())
        for socket in tuple(self.staff):
            if socket in watchers or (agent is not None and socket.staff_id == agent):
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
            loop.call_soon_threadsafe(hub.announce, events, received_at)
        elif settings.CHANNEL_LAYERS:
            # A command, or a process without sockets: no loop of its own to publish from.
            async_to_sync(send_to_layer)(hub.process, events)
    except Exception as error:
        # It is committed; the sweeps find it. Above all, whoever stored it must not hear that it failed.
        logger.warning("%d events were not announced: %s", len(events), type(error).__name__)


def announce_on_commit(*events: Event) -> None:
    """Tells every screen when, and only when, the surrounding transaction has committed."""
    transaction.on_commit(lambda: announce(list(events)))
