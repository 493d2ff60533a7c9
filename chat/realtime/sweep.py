"""The sweep: every second or two, each process queries the database for changes whose notification was lost.

The sweep limits the delay of messages when the channel layer is down, flushed or full, so no message is lost when the
layer fails. The sweep also sends waiting visitors their queue position, and ends the sockets of people who are no
longer allowed to receive events: staff whose rights have ended, and visitors whose token is void or whose conversation
now belongs to another visitor.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings
from django.utils import timezone

from accounts import access as rights
from accounts import presence
from chat import access, selectors
from chat.actions import visitor_presence
from chat.protocol import MessagePosted
from chat.realtime import metrics
from chat.realtime.sweep_queries import SweepCursor, SweepRequest, SweepResult, find_missed
from core.database_threads import in_thread

if TYPE_CHECKING:
    from chat.realtime.delivery import Hub
    from chat.realtime.subscriptions import VisitorSocket

T = TypeVar("T")

logger = logging.getLogger(__name__)

# The number of rounds after which each of these parts of the sweep runs again.
ACCESS_EVERY = 2
POSITIONS_EVERY = 2
PRESENCE_EVERY = 10
LISTENING_EVERY = 10
# After this number of rounds, the sweep examines everything. The other rounds examine only changes. A
# change that they miss is found within half a minute.
EVERYTHING_EVERY = 20


async def sweep(hub: "Hub") -> None:
    """Run the sweep at regular intervals as long as the process lives."""
    rounds = 0
    cursor = SweepCursor(timezone.now())
    # The snapshot of the database at the last check of rights and tokens.
    checked = ""
    while True:
        await asyncio.sleep(settings.SWEEP_SECONDS)
        rounds += 1
        is_full = rounds % EVERYTHING_EVERY == 0
        if is_full:
            hub.touched.update(hub.visitors, hub.watchers)
        cursor = await _log_failure(_send_missed, hub, cursor) or cursor
        await _log_failure(record_visitors, hub)
        if rounds % POSITIONS_EVERY == 0:
            await _log_failure(send_queue_positions, hub)
        is_due = rounds % ACCESS_EVERY == 0 and (is_full or not checked or cursor.snapshot != checked)
        if is_due and await _log_failure(_check_access, hub):
            checked = cursor.snapshot
        # The first round takes the lease, so that the visitors of this process count as connected.
        if rounds % PRESENCE_EVERY == 1:
            await _log_failure(_renew_presence, hub)
        if rounds % LISTENING_EVERY == 0:
            hub.show_that_it_listens()


async def _log_failure(part: Callable[..., Awaitable[T]], *arguments: object) -> T | None:
    """Run one part of a round and return its result, or None if it failed. The other parts still run."""
    try:
        return await part(*arguments)
    except Exception as error:
        # Usually the database is unavailable. The next round tries again.
        logger.warning("a sweep failed: %s: %s", getattr(part, "__name__", ""), type(error).__name__)
        return None


async def _send_missed(hub: "Hub", cursor: SweepCursor) -> SweepCursor:
    """Push the changes that the screens of this process have missed, and return where the next round starts."""
    touched, hub.touched = hub.touched, set()
    loaded_only, hub.loaded_only = hub.loaded_only, set()
    request = SweepRequest(
        joined=frozenset(hub.visitors.keys() | hub.watchers.keys()),
        watched=frozenset(hub.watchers),
        agents=frozenset(socket.staff_id for socket in hub.staff),
        departments=frozenset().union(*(socket.departments for socket in hub.staff)),
        sees_all=any(socket.sees_all for socket in hub.staff),
        heads=dict(hub.heads),
        sent_rows=dict(hub.sent_rows),
        sent_notes=frozenset(hub.sent_notes),
        touched=frozenset(touched),
        loaded_only=frozenset(loaded_only),
        cursor=cursor,
        at=timezone.now(),
    )
    try:
        result = await in_thread(find_missed, request)
    except BaseException:
        hub.touched |= touched
        hub.loaded_only |= loaded_only
        raise
    _check_owners(hub, result)
    # Keep a row that was sent while the query ran. If it is older than the row in the database, the next round detects
    # that.
    for pk in result.unlisted:
        if pk in request.sent_rows and hub.sent_rows.get(pk) == request.sent_rows[pk]:
            del hub.sent_rows[pk]
    for pk, row in result.rows.items():
        if hub.sent_rows.get(pk) == request.sent_rows.get(pk):
            hub.sent_rows[pk] = row
    for event in result.events:
        if isinstance(event, MessagePosted):
            # Skip a message that arrived by notification while the query ran.
            if event.message.seq <= hub.heads.get(event.pk, event.message.seq):
                continue
            hub.heads[event.pk] = event.message.seq - 1
            metrics.sweep_repairs.inc()
        hub.route([event])
    for note in request.sent_notes - result.notes:
        hub.sent_notes.discard(note)
    return result.cursor


def _check_owners(hub: "Hub", result: SweepResult) -> None:
    """Close the visitor sockets whose conversation now belongs to another visitor, because its visitor signed in."""
    for pk, owner in result.owners.items():
        # Skip a conversation that was touched while the query ran: it may have moved to another visitor since. The next
        # round examines it.
        if pk in hub.touched:
            continue
        for socket in tuple(hub.visitors.get(pk, ())):
            if socket.visitor is not None and socket.visitor.pk != owner:
                hub.touched.add(pk)
                socket.lost_conversation()


async def _check_access(hub: "Hub") -> bool:
    """End the sockets of people who are no longer allowed to receive events.

    Always returns True, so that the caller can tell success from the None that `_log_failure` returns.
    """
    await _check_rights(hub)
    await _check_tokens(hub)
    return True


async def _check_tokens(hub: "Hub") -> None:
    """End the widgets of visitors who have signed in or logged out, in case the notification was lost."""
    if not hub.widgets:
        return
    generations = await in_thread(selectors.token_generations, list(hub.widgets))
    for visitor, generation in generations.items():
        for widget in tuple(hub.widgets.get(visitor, ())):
            widget.tokens_voided(generation)


async def send_queue_positions(hub: "Hub") -> None:
    """Send waiting visitors their position in the queue if it has changed."""
    waiting: dict[int, list[VisitorSocket]] = {}
    for pk, sockets in hub.visitors.items():
        for socket in sockets:
            if socket.is_waiting:
                waiting.setdefault(pk, []).append(socket)
    if not waiting:
        return
    positions = await in_thread(selectors.queue_positions, list(waiting))
    for pk, position in positions.items():
        for socket in waiting[pk]:
            socket.send_position(position)


async def _check_rights(hub: "Hub") -> None:
    """End the consoles of staff whose rights have ended.

    For the other consoles, unsubscribe from conversations that the person is no longer allowed to follow, and subscribe
    again to those that the person may follow again.
    """
    sockets = tuple(hub.staff)
    if not sockets:
        return
    connections = {
        socket: rights.Connection(socket.session_key, socket.staff_id, socket.role, socket.departments)
        for socket in sockets
    }
    revoked = await in_thread(rights.rights_lost, set(connections.values()))
    for socket in sockets:
        if connections[socket] in revoked:
            socket.end("access_revoked")
    for socket in sockets:
        if connections[socket] in revoked or socket.sees_all:
            continue
        watched = {uuid: pk for uuid, pk in socket.watched.items() if not hub.is_own(pk, socket)}
        shown = {**watched, **socket.parked}
        if not shown:
            continue
        followable = await in_thread(access.followable_ids, socket.staff, list(shown.values()))
        for uuid, pk in shown.items():
            if pk not in followable:
                socket.park(uuid)
            elif uuid in socket.parked:
                await socket.watch_again(uuid)


async def record_visitors(hub: "Hub") -> None:
    """Record which visitors have connected to this process and which have left it.

    A visitor who comes back within a round, for example by a reload, has not left.
    """
    before = timezone.now() - timedelta(seconds=settings.SWEEP_SECONDS)
    left = {pk: at for pk, at in hub.left.items() if at <= before}
    if not hub.arrived and not left:
        return
    arrived, hub.arrived = hub.arrived, set()
    try:
        await in_thread(visitor_presence.record, hub.process, arrived, left)
    except BaseException:
        hub.arrived |= arrived & hub.visitors.keys()
        raise
    for pk, at in left.items():
        if hub.left.get(pk) == at:
            del hub.left[pk]


async def _renew_presence(hub: "Hub") -> None:
    """Renew the lease of this process, and the presence of staff whose consoles are connected."""
    await in_thread(visitor_presence.renew_lease, hub.process)
    if hub.staff:
        await in_thread(presence.renew, list({socket.staff_id for socket in hub.staff}))
