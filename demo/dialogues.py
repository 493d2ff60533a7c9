"""Reads and validates the demo's dialogues. demo/chat.md describes their files."""

from datetime import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

FOLDER = Path(__file__).resolve().parent
LANGUAGES = ("zh", "en")


class Turn(Struct, frozen=True, forbid_unknown_fields=True):
    """One step of a dialogue: a message, a note or a transfer. It happens `after` seconds after the previous turn."""

    by: Literal["visitor", "agent", "note", "transfer"]
    text: str
    after: Annotated[int, Meta(ge=0)]
    choices: list[str] = []
    agent: str = ""
    to_department: str = ""
    to_agent: str = ""
    # `source` is the key of the knowledge point from which an agent's message was made, and `helped` is the agent's
    # feedback on that point. `unanswered` is true for a visitor's question that no point answers.
    source: str = ""
    helped: bool | None = None
    unanswered: bool = False


class Dialogue(Struct, frozen=True, forbid_unknown_fields=True):
    """One invented conversation.

    `start` is a local time of day. `agent` is a username; it is empty if the visitor left the queue before an agent
    answered.
    """

    id: str
    title: str
    department: str
    name: str
    level: Literal["anonymous", "claimed", "verified"]
    device: Literal["phone", "desktop"]
    page: str
    start: Annotated[str, Meta(pattern=r"^[0-2]\d:[0-5]\d$")]
    agent: str
    priority: int
    turns: Annotated[list[Turn], Meta(min_length=1)]
    end: Literal["agent", "visitor", "left"]
    wrap_up: str
    wrap_up_comment: str
    rating: Annotated[int, Meta(ge=1, le=5)] | None
    rating_comment: str
    language: str = "zh"

    @property
    def starts_at(self) -> time:
        return time.fromisoformat(self.start)

    @property
    def seconds(self) -> int:
        """The seconds from the first turn to the last."""
        return sum(turn.after for turn in self.turns)


def dialogues() -> list[Dialogue]:
    """Return all dialogues, the Chinese ones first. Raises msgspec.ValidationError for an invalid file."""
    decoder = msgspec.json.Decoder(Dialogue)
    return [
        msgspec.structs.replace(decoder.decode(line), language=language)
        for language in LANGUAGES
        for line in (FOLDER / f"dialogues_{language}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
