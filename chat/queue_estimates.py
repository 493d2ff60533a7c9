"""The position of a waiting visitor and the estimated waiting time. Pure functions.

The estimate is the position divided by the pace of the queue. The pace is the number of conversations that agents have
taken from this queue, divided by the time, counted only over the time for which the queue has not been empty: a queue
without customers says nothing about the agents. While there are few such numbers, the pace at which the agents could
work counts more: their capacity divided by the mean handle time.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, sqrt
from typing import Self

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from chat.protocol import QueueFrame

# The pace of a queue is measured over this time at most.
RATE_WINDOW = timedelta(minutes=30)
DEFAULT_HANDLE_TIME = timedelta(minutes=3)
# The possible pace weighs as much as this number of conversations taken.
POSSIBLE_PACE_WEIGHT = 3
# Longer estimates are not shown, because nobody can know.
MAX_MINUTES = 60


@dataclass(frozen=True, slots=True)
class Waiting:
    """A conversation that waits. `is_first_wait` means that no agent has had it yet."""

    pk: int
    is_urgent: bool
    since: datetime
    is_first_wait: bool


@dataclass(frozen=True, slots=True)
class QueuePace:
    """The pace at which agents take conversations from the queue of a department.

    `capacity` is that of the agents who are online. `per_second` is 0 if there are none. `evidence` is the number of
    conversations on which the pace is based.
    """

    capacity: int
    per_second: float
    evidence: int

    @classmethod
    def measured(
        cls,
        queue: Sequence[Waiting],
        taken: Sequence[datetime],
        capacity: int,
        handle_time: timedelta | None,
        now: datetime,
    ) -> Self:
        """Return the pace of the queue. `taken` has the times at which agents have taken a conversation from it."""
        if not capacity:
            return cls(0, 0.0, 0)
        # Urgent and transferred conversations may have waited elsewhere before.
        first_waits = (now - waiting.since for waiting in queue if waiting.is_first_wait)
        busy = min(max(first_waits, default=timedelta(0)), RATE_WINDOW)
        count = sum(at >= now - busy for at in taken)
        handle_seconds = max(1.0, (handle_time or DEFAULT_HANDLE_TIME).total_seconds())
        possible_seconds = POSSIBLE_PACE_WEIGHT * handle_seconds / capacity
        evidence = count + POSSIBLE_PACE_WEIGHT
        return cls(capacity, evidence / (busy.total_seconds() + possible_seconds), evidence)

    def seconds_until(self, place: int) -> tuple[float, float] | None:
        """Return the expected waiting time at a place, and how long it may last. None if no agent is online."""
        if not self.per_second:
            return None
        expected = place / self.per_second
        return expected, expected * (1 + min(1.0, sqrt(1 / place + 1 / self.evidence)))


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """The position of a waiting conversation, with `urgent_before` emergencies before it."""

    department: int
    place: int
    urgent_before: int
    pace: QueuePace


def positions_in(
    department: int, queue: Sequence[Waiting], pace: QueuePace, wanted: Collection[int]
) -> dict[int, QueuePosition]:
    """Return the positions of the `wanted` conversations in the queue of a department, as a dict by id."""
    positions: dict[int, QueuePosition] = {}
    urgent = 0
    for place, waiting in enumerate(queue, start=1):
        if waiting.pk in wanted:
            positions[waiting.pk] = QueuePosition(department, place, urgent, pace)
        urgent += waiting.is_urgent
    return positions


class ShownPosition:
    """The position and the estimate that a widget shows. They never rise without a reason."""

    def __init__(self) -> None:
        # The last frame that was sent, and the position for which it was sent.
        self._frame: QueueFrame | None = None
        self._position: QueuePosition | None = None

    def update(self, position: QueuePosition) -> QueueFrame | None:
        """Return the frame to send, or None if the widget already shows this position."""
        before, shown = self._position, self._frame
        if before is None or shown is None or before.department != position.department:
            frame = _frame(position)
        else:
            frame = _next_frame(position, before, shown)
        if frame == shown:
            return None
        self._position, self._frame = position, frame
        return frame


# The words for the visitor when the position or the estimate has risen, by the reason.
RISE_WORDS: dict[str, Promise] = {
    "emergency_first": _("Someone with an emergency goes first. Thank you for your patience."),
    "earlier_place": _("Someone who was already waiting before you is back in the queue."),
    "fewer_agents": _("Fewer of us are here right now, so it takes a little longer. You keep your place."),
    "slower": _("The chats before yours are taking longer than usual. You keep your place."),
}


def _frame(position: QueuePosition, reason: str = "") -> QueueFrame:
    seconds = position.pace.seconds_until(position.place)
    if seconds is None:
        return QueueFrame(position.place, None, online=False, reason=reason)
    minutes, most = map(_rounded_minutes, seconds)
    if minutes > MAX_MINUTES:
        return QueueFrame(position.place, None, online=True, reason=reason)
    most = min(most, MAX_MINUTES)
    maximum = most * 60 if most > minutes else None
    return QueueFrame(position.place, minutes * 60, online=True, estimate_max_seconds=maximum, reason=reason)


def _rounded_minutes(seconds: float) -> int:
    """Round up to whole minutes, or to five minutes if it is long, because no estimate is more exact than that."""
    minutes = max(1, ceil(seconds / 60))
    return minutes if minutes <= 10 else ceil(minutes / 5) * 5


def _next_frame(position: QueuePosition, before: QueuePosition, shown: QueueFrame) -> QueueFrame:
    frame = _frame(position)
    if position.place > shown.place:
        is_emergency = position.urgent_before > before.urgent_before
        return _frame(position, "emergency_first" if is_emergency else "earlier_place")
    if _has_risen(frame, shown):
        if position.pace.capacity < before.pace.capacity:
            return _frame(position, "fewer_agents")
        if (frame.estimate_seconds or 0) > (shown.estimate_max_seconds or 0):
            return _frame(position, "slower")
        # The estimate on the screen still holds.
        kept = shown.estimate_seconds, shown.estimate_max_seconds
        frame = QueueFrame(position.place, kept[0], online=True, estimate_max_seconds=kept[1])
    is_same = _frame_without_reason(shown) == frame
    return shown if is_same else frame


def _has_risen(frame: QueueFrame, shown: QueueFrame) -> bool:
    seconds, before = frame.estimate_seconds, shown.estimate_seconds
    return seconds is not None and before is not None and seconds > before


def _frame_without_reason(frame: QueueFrame) -> QueueFrame:
    return QueueFrame(frame.place, frame.estimate_seconds, frame.online, frame.estimate_max_seconds)
