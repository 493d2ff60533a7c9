"""The presence of visitors: to which server process they are connected, and since when they have been away.

Each server process holds a lease. If it is killed, its lease expires, and its visitors count as away.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.db import transaction
from django.utils import timezone

from chat import access, batch_statements
from chat.actions import abandonment, events
from chat.models import OPEN, RESUMABLE, Conversation, Status
from chat.protocol import Event
from chat.realtime import delivery
from core import database_clock, leases

LEASE_PREFIX = "process/"
LEASE_SECONDS = 60
# Seconds for which a process must be without a lease before its visitors count as away. A process that has just
# started, or that could not reach the database, takes its lease within this time.
DEAD_AFTER_SECONDS = 20
# Seconds after which expired leases are deleted.
FORGOTTEN_AFTER_SECONDS = 3600

_presence = batch_statements.PreparedSelect(
    lambda: (
        Conversation.objects.filter(pk__among=batch_statements.PARAM, status__in=RESUMABLE)
        .order_by()
        .values_list("pk", "visitor_process", "visitor_away_since", "status")
    )
)


def renew_lease(process: str) -> None:
    """Take or renew the lease of a server process, which shows that it is alive. One statement."""
    leases.hold(LEASE_PREFIX + process, process, LEASE_SECONDS)


def record(process: str, arrived: Collection[int], left: Mapping[int, datetime]) -> None:
    """Record the conversations whose visitor has connected to a server process, and those whose visitor has left it.

    `left` has the time at which each visitor left. A visitor who has meanwhile connected to another process is not
    away. A visitor who has abandoned the queue and arrives in time gets the former place back. Two queries, and two
    statements for each MAX_LOCKED conversations that change.
    """

    def changes_of(pk: int, of_process: str, away_since: datetime | None) -> dict[str, Any]:
        is_here = of_process == process and away_since is None
        if pk in arrived:
            return {} if is_here else {"visitor_process": process, "visitor_away_since": None}
        return {"visitor_away_since": left[pk] + ahead} if is_here else {}

    # How far the clock of the database is ahead of the clock of this process.
    ahead = database_clock.read() - timezone.now() if left else timedelta(0)
    stored = _presence.rows({*arrived, *left})
    changed = [values[0] for *values, status in stored if status in OPEN and changes_of(*values)]
    _change_presence(changed, changes_of)
    returning = [pk for pk, *_, status in stored if pk in arrived and status == Status.ABANDONED]
    for chunk in access.in_lockable_chunks(returning):
        abandonment.bring_back(chunk, process)


class _MissingProcesses:
    """Remembers since when processes have been without a lease."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def dead(self, missing: set[str]) -> set[str]:
        """Return those of the `missing` processes that have been missing for DEAD_AFTER_SECONDS."""
        now = monotonic()
        self._since = {process: self._since.get(process, now) for process in missing}
        return {process for process, since in self._since.items() if now - since >= DEAD_AFTER_SECONDS}


_missing = _MissingProcesses()


def expire_dead_processes() -> int:
    """Record as away the visitors of processes that have had no lease for DEAD_AFTER_SECONDS. Returns their number.

    Call it every few seconds, in one process. Three queries if all processes are alive.
    """
    leases.delete_expired(LEASE_PREFIX, seconds=FORGOTTEN_AFTER_SECONDS)
    connected = Conversation.objects.filter(status__in=OPEN, visitor_away_since=None).exclude(
        visitor_process=""
    )
    processes = set(connected.order_by().values_list("visitor_process", flat=True).distinct())
    dead = _missing.dead(processes - leases.holders(LEASE_PREFIX))
    if not dead:
        return 0
    now = database_clock.read()

    def changes_of(pk: int, of_process: str, away_since: datetime | None) -> dict[str, Any]:
        return {"visitor_away_since": now} if of_process in dead and away_since is None else {}

    pks = connected.filter(visitor_process__in=dead).order_by().values_list("pk", flat=True)
    return _change_presence(list(pks), changes_of)


def _change_presence(
    pks: Sequence[int], changes_of: Callable[[int, str, datetime | None], Mapping[str, Any]]
) -> int:
    """Lock conversations and write the changes that `changes_of` returns for them. Returns the number of changes.

    Its arguments are the id, the process and the time since when the visitor is away. Consoles do not show the process,
    so a change of the process alone raises no revision.
    """
    changed = 0
    for chunk in access.in_lockable_chunks(pks):
        with transaction.atomic():
            rows: list[dict[str, Any]] = []
            announced: list[Event] = []
            for row in access.lock_conversations(chunk).values():
                changes = changes_of(row["id"], row["visitor_process"], row["visitor_away_since"])
                if row["status"] not in OPEN or not changes:
                    continue
                is_shown = changes.get("visitor_away_since") != row["visitor_away_since"]
                row.update(changes, revision=row["revision"] + is_shown)
                rows.append(row)
                if is_shown:
                    announced.append(events.row_changed(row))
            if rows:
                batch_statements.update(
                    Conversation, rows, ("visitor_process", "visitor_away_since", "revision")
                )
                delivery.announce_on_commit(*announced)
        changed += len(rows)
    return changed
