"""Decides which dialogues of the demo are over, active or waiting at a given time."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.utils import timezone

from demo.dialogues import Dialogue, Turn

# Words that reveal the time of day. A dialogue with such words may be open only if its own time of day differs from now
# by at most MAX_MINUTES_APART.
TIME_WORDS = re.compile(
    r"早上好|上午好|中午好|下午好|晚上好|夜里好|晚安|[一二三四五六七八九十两\d]点"
    r"|[Gg]ood (morning|afternoon|evening|night)|\d ?[ap]m\b"
)
MAX_MINUTES_APART = 40
# Past dialogues end at least this long before now, so that they do not overlap with open ones.
QUIET_PERIOD = timedelta(minutes=30)
END_SECONDS, CLOSE_SECONDS, RATE_SECONDS = 4, 40, 25
# The agents of the active conversations, and the departments of the waiting ones. The SECONDS_AGO tuples give, in the
# same order, the seconds since each conversation's last message.
ACTIVE_AGENTS = ("lin", "lin", "lin", "zhao", "sun")
ACTIVE_SECONDS_AGO = (35, 80, 15, 50, 110)
WAITING_DEPARTMENTS = ("cards", "digital", "loans", "general")
WAITING_SECONDS_AGO = (150, 95, 60, 20)


@dataclass(frozen=True)
class Scene:
    """A dialogue that starts at the time `at`.

    If `until` is given, the dialogue stops before the turn with that index, and the conversation stays open.
    """

    dialogue: Dialogue
    at: datetime
    until: int | None = None
    visitor: UUID | None = None

    @property
    def turns(self) -> list[Turn]:
        return self.dialogue.turns[: self.until]


def plan(pool: list[Dialogue], now: datetime) -> tuple[list[Scene], list[Scene], list[Scene]]:
    """Divide the dialogues into past, active and waiting scenes at the time `now`. Each dialogue is used once.

    Open dialogues (active or waiting) fit the time of day, so that nobody says good night at noon. Abusive dialogues
    are not left open, so that the first thing a new user sees is not an insult.
    """
    by_time = sorted(filter(_may_be_open, pool), key=lambda dialogue: _mismatch(dialogue, now))
    active: list[Scene] = []
    for agent, seconds_ago in zip(ACTIVE_AGENTS, ACTIVE_SECONDS_AGO, strict=True):
        dialogue = next(
            candidate for candidate in by_time if candidate.agent == agent and _can_go_on(candidate)
        )
        by_time.remove(dialogue)
        until = _middle_of(dialogue)
        lasted = sum(turn.after for turn in dialogue.turns[:until])
        active.append(Scene(dialogue, now - timedelta(seconds=seconds_ago + lasted), until, uuid4()))
    waiting: list[Scene] = []
    for department, seconds_ago in zip(WAITING_DEPARTMENTS, WAITING_SECONDS_AGO, strict=True):
        fitting = [
            candidate for candidate in by_time if candidate.department == department and candidate.agent
        ]
        if department == WAITING_DEPARTMENTS[-1] and not any(map(_may_return, active + waiting)):
            # At least one visitor of an open dialogue must have an earlier conversation, whatever the time of day.
            fitting = [candidate for candidate in fitting if candidate.level == "claimed"] or fitting
        dialogue = fitting[0]
        by_time.remove(dialogue)
        until = next(index for index, turn in enumerate(dialogue.turns) if turn.by != "visitor")
        lasted = sum(turn.after for turn in dialogue.turns[:until])
        waiting.append(Scene(dialogue, now - timedelta(seconds=seconds_ago + lasted), until, uuid4()))
    over = by_time + [dialogue for dialogue in pool if not _may_be_open(dialogue)]
    past = sorted(
        (Scene(dialogue, _last_time(dialogue, now)) for dialogue in over), key=lambda scene: scene.at
    )
    return _with_returning_visitors(past, active + waiting), active, waiting


def _mismatch(dialogue: Dialogue, now: datetime) -> tuple[bool, int]:
    """Return a sort key. With it, dialogues that fit the current time of day come first."""
    minutes = _minutes_between(dialogue, now)
    names_hour = any(TIME_WORDS.search(turn.text) for turn in dialogue.turns)
    return dialogue.wrap_up == "abuse" or (names_hour and minutes > MAX_MINUTES_APART), minutes


def _minutes_between(dialogue: Dialogue, now: datetime) -> int:
    local = timezone.localtime(now)
    apart = abs((dialogue.starts_at.hour - local.hour) * 60 + dialogue.starts_at.minute - local.minute)
    return min(apart, 24 * 60 - apart)


def _last_time(dialogue: Dialogue, now: datetime) -> datetime:
    """Return the latest time before `now` at which the dialogue can start at its time of day and end before `now`."""
    start = dialogue.starts_at
    at = timezone.localtime(now).replace(hour=start.hour, minute=start.minute, second=0, microsecond=0)
    needed = timedelta(seconds=dialogue.seconds + END_SECONDS + CLOSE_SECONDS + RATE_SECONDS) + QUIET_PERIOD
    return at if at + needed < now else at - timedelta(days=1)


def _may_be_open(dialogue: Dialogue) -> bool:
    """Return whether the dialogue may be active or waiting now.

    Dialogues with an unanswered question or with feedback on a point are always over, so that editors see these data at
    any time of day.
    """
    return not any(turn.unanswered or turn.helped is not None for turn in dialogue.turns)


def _can_go_on(dialogue: Dialogue) -> bool:
    return len(dialogue.turns) >= 8 and all(turn.by != "transfer" for turn in dialogue.turns)


def _middle_of(dialogue: Dialogue) -> int:
    """Return the index of a turn in the second half of the dialogue, just after a turn of the visitor.

    If the conversation stops there, the visitor is waiting for an answer.
    """
    half = len(dialogue.turns) // 2
    return next(
        index + 1 for index, turn in enumerate(dialogue.turns) if index >= half and turn.by == "visitor"
    )


def _may_return(scene: Scene) -> bool:
    """Return whether the visitor of this scene states a name. Such a visitor may have an earlier, anonymous
    conversation."""
    return scene.dialogue.level == "claimed"


def _with_returning_visitors(past: list[Scene], now: list[Scene]) -> list[Scene]:
    """Return the past scenes, after assigning an anonymous one to each visitor in `now` who states a name.

    Both scenes of a visitor are in the same language. The console then shows a returning visitor.
    """
    nameless = [scene for scene in past if scene.dialogue.level == "anonymous" and scene.dialogue.agent]
    earlier: dict[str, UUID | None] = {}
    for scene in now:
        if not _may_return(scene):
            continue
        match = next(
            (
                candidate
                for candidate in nameless
                if candidate.dialogue.id not in earlier
                and candidate.dialogue.language == scene.dialogue.language
            ),
            None,
        )
        if match is not None:
            earlier[match.dialogue.id] = scene.visitor
    return [replace(scene, visitor=earlier.get(scene.dialogue.id)) for scene in past]
