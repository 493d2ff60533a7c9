"""The sweep: every second or two each process asks the database what the doorbell may have missed.

This bounds the delay when the channel layer is down, flushed or full, and is why it can be lost without losing a
message. It also tells waiting visitors their place, and ends the sockets of those who may no longer hear: staff whose
rights have ended, visitors whose conversation has become another's.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone

from accounts import access as rights
from accounts import presence
from chat import access, batches, metrics, protocol, rows, selectors
from chat.db import in_thread
from chat.models import Conversation, Message, Note, Status
from chat.protocol import ConversationChanged, Event, MessagePosted, NoteAdded, Row, stamp
from chat.told import FINGERPRINT, Fingerprint, fingerprint_of

if TYPE_CHECKING:
    from chat.delivery import Hub

logger = logging.getLogger(__name__)

RIGHTS_EVERY = 2
PLACES_EVERY = 2
# Of the waiting conversations of the departments that look at this process, so many are looked after.
MAX_WAITING = 500
# What was stored so long before the last sweep may have been committed after it.
OVERLAP = timedelta(seconds=10)


@dataclass(frozen=True)
class Asked:
    """What one round asks about: who listens here, and what they were told already."""

    joined: frozenset[int]
    watched: frozenset[int]
    agents: frozenset[int]
    departments: frozenset[int]
    sees_all: bool
    heads: dict[int, int]
    told: dict[int, Fingerprint]
    told_notes: frozenset[int]
    since: datetime


async def sweep(hub: "Hub") -> None:
    """Runs for the life of the process."""
    rounds = 0
    since = timezone.now()
    while True:
        await asyncio.sleep(settings.SWEEP_SECONDS)
        rounds += 1
        started = timezone.now()
        if await _tried(_heal, hub, since - OVERLAP):
            since = started
        if rounds % PLACES_EVERY == 0:
            await _tried(tell_places, hub)
        if rounds % RIGHTS_EVERY == 0:
            await _tried(_check_rights, hub)
        await _tried(_check_owners, hub)


async def _tried(part: Callable[..., Awaitable[None]], *arguments: object) -> bool:
    """Whether that part of the round went well. One that fails does not keep the others from their turn."""
    try:
        await part(*arguments)
    except Exception as error:
        # The database is away: the next round tries again.
        logger.warning("a sweep failed: %s: %s", getattr(part, "__name__", ""), type(error).__name__)
        return False
    return True


async def _heal(hub: "Hub", since: datetime) -> None:
    asked = Asked(
        joined=frozenset(hub.visitors.keys() | hub.watchers.keys()),
        watched=frozenset(hub.watchers),
        agents=frozenset(socket.staff_id for socket in hub.staff),
        departments=frozenset().union(*(socket.departments for socket in hub.staff)),
        sees_all=any(socket.sees_all for socket in hub.staff),
        heads=dict(hub.heads),
        told=dict(hub.told),
        told_notes=frozenset(hub.told_notes),
        since=since,
    )
    if not asked.joined and not asked.agents:
        hub.told.clear()
        hub.told_notes.clear()
        return
    found, events = await in_thread(_changes, asked)
    # What was routed meanwhile stands: if that was the older, the next round sees it.
    for pk, known in asked.told.items():
        if pk not in found and hub.told.get(pk) == known:
            del hub.told[pk]
    for pk, now in found.items():
        if hub.told.get(pk) == asked.told.get(pk):
            hub.told[pk] = now
    for event in events:
        if isinstance(event, MessagePosted):
            # Not behind the head as it is now: what came by the doorbell meanwhile is not sent again.
            if event.message.seq <= hub.heads.get(event.pk, event.message.seq):
                continue
            hub.heads[event.pk] = event.message.seq - 1
            metrics.healed.inc()
        hub.route([event])
    hub.told_notes = {note: at for note, at in hub.told_notes.items() if at >= stamp(since)}


def _changes(asked: Asked) -> tuple[dict[int, Fingerprint], list[Event]]:
    """What differs from what was told, as events; and how everything that is shown here stands now."""
    found, gone = _concerned(asked)
    changed = [
        pk
        for pk, now in (found | gone).items()
        if asked.told.get(pk) != now or asked.heads.get(pk, now.last_seq) < now.last_seq
    ]
    events: list[Event] = []
    current: dict[int, Row] = {
        values["id"]: rows.row_of(values)
        for values in Conversation.objects.filter(pk__in=changed).order_by().values(*rows.ROW_FIELDS)
    }
    for pk, row in current.items():
        before, head = asked.told.get(pk), asked.heads.get(pk, row.last_seq)
        if head < row.last_seq:
            missed = Message.objects.filter(conversation=pk, seq__gt=head).order_by("seq")
            for values in missed.values(*rows.MESSAGE_FIELDS)[: protocol.PAGE_OF_MESSAGES]:
                events.append(MessagePosted(pk, rows.message_of(values), row))
        if before is None:
            # New to every list here. What is older stood in the lists that the consoles read when they opened.
            if max(row.started_at, row.last_message_at or "") >= stamp(asked.since):
                events.append(ConversationChanged(pk, row, "", None, row.department))
        elif before != fingerprint_of(row):
            events.append(ConversationChanged(pk, row, before.status, before.agent, before.department))
    return found, events + _missed_notes(asked)


def _where(**conditions: Any) -> batches.Select:
    return batches.Select(
        lambda: Conversation.objects.filter(**conditions).order_by().values_list("pk", *FINGERPRINT)
    )


def _line(**conditions: Any) -> batches.Select:
    return batches.Select(
        lambda: (
            Conversation.objects.filter(status=Status.WAITING, **conditions)
            .order_by("-priority", "waiting_since", "id")
            .values_list("pk", *FINGERPRINT)[:MAX_WAITING]
        )
    )


_these = _where(pk__among=batches.GIVEN)
_in_hand = _where(agent__pk__among=batches.GIVEN, status__in=(Status.ACTIVE, Status.WRAP_UP))
_all_active = _where(status=Status.ACTIVE)
_line_of = _line(department__pk__among=batches.GIVEN)
_whole_line = _line()


def _concerned(asked: Asked) -> tuple[dict[int, Fingerprint], dict[int, Fingerprint]]:
    """Everything that a screen here shows or should show, and what was shown here and has left all lists: taken on
    another process, closed, transferred. Four queries at most, whose text never changes."""
    found: dict[int, Fingerprint] = {}
    gone: dict[int, Fingerprint] = {}
    if asked.agents:
        found |= _keyed(_in_hand.rows(asked.agents))
        found |= _keyed(_whole_line.rows() if asked.sees_all else _line_of.rows(asked.departments))
    if asked.sees_all:
        found |= _keyed(_all_active.rows())
    rest = (asked.joined | asked.told.keys()) - found.keys()
    for pk, now in _keyed(_these.rows(rest)).items():
        (found if pk in asked.joined else gone)[pk] = now
    return found, gone


def _keyed(stored: list[Any]) -> dict[int, Fingerprint]:
    return {pk: Fingerprint(*rest) for pk, *rest in stored}


def _missed_notes(asked: Asked) -> list[Event]:
    """Recent notes of what is open on a console here. A screen that has one already knows it by its id."""
    if not asked.watched:
        return []
    recent = (
        Note.objects.filter(conversation__in=asked.watched, at__gte=asked.since)
        .exclude(pk__in=asked.told_notes)
        .select_related("author", "conversation")
        .order_by("pk")
    )
    return [
        NoteAdded(
            note.conversation_id,
            rows.note_of(note, note.conversation),
            note.conversation.agent_id,
        )
        for note in recent[: protocol.PAGE_OF_MESSAGES]
    ]


async def tell_places(hub: "Hub") -> None:
    """Tells waiting visitors their place in the queue, when it has changed."""
    waiting = {
        pk: [socket for socket in sockets if socket.is_waiting] for pk, sockets in hub.visitors.items()
    }
    pks = [pk for pk, sockets in waiting.items() if sockets]
    if not pks:
        return
    places = await in_thread(selectors.queue_places, pks)
    for pk, frame in places.items():
        for socket in waiting[pk]:
            socket.tell_place(frame)


async def _check_owners(hub: "Hub") -> None:
    """Ends the boxes that hear a conversation which has been handed to another visitor, one who has signed in."""
    owners = {
        (socket, pk): socket.visitor.pk
        for pk, sockets in hub.visitors.items()
        for socket in sockets
        if socket.visitor is not None
    }
    if not owners:
        return
    stored = await in_thread(selectors.visitors_of, {pk for _, pk in owners})
    for (socket, pk), owner in owners.items():
        # Who has become somebody else meanwhile is looked at in the next round.
        is_same = socket.visitor is not None and socket.visitor.pk == owner
        if is_same and socket in hub.visitors.get(pk, ()) and stored.get(pk) != owner:
            socket.lost_conversation()


async def _check_rights(hub: "Hub") -> None:
    """Ends the consoles whose rights have ended, and closes conversations that may no longer be read in one."""
    sockets = tuple(hub.staff)
    if not sockets:
        return
    connections = {
        socket: rights.Connection(socket.session_key, socket.staff_id, socket.role, socket.departments)
        for socket in sockets
    }
    revoked = await in_thread(rights.revoked, set(connections.values()))
    open_ones = [socket for socket in sockets if connections[socket] not in revoked]
    await in_thread(presence.renew, list({socket.staff_id for socket in open_ones}))
    for socket in sockets:
        if connections[socket] in revoked:
            socket.end("access_revoked")
    for socket in open_ones:
        if socket.watched and not socket.sees_all:
            watched = dict(socket.watched)
            readable = await in_thread(access.readable, socket.staff, list(watched.values()))
            for uuid, pk in watched.items():
                if pk not in readable and socket.watched.pop(uuid, None) is not None:
                    hub.unwatch(pk, socket)
