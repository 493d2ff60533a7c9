"""The sweep: every second or two each process asks the database what the doorbell may have missed.

This bounds the delay when the channel layer is down, flushed or full, and is why it can be lost without losing a
message. It also tells waiting visitors their place, and ends the sockets of those who may no longer hear: staff whose
rights have ended, visitors whose conversation has become another's or whose token is void.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings
from django.utils import timezone

from accounts import access as rights
from accounts import presence
from chat import access, selectors
from chat.protocol import MessagePosted
from chat.realtime import metrics
from chat.realtime.sweep_queries import SweepCursor, SweepRequest, SweepResult, find_missed
from core.database_threads import in_thread

if TYPE_CHECKING:
    from chat.realtime.delivery import Hub
    from chat.realtime.subscriptions import VisitorSocket

T = TypeVar("T")

logger = logging.getLogger(__name__)

RIGHTS_EVERY = 2
POSITIONS_EVERY = 2
TOKENS_EVERY = 2
# In between a round looks only at what has changed; should that ever be wrong, it is so for half a minute.
EVERYTHING_EVERY = 20


async def sweep(hub: "Hub") -> None:
    """Runs for the life of the process."""
    rounds = 0
    seen = SweepCursor(timezone.now())
    while True:
        await asyncio.sleep(settings.SWEEP_SECONDS)
        rounds += 1
        if rounds % EVERYTHING_EVERY == 0:
            hub.touched.update(hub.visitors, hub.watchers)
        seen = await _log_failure(_send_missed, hub, seen) or seen
        if rounds % POSITIONS_EVERY == 0:
            await _log_failure(send_queue_positions, hub)
        if rounds % RIGHTS_EVERY == 0:
            await _log_failure(_check_rights, hub)
        if rounds % TOKENS_EVERY == 0:
            await _log_failure(_check_tokens, hub)


async def _log_failure(part: Callable[..., Awaitable[T]], *arguments: object) -> T | None:
    """What that part of the round gives. One that fails does not keep the others from their turn."""
    try:
        return await part(*arguments)
    except Exception as error:
        # The database is away: the next round tries again.
        logger.warning("a sweep failed: %s: %s", getattr(part, "__name__", ""), type(error).__name__)
        return None


async def _send_missed(hub: "Hub", seen: SweepCursor) -> SweepCursor:
    touched, hub.touched = hub.touched, set()
    noted, hub.noted = hub.noted, set()
    asked = SweepRequest(
        joined=frozenset(hub.visitors.keys() | hub.watchers.keys()),
        watched=frozenset(hub.watchers),
        agents=frozenset(socket.staff_id for socket in hub.staff),
        departments=frozenset().union(*(socket.departments for socket in hub.staff)),
        sees_all=any(socket.sees_all for socket in hub.staff),
        heads=dict(hub.heads),
        told=dict(hub.told),
        told_notes=frozenset(hub.told_notes),
        touched=frozenset(touched),
        noted=frozenset(noted),
        seen=seen,
        at=timezone.now(),
    )
    try:
        looked = await in_thread(find_missed, asked)
    except BaseException:
        hub.touched |= touched
        hub.noted |= noted
        raise
    _check_owners(hub, looked)
    # What was routed meanwhile stands: if that was the older, the next round sees it.
    for pk in looked.gone:
        if pk in asked.told and hub.told.get(pk) == asked.told[pk]:
            del hub.told[pk]
    for pk, now in looked.found.items():
        if hub.told.get(pk) == asked.told.get(pk):
            hub.told[pk] = now
    for event in looked.events:
        if isinstance(event, MessagePosted):
            # Not behind the head as it is now: what came by the doorbell meanwhile is not sent again.
            if event.message.seq <= hub.heads.get(event.pk, event.message.seq):
                continue
            hub.heads[event.pk] = event.message.seq - 1
            metrics.sweep_repairs.inc()
        hub.route([event])
    for note in asked.told_notes - looked.notes:
        hub.told_notes.discard(note)
    return looked.seen


def _check_owners(hub: "Hub", looked: SweepResult) -> None:
    """Ends the boxes that hear a conversation which has been handed to another visitor, one who has signed in."""
    for pk, owner in looked.visitors.items():
        # Who has become somebody else meanwhile is looked at in the next round.
        if pk in hub.touched:
            continue
        for socket in tuple(hub.visitors.get(pk, ())):
            if socket.visitor is not None and socket.visitor.pk != owner:
                hub.touched.add(pk)
                socket.lost_conversation()


async def _check_tokens(hub: "Hub") -> None:
    """Ends the boxes of visitors who have signed in or logged out since, where the doorbell did not say so."""
    if not hub.boxes:
        return
    generations = await in_thread(selectors.token_generations, list(hub.boxes))
    for visitor, generation in generations.items():
        for box in tuple(hub.boxes.get(visitor, ())):
            box.tokens_voided(generation)


async def send_queue_positions(hub: "Hub") -> None:
    """Tells waiting visitors their place in the queue, when it has changed."""
    waiting: dict[int, list[VisitorSocket]] = {}
    for pk, sockets in hub.visitors.items():
        for socket in sockets:
            if socket.is_waiting:
                waiting.setdefault(pk, []).append(socket)
    if not waiting:
        return
    places = await in_thread(selectors.queue_positions, list(waiting))
    for pk, frame in places.items():
        for socket in waiting[pk]:
            socket.tell_place(frame)


async def _check_rights(hub: "Hub") -> None:
    """Ends the consoles whose rights have ended, and closes conversations that may no longer be read in one."""
    sockets = tuple(hub.staff)
    if not sockets:
        return
    connections = {
        socket: rights.Connection(socket.session_key, socket.staff_id, socket.role, socket.departments)
        for socket in sockets
    }
    revoked = await in_thread(rights.rights_lost, set(connections.values()))
    open_ones = [socket for socket in sockets if connections[socket] not in revoked]
    await in_thread(presence.renew, list({socket.staff_id for socket in open_ones}))
    for socket in sockets:
        if connections[socket] in revoked:
            socket.end("access_revoked")
    for socket in open_ones:
        if socket.watched and not socket.sees_all:
            watched = dict(socket.watched)
            audible = await in_thread(access.followable_ids, socket.staff, list(watched.values()))
            for uuid, pk in watched.items():
                if pk not in audible and socket.watched.pop(uuid, None) is not None:
                    hub.unwatch(pk, socket)
