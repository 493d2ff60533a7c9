"""The record of why an agent got a conversation: the rule, the candidates with their load, and who was next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from chat.protocol import stamp

MAX_CANDIDATES = 8


@dataclass(frozen=True, slots=True)
class CandidateRecord:
    """An agent who could have got the conversation, with the state at that moment.

    `level` is the level of the required skill, or 0. `last_assigned_at` is None if the agent never got a conversation.
    """

    id: int
    number: str
    name: str
    load: int
    capacity: int
    level: int
    last_assigned_at: datetime | None


@dataclass(slots=True)
class Explanation:
    """Why an agent was chosen. `candidates` has the chosen agent first, then those who were next, at most
    MAX_CANDIDATES; `candidate_count` counts all.

    `left_out` counts the agents of the department who were no candidates, by reason: full, offered (has an open
    offer), paused, skill, tried, restricted.
    """

    rule: str
    waited_seconds: int
    candidates: Sequence[CandidateRecord] = ()
    candidate_count: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the explanation as it is stored."""
        return {
            "rule": self.rule,
            "waited_seconds": self.waited_seconds,
            "candidates": [
                {
                    "id": one.id,
                    "number": one.number,
                    "name": one.name,
                    "load": one.load,
                    "capacity": one.capacity,
                    "level": one.level,
                    "last_assigned_at": stamp(one.last_assigned_at) if one.last_assigned_at else None,
                }
                for one in self.candidates
            ],
            "candidate_count": self.candidate_count,
            "left_out": dict(self.left_out),
        }


def by_hand(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the explanation of a conversation that an agent took by hand."""
    waited = max(0, round((timezone.now() - row["waiting_since"]).total_seconds()))
    return Explanation("by_hand", waited).as_json()
