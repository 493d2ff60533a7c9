"""What of the demo's day is over, what goes on and what waits, seen from a moment."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.utils import timezone

from demo.dialogues import Dialogue, Turn

# Words by which one hears what time it is, and how far off they may be.
HOURS = re.compile(
    r"早上好|上午好|中午好|下午好|晚上好|夜里好|晚安|[一二三四五六七八九十两\d]点"
    r"|[Gg]ood (morning|afternoon|evening|night)|\d ?[ap]m\b"
)
NEAR_MINUTES = 40
# Nothing of the past reaches into the time of what goes on now.
QUIET = timedelta(minutes=30)
END_SECONDS, CLOSE_SECONDS, RATE_SECONDS = 4, 40, 25
# How long ago the last word was said, in what goes on now and in what is waiting.
ACTIVE_AGENTS = ("lin", "lin", "lin", "zhao", "sun")
ACTIVE_SECONDS_AGO = (35, 80, 15, 50, 110)
WAITING_DEPARTMENTS = ("cards", "digital", "loans", "general")
WAITING_SECONDS_AGO = (150, 95, 60, 20)


@dataclass(frozen=True)
class Scene:
    """A dialogue that begins at `at`. With `until` it stops before that turn and stays open."""

    dialogue: Dialogue
    at: datetime
    until: int | None = None
    visitor: UUID | None = None

    @property
    def turns(self) -> list[Turn]:
        return self.dialogue.turns[: self.until]


def plan(pool: list[Dialogue], now: datetime) -> tuple[list[Scene], list[Scene], list[Scene]]:
    """What is over, what goes on and what waits at `now`. Each dialogue stands in one of them, once.

    What goes on now is what belongs to this time of day: nobody says good night at noon. And a newcomer is not
    greeted by an insult.
    """
    by_time = sorted(filter(_may_be_open, pool), key=lambda dialogue: _strangeness(dialogue, now))
    active: list[Scene] = []
    for agent, seconds_ago in zip(ACTIVE_AGENTS, ACTIVE_SECONDS_AGO, strict=True):
        dialogue = next(found for found in by_time if found.agent == agent and _can_go_on(found))
        by_time.remove(dialogue)
        until = _middle_of(dialogue)
        lasted = sum(turn.after for turn in dialogue.turns[:until])
        active.append(Scene(dialogue, now - timedelta(seconds=seconds_ago + lasted), until, uuid4()))
    waiting: list[Scene] = []
    for department, seconds_ago in zip(WAITING_DEPARTMENTS, WAITING_SECONDS_AGO, strict=True):
        fits = [found for found in by_time if found.department == department and found.agent]
        if department == WAITING_DEPARTMENTS[-1] and not any(map(_may_return, active + waiting)):
            # At every hour somebody is here who has been here before.
            fits = [found for found in fits if found.level == "claimed"] or fits
        dialogue = fits[0]
        by_time.remove(dialogue)
        until = next(index for index, turn in enumerate(dialogue.turns) if turn.by != "visitor")
        lasted = sum(turn.after for turn in dialogue.turns[:until])
        waiting.append(Scene(dialogue, now - timedelta(seconds=seconds_ago + lasted), until, uuid4()))
    over = by_time + [dialogue for dialogue in pool if not _may_be_open(dialogue)]
    past = sorted(
        (Scene(dialogue, _last_time(dialogue, now)) for dialogue in over), key=lambda scene: scene.at
    )
    return _with_returning(past, active + waiting), active, waiting


def _strangeness(dialogue: Dialogue, now: datetime) -> tuple[bool, int]:
    """How odd it would be now, the least first."""
    minutes = _minutes_between(dialogue, now)
    names_hour = any(HOURS.search(turn.text) for turn in dialogue.turns)
    return dialogue.wrap_up == "abuse" or (names_hour and minutes > NEAR_MINUTES), minutes


def _minutes_between(dialogue: Dialogue, now: datetime) -> int:
    local = timezone.localtime(now)
    apart = abs((dialogue.starts_at.hour - local.hour) * 60 + dialogue.starts_at.minute - local.minute)
    return min(apart, 24 * 60 - apart)


def _last_time(dialogue: Dialogue, now: datetime) -> datetime:
    """The last day on which it began at its time of day and is over by now."""
    start = dialogue.starts_at
    at = timezone.localtime(now).replace(hour=start.hour, minute=start.minute, second=0, microsecond=0)
    over = timedelta(seconds=dialogue.seconds + END_SECONDS + CLOSE_SECONDS + RATE_SECONDS) + QUIET
    return at if at + over < now else at - timedelta(days=1)


def _may_be_open(dialogue: Dialogue) -> bool:
    """Return whether it may be going on or waiting now. Editors see the questions that no point answers, and what
    customers said of an answer, at every hour: those dialogues are always over."""
    return not any(turn.unanswered or turn.helped is not None for turn in dialogue.turns)


def _can_go_on(dialogue: Dialogue) -> bool:
    return len(dialogue.turns) >= 8 and all(turn.by != "transfer" for turn in dialogue.turns)


def _middle_of(dialogue: Dialogue) -> int:
    """Just past a visitor's turn after half of it: somebody expects an answer."""
    half = len(dialogue.turns) // 2
    return next(
        index + 1 for index, turn in enumerate(dialogue.turns) if index >= half and turn.by == "visitor"
    )


def _may_return(scene: Scene) -> bool:
    """Return whether they give a name now, and may have given none the time before."""
    return scene.dialogue.level == "claimed"


def _with_returning(past: list[Scene], now: list[Scene]) -> list[Scene]:
    """Lets those who are here now and gave no name the time before have been here before, where languages agree."""
    nameless = [scene for scene in past if scene.dialogue.level == "anonymous" and scene.dialogue.agent]
    earlier: dict[str, UUID | None] = {}
    for scene in now:
        if not _may_return(scene):
            continue
        match = next(
            (
                found
                for found in nameless
                if found.dialogue.id not in earlier and found.dialogue.language == scene.dialogue.language
            ),
            None,
        )
        if match is not None:
            earlier[match.dialogue.id] = scene.visitor
    return [replace(scene, visitor=earlier.get(scene.dialogue.id)) for scene in past]
