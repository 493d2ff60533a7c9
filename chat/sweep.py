"""The sweep: every second or two each process asks the database what the doorbell may have missed.

This bounds the delay when the channel layer is down, flushed or full, and is why it can be lost without losing a
message. It also tells waiting visitors their place, and ends the consoles of staff whose rights have ended.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Q

from accounts import access, presence
from chat import protocol, rows, selectors
from chat.db import in_thread
from chat.models import Conversation, Message, Status
from chat.protocol import ConversationChanged, Event, MessagePosted, Row

if TYPE_CHECKING:
    from chat.delivery import Hub

logger = logging.getLogger(__name__)

RIGHTS_EVERY = 2
PLACES_EVERY = 2
# Waiting conversations that a console shows, and so the sweep looks after.
MAX_WAITING = 200

Fingerprint = tuple[int, str, int | None, int, int]


async def sweep(hub: "Hub") -> None:
    """Runs for the life of the process."""
    known: dict[int, Fingerprint] = {}
    rounds = 0
    while True:
        await asyncio.sleep(settings.SWEEP_SECONDS)
        rounds += 1
        try:
            known = await _heal(hub, known)
            if rounds % PLACES_EVERY == 0:
                await tell_places(hub)
            if rounds % RIGHTS_EVERY == 0:
                await _check_rights(hub)
        except Exception as error:
            # The database is away: the next round tries again.
            logger.warning("a sweep failed: %s", type(error).__name__)


async def _heal(hub: "Hub", known: dict[int, Fingerprint]) -> dict[int, Fingerprint]:
    joined = list(hub.visitors.keys() | hub.watchers.keys())
    agents = list({socket.staff_id for socket in hub.staff})
    if not joined and not agents:
        return {}
    heads = dict(hub.heads)
    found, events = await in_thread(_changes, joined, agents, known, heads)
    for event in events:
        if isinstance(event, MessagePosted):
            # Not behind the head as it is now: what came by the doorbell meanwhile is not sent again.
            if event.message.seq <= hub.heads.get(event.pk, 0):
                continue
            hub.heads[event.pk] = event.message.seq - 1
        hub.route([event])
    return found


def _changes(
    joined: list[int], agents: list[int], known: dict[int, Fingerprint], heads: dict[int, int]
) -> tuple[dict[int, Fingerprint], list[Event]]:
    """What has changed since `known`, as events; and what is known now. Two queries when nothing has."""
    columns = ("pk", "last_seq", "status", "agent_id", "department_id", "unread_by_agent")
    found: dict[int, Fingerprint] = {}
    mine = Q(pk__in=joined)
    if agents:
        mine |= Q(agent__in=agents) & ~Q(status=Status.CLOSED)
    for pk, *rest in Conversation.objects.filter(mine).values_list(*columns).order_by():
        found[pk] = tuple(rest)
    if agents:
        waiting = Conversation.objects.filter(status=Status.WAITING).order_by("-priority", "waiting_since")
        for pk, *rest in waiting.values_list(*columns)[:MAX_WAITING]:
            found[pk] = tuple(rest)
    changed = [pk for pk, now in found.items() if known.get(pk, now) != now or heads.get(pk, now[0]) < now[0]]
    if not changed:
        return found, []
    current: dict[int, Row] = {
        values["id"]: rows.row_of(values)
        for values in Conversation.objects.filter(pk__in=changed).values(*rows.ROW_FIELDS)
    }
    events: list[Event] = []
    for pk in changed:
        row, before = current[pk], known.get(pk, found[pk])
        if before[1:4] != found[pk][1:4]:
            events.append(ConversationChanged(pk, row, before[1], before[2], before[3]))
        if pk in heads and heads[pk] < row.last_seq:
            missed = Message.objects.filter(conversation=pk, seq__gt=heads[pk]).order_by("seq")
            for values in missed.values(*rows.MESSAGE_FIELDS)[: protocol.PAGE_OF_MESSAGES]:
                events.append(MessagePosted(pk, rows.message_of(values), row))
        elif before != found[pk]:
            events.append(ConversationChanged(pk, row, before[1], before[2], before[3]))
    return found, events


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


async def _check_rights(hub: "Hub") -> None:
    if not hub.staff:
        return
    sockets = {socket.session_key: socket for socket in hub.staff}
    await in_thread(presence.renew, list({socket.staff_id for socket in hub.staff}))
    gone = await in_thread(
        access.revoked, [(key, socket.staff_id, socket.role) for key, socket in sockets.items()]
    )
    for socket in tuple(hub.staff):
        if socket.session_key in gone:
            socket.end("access_revoked")
